"""`serve --feed ccxt:EXCHANGE` against exchanges on loopback, through the unmodified ccxt."""

import time
from decimal import Decimal
from pathlib import Path

import pytest

from bottrading_client import BotTradingClient, ErrorReason, OrderStatus, Side
from tests.support.exchanges.binance import Binance
from tests.support.exchanges.kraken import Kraken
from tests.support.exchanges.running import Running
from tests.support.process import Process, make_key

WAIT_SECONDS_MAX = 40
STALE_POLL_SECONDS = 0.5  # a bot may ask 120 times a minute


def serve(tmp_path: Path, url: str, *options: str) -> Process:
    return Process(
        tmp_path / "data",
        *options,
        feed_urls=url,
        slippage="none",
        quote_staleness_seconds="8",
    )


def buy(client: BotTradingClient) -> tuple[OrderStatus, Decimal | None]:
    order = client.place_order("BTC-USD", Side.BUY, "0.5")
    return order.status, order.filled_price


def filled_at(price: int) -> tuple[OrderStatus, Decimal | None]:
    return OrderStatus.FILLED, Decimal(price)


def wait_until_stale(client: BotTradingClient) -> None:
    deadline = time.monotonic() + WAIT_SECONDS_MAX
    while not client.quote("BTC-USD").stale:
        assert time.monotonic() < deadline
        time.sleep(STALE_POLL_SECONDS)


def wait_for_ask(client: BotTradingClient, ask: int) -> None:
    with client.quote_updates(["BTC-USD"]) as quotes:
        for quote in quotes:
            if quote.ask == ask and not quote.stale:
                return


@pytest.mark.timeout(180)
def test_orders_fill_at_the_newest_quote_and_never_at_one_of_a_lost_exchange(
    tmp_path: Path,
) -> None:
    exchange = Kraken()
    options = ("--feed", "ccxt:kraken", "--feed-symbols", "BTC/USD,ETH/USD")
    with (
        Running(exchange) as kraken,
        serve(tmp_path, kraken.url, *options) as service,
        BotTradingClient(make_key(service), service.grpc) as bot,
    ):
        ticks = {it.symbol: it.price_tick for it in bot.instruments()}
        kraken.do(exchange.until_subscribed("BTC/USD", "ETH/USD"))
        for price in (100, 200):
            kraken.do(exchange.quote("BTC/USD", price, price + 1, 7, 7))
            wait_for_ask(bot, price + 1)
            assert buy(bot) == filled_at(price + 1)

        # Silence is followed by a connection that is refused.
        exchange.silent = exchange.refusing = True
        wait_until_stale(bot)
        refused = bot.place_order("BTC-USD", Side.BUY, "0.5")

        exchange.silent = exchange.refusing = False
        kraken.do(exchange.quote("BTC/USD", 300, 301, 7, 7))
        wait_for_ask(bot, 301)
        assert buy(bot) == filled_at(301)

    assert ticks == {"BTC-USD": Decimal("0.1"), "ETH-USD": Decimal("0.01")}
    assert (refused.status, refused.rejection_reason) == (
        OrderStatus.REJECTED,
        ErrorReason.NO_QUOTE,
    )


@pytest.mark.timeout(180)
def test_a_quiet_market_stays_open_and_a_burst_leaves_no_backlog(tmp_path: Path) -> None:
    """An exchange says nothing of a price that stays; that is no reason to stop trading."""
    exchange = Binance()
    options = ("--feed", "ccxt:binance", "--feed-symbols", "BTC/USDT", "--usd-equivalent", "USDT")
    with (
        Running(exchange) as binance,
        serve(tmp_path, binance.url, *options) as service,
        BotTradingClient(make_key(service), service.grpc) as bot,
    ):
        binance.do(exchange.until_subscribed("btcusdt@bookTicker"))
        binance.do(exchange.quote("BTCUSDT", "100.00000000", "101.00000000", "7.00000000"))
        wait_for_ask(bot, 101)
        pings = exchange.pings
        binance.do(exchange.until(lambda: exchange.pings >= pings + 5))
        assert buy(bot) == filled_at(101)
        for _ in range(10):
            binance.do(exchange.burst("BTCUSDT", 5_000))
        binance.do(exchange.quote("BTCUSDT", "90000.00000000", "90001.00000000", "7.00000000"))
        wait_for_ask(bot, 90_001)
        [instrument] = bot.instruments()
        assert buy(bot) == filled_at(90_001)

    assert (instrument.symbol, instrument.quote_currency) == ("BTC-USD", "USDT")
