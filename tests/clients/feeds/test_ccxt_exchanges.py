"""Exchanges that tell prices in other ways than Kraken, and candles of all, through ccxt."""

import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from bottrading_feeds import ccxt_source
from bottrading_feeds.ccxt_source import CcxtSource
from bottrading_feeds.port import Candle, Listing, SourceError, Tick
from bottrading_feeds.sources import open_source
from tests.clients.feeds.hearing import hearing
from tests.support.exchanges.binance import Binance
from tests.support.exchanges.bitstamp import FIRST, Bitstamp
from tests.support.exchanges.coinmate import Coinmate
from tests.support.exchanges.kraken import OHLC_ROWS_MAX, Kraken
from tests.support.exchanges.server import StandIn

MINUTE = timedelta(minutes=1)
DAY = datetime(2025, 3, 1, tzinfo=UTC)


@asynccontextmanager
async def source_of(name: str, exchange: StandIn) -> AsyncIterator[CcxtSource]:
    source = ccxt_source.open_source(name, {"": exchange.url})
    try:
        yield source
    finally:
        await source.close()


async def test_best_prices_come_from_binance() -> None:
    async with Binance() as exchange, source_of("binance", exchange) as source:
        listings = await source.instruments(["BTC-USDT"])
        assert (listings[0].price_tick, listings[0].quantity_step) == (
            Decimal("0.01"),
            Decimal("0.00001"),
        )
        assert (listings[0].symbol, listings[0].currency) == ("BTC-USDT", "USDT")
        async with hearing(source, listings) as heard:
            await exchange.until_subscribed("btcusdt@bookTicker")
            await exchange.quote("BTCUSDT", "28621.74000000", "28621.75000000", "1.43278800")

            assert await heard.until_bid("BTC-USDT", "28621.74") == Tick(
                symbol="BTC-USDT",
                bid=Decimal("28621.74"),
                bid_size=Decimal("1.432788"),
                ask=Decimal("28621.75"),
                ask_size=Decimal("1.432788"),
            )


async def test_an_exchange_without_best_prices_is_read_by_its_order_book() -> None:
    async with Bitstamp() as exchange, source_of("bitstamp", exchange) as source:
        listings = await source.instruments(["BTC/USD"])
        assert listings[0].price_tick == 1
        async with hearing(source, listings) as heard:
            await exchange.until_subscribed("diff_order_book_btcusd")
            # The library waits for seven differences before it asks for the whole book.
            for price in range(8993, 9000):
                await exchange.change("bids", str(price), "2")
                await exchange.change("asks", str(price + 1000), "3")
            await heard.until_bid("BTC-USD", "8999")
            await exchange.change("asks", "9001", "0.5")
            await exchange.change("bids", "8999", "0")

            assert await heard.until_bid("BTC-USD", "8998") == Tick(
                symbol="BTC-USD",
                bid=Decimal(8998),
                bid_size=Decimal(2),
                ask=Decimal(9001),
                ask_size=Decimal("0.5"),
                time=datetime.fromtimestamp(FIRST // 1_000_000 + 16, UTC),
            )


async def test_order_books_are_read_where_tickers_show_no_quotes() -> None:
    async with Kraken() as exchange, source_of("kraken", exchange) as source:
        source._exchange.has["watchBidsAsks"] = False
        exchange.quotes_in_tickers = False
        await exchange.quote("BTC/USD", 100.1, 100.2, 3.5, 4.5, last=100.15)
        listings = await source.instruments(["BTC/USD"])
        async with hearing(source, listings) as heard:
            assert await heard.until_bid("BTC-USD", "100.1") == Tick(
                symbol="BTC-USD",
                bid=Decimal("100.1"),
                bid_size=Decimal("3.5"),
                ask=Decimal("100.2"),
                ask_size=Decimal("4.5"),
            )


async def test_a_best_price_without_bid_and_ask_leaves_the_others_alone() -> None:
    async with Kraken() as exchange, source_of("kraken", exchange) as source:
        listings = await source.instruments(["BTC/USD", "ETH/USD"])
        async with hearing(source, listings) as heard:
            await exchange.until_subscribed("BTC/USD", "ETH/USD")
            await exchange.send({"channel": "ticker", "data": [{"symbol": "BTC/USD"}]})
            for price in range(1, 4):
                await exchange.quote("ETH/USD", price, price + 0.1)
                await heard.until_bid("ETH-USD", str(price))

    assert heard.newest["BTC-USD"] == Tick(symbol="BTC-USD")


async def test_an_exchange_without_sockets_is_asked_again_and_again() -> None:
    async with Coinmate() as exchange, source_of("coinmate", exchange) as source:
        exchange.quote("90000.1", "90000.9", 1_708_074_485)
        listings = await source.instruments(["BTC-EUR"])
        async with hearing(source, listings) as heard:
            first = await heard.until_bid("BTC-EUR", "90000.1")
            exchange.quote("90000.2", "90000.9", 1_708_074_486)
            await heard.until_bid("BTC-EUR", "90000.2")

            exchange.refusing = True
            with pytest.raises(ConnectionError, match=r"^coinmate: ExchangeNotAvailable: "):
                await heard.stream

    assert first == Tick(
        symbol="BTC-EUR",
        bid=Decimal("90000.1"),
        ask=Decimal("90000.9"),
        last=Decimal("90000.1"),
    )


async def test_candles_come_page_by_page_without_gap_or_double() -> None:
    begin = round(DAY.timestamp() * 1000)
    async with Binance() as exchange, source_of("binance", exchange) as source:
        exchange.klines = [
            (begin + number * 60_000, "1.5", f"{number}.25", "0.5", "2", "7.125")
            for number in range(2500)
            if number not in (999, 1000, 1001)
        ]
        [listing] = await source.instruments(["BTC/USDT"])
        pages = await _pages(source, listing, DAY + MINUTE, DAY + 2400 * MINUTE)

    candles = [candle for page in pages for candle in page]
    numbers = [number for number in range(1, 2400) if number not in (999, 1000, 1001)]
    assert [candle.time for candle in candles] == [DAY + number * MINUTE for number in numbers]
    assert candles[0] == Candle(
        time=DAY + MINUTE,
        open=Decimal("1.5"),
        high=Decimal("1.25"),
        low=Decimal("0.5"),
        close=Decimal(2),
        volume=Decimal("7.125"),
    )
    assert len(pages) == 3


async def test_a_candle_that_has_not_ended_is_left_out() -> None:
    now = int(time.time())
    minute = now - now % 60
    async with Kraken() as exchange, source_of("kraken", exchange) as source:
        exchange.candles["BTC/USD"] = [
            (minute - ago * 60, "1", "2", "1", "2", "3") for ago in range(1000, -1, -1)
        ]
        [listing] = await source.instruments(["BTC/USD"])
        since = datetime.fromtimestamp(minute - 1000 * 60, UTC)
        pages = await _pages(source, listing, since, datetime.fromtimestamp(now + 3600, UTC))

    times = [round(candle.time.timestamp()) for page in pages for candle in page]
    assert times[0] == minute - (OHLC_ROWS_MAX - 1) * 60, "Kraken gives its newest candles alone"
    assert times == list(range(times[0], times[-1] + 60, 60))
    assert times[-1] in (minute - 60, minute), "the minute may have ended during the test"


async def test_an_interval_that_the_exchange_lacks_is_named() -> None:
    async with Kraken() as exchange, source_of("kraken", exchange) as source:
        [listing] = await source.instruments(["BTC/USD"])
        with pytest.raises(SourceError) as refused:
            await _pages(source, listing, DAY, DAY + MINUTE, "7m")

    assert str(refused.value) == (
        "kraken has no candles of 7m: choose one of 1m, 5m, 15m, 30m, 1h, 4h, 1d, 1w, 2w"
    )


async def test_addresses_are_replaced_by_their_kind() -> None:
    addresses = {"rest": "https://proxy.test/kraken/", "stream": "ws://proxy.test:81"}
    source = ccxt_source.open_source("kraken", addresses)
    urls: dict[str, Any] = source._exchange.urls["api"]

    assert urls["public"] == "https://proxy.test/kraken"
    assert urls["ws"]["publicV2"] == "ws://proxy.test:81/v2"
    assert source._exchange.markets is None


@pytest.mark.parametrize(
    ("name", "urls", "told"),
    [
        ("ccxt:krakne", "", "ccxt has no exchange 'krakne': did you mean kraken"),
        ("ccxt:", "", "'ccxt:' is not a source: write ccxt:EXCHANGE"),
        (
            "ccxt:kraken",
            "socket=ws://127.0.0.1:9",
            "BOTTRADING_FEED_URLS: an exchange has the addresses rest and stream, not 'socket'",
        ),
    ],
)
def test_what_cannot_be_opened_says_why(name: str, urls: str, told: str) -> None:
    with pytest.raises(SourceError) as refused:
        open_source(name, urls=urls)

    assert str(refused.value).startswith(told)


def test_without_the_library_one_line_says_what_to_run(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("bottrading_feeds.ccxt_source", "bottrading_feeds.ccxt_connection"):
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, "ccxt", None)

    with pytest.raises(SourceError, match=r"^ccxt needs the package ccxt: run `make setup-ccxt`$"):
        open_source("ccxt:kraken")


async def _pages(
    source: CcxtSource, listing: Listing, since: datetime, until: datetime, interval: str = "1m"
) -> list[list[Candle]]:
    return [list(page) async for page in source.candles(listing, interval, since, until)]
