"""Stocks of Alpaca through the unmodified alpaca-py, from a stand-in on loopback."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from bottrading_feeds import alpaca_source
from bottrading_feeds.alpaca_source import KEY_VARIABLES, AlpacaSource, open_source
from bottrading_feeds.port import Candle, Listing, SourceError
from tests.clients.feeds.hearing import hearing
from tests.support.exchanges.alpaca import KEY, SECRET, Alpaca, bars_between, packed, quote

BURST = 50_000
POOL_THREADS = min(32, (os.cpu_count() or 1) + 4)
NOON = datetime(2026, 1, 5, 17, tzinfo=UTC)
KEYS = dict(zip(KEY_VARIABLES, (KEY, SECRET), strict=True))
UNREADABLE_QUOTES: list[dict[str, Any]] = [
    {},
    quote(1, 2, bp="1"),
    quote(1, 2, ap=None),
    quote(1, 2, bs=True),
    quote(1, 2, t=7),
    quote(1, 2, t="yesterday"),
]
UNREADABLE_FRAMES: list[bytes | str] = [
    b"\xc1",
    b"",
    packed({"T": "q", "S": "AAPL", **quote(1, 2, t=NOON)})[:-4],
    b"\x07",
    "[]",
    packed({"T": ["q"]}),
]


@pytest.fixture
async def alpaca() -> AsyncIterator[Alpaca]:
    async with Alpaca() as broker:
        yield broker


@asynccontextmanager
async def source_of(broker: Alpaca, argument: str = "", **keys: str) -> AsyncIterator[AlpacaSource]:
    source = open_source(argument, {"": broker.url}, {**KEYS, **keys})
    try:
        yield source
    finally:
        await source.close()


async def listings(broker: Alpaca, *symbols: str) -> list[Listing]:
    async with source_of(broker) as source:
        return await source.instruments(symbols or ["AAPL", "SPY"])


async def test_instruments_are_stocks_and_funds(alpaca: Alpaca) -> None:
    apple, berkshire, fund = await listings(alpaca, "aapl", "BRK-B", "SPY")

    assert apple == Listing(
        symbol="AAPL",
        source_symbol="AAPL",
        name="AAPL Inc.",
        asset_type="STOCK",
        price_tick=Decimal("0.01"),
        quantity_step=Decimal("0.00000001"),
        session="exchange",
        currency="USD",
    )
    assert (berkshire.symbol, berkshire.quantity_step) == ("BRK.B", Decimal(1))
    assert (fund.asset_type, fund.name) == ("ETF", "SPDR S&P 500 ETF Trust")


async def test_what_is_wrong_is_told_in_one_line(alpaca: Alpaca) -> None:
    async with source_of(alpaca) as source:
        with pytest.raises(SourceError, match=r"^alpaca has no stock NOPE, BTC/USD: write symbols"):
            await source.instruments(["AAPL", "NOPE", "BTC/USD"])
    async with source_of(alpaca, APCA_API_SECRET_KEY="wrong") as source:
        with pytest.raises(SourceError, match=r"\(403: forbidden\.\): check APCA_API_KEY_ID and"):
            await source.instruments(["AAPL"])
        with pytest.raises(SourceError, match=r"^alpaca: auth failed: check APCA_API_KEY_ID and"):
            await source.stream(await listings(alpaca), lambda _: None)
    with pytest.raises(SourceError, match=r"needs the environment variable APCA_API_SECRET_KEY: a"):
        open_source("", {}, {"APCA_API_KEY_ID": "x"})
    with pytest.raises(SourceError, match=r"^alpaca has no feed 'otc': choose iex or sip$"):
        open_source("otc", {}, KEYS)


async def test_a_server_that_fails_is_worth_another_try(alpaca: Alpaca) -> None:
    alpaca.refusing = True
    async with source_of(alpaca) as source:
        for call in (source.instruments(["AAPL"]), source.stream([], lambda _: None)):
            with pytest.raises(Exception, match=r"503|maintenance") as failed:
                await call
            assert not isinstance(failed.value, SourceError)


async def test_an_answer_that_trickles_in_is_given_up(
    alpaca: Alpaca, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each byte would begin the wait for the next one, for ever."""
    monkeypatch.setattr(alpaca_source, "ANSWER_SECONDS_MAX", 0.1)
    alpaca.trickling.add("SPY")
    async with source_of(alpaca) as source:
        for _ in range(POOL_THREADS + 1):
            with pytest.raises(TimeoutError):
                await source.instruments(["SPY"])
        monkeypatch.undo()
        async with asyncio.timeout(10):
            assert len(await source.instruments(["AAPL"])) == 1
    alpaca.trickling.clear()


async def test_a_connection_tells_first_what_holds_and_then_what_changes(alpaca: Alpaca) -> None:
    await alpaca.quote("AAPL", 99.5, 99.75, t=NOON)
    async with source_of(alpaca) as source, hearing(source, await listings(alpaca)) as heard:
        held = await heard.until_bid("AAPL", "99.5")
        await alpaca.until_subscribed("AAPL", "SPY")
        later = NOON + timedelta(microseconds=1)
        await alpaca.quote("SPY", 600.01, 600.02, bs=12, t=later, **{"as": 7})
        new = await heard.until_bid("SPY", "600.01")

    # The time of the REST answer has nine decimals.
    assert (held.ask, held.time) == (Decimal("99.75"), NOON)
    assert (new.bid_size, new.ask_size) == (Decimal(12), Decimal(7))
    assert (new.ask, new.last, new.time) == (Decimal("600.02"), None, later)
    assert alpaca.connections == []


async def test_a_side_without_a_price_is_told_as_it_is(alpaca: Alpaca) -> None:
    async with source_of(alpaca) as source, hearing(source, await listings(alpaca)) as heard:
        await alpaca.until_subscribed("AAPL")
        await alpaca.quote("AAPL", 0, 101.5, bs=0)
        told = await heard.until_bid("AAPL", "0")

    assert (told.bid_size, told.ask) == (Decimal(0), Decimal("101.5"))


@pytest.mark.parametrize("politely", [False, True])
async def test_a_lost_connection_ends_the_stream_and_the_next_one_goes_on(
    alpaca: Alpaca, politely: bool
) -> None:
    async with source_of(alpaca) as source:
        for bid in ("100", "101"):
            async with hearing(source, await listings(alpaca)) as heard:
                await alpaca.until_subscribed("AAPL")
                await alpaca.quote("AAPL", float(bid), 200)
                await heard.until_bid("AAPL", bid)
                if politely:
                    await alpaca.close_connections()
                else:
                    alpaca.lose_connections()
                with pytest.raises(Exception) as lost:  # noqa: PT011 - any but a SourceError
                    await heard.stream
                assert not isinstance(lost.value, SourceError)
            await alpaca.until(lambda: not alpaca.connections)


async def test_a_second_connection_has_to_wait_for_the_first(alpaca: Alpaca) -> None:
    async with source_of(alpaca) as source, hearing(source, await listings(alpaca)):
        await alpaca.until_subscribed("AAPL")
        with pytest.raises(ConnectionError, match="connection limit exceeded"):
            await source.stream(await listings(alpaca), lambda _: None)


async def test_more_symbols_than_the_plan_has_are_told() -> None:
    names = [f"A{chr(65 + number // 26)}{chr(65 + number % 26)}" for number in range(31)]
    async with Alpaca(*names) as broker, source_of(broker) as source:
        with pytest.raises(SourceError, match=r"^alpaca: symbol limit exceeded: a free account"):
            await source.stream(await listings(broker, *names), lambda _: None)


async def test_quotes_that_cannot_be_read_are_told_and_the_stream_goes_on(alpaca: Alpaca) -> None:
    await alpaca.quote("AAPL", 50, 51)
    async with source_of(alpaca) as source, hearing(source, await listings(alpaca)) as heard:
        await heard.until_bid("AAPL", "50")
        for fields in UNREADABLE_QUOTES:
            await alpaca.send(packed({"T": "q", "S": "AAPL", **fields}))
        await alpaca.send(packed({"T": "q"}, {"T": "t", "S": "AAPL"}, {"T": "q", "S": "GME"}, {}))
        await alpaca.quote("AAPL", 100, 101)
        await heard.until_bid("AAPL", "100")

    assert (heard.count, len(heard.unreadable)) == (2, len(UNREADABLE_QUOTES))


@pytest.mark.parametrize("frame", UNREADABLE_FRAMES)
async def test_a_frame_that_cannot_be_read_ends_the_connection(
    alpaca: Alpaca, frame: bytes | str
) -> None:
    async with source_of(alpaca) as source, hearing(source, await listings(alpaca)) as heard:
        await alpaca.until_subscribed("AAPL")
        await alpaca.send(frame)
        with pytest.raises((ValueError, TypeError, AttributeError)):
            await heard.stream

    assert len(heard.unreadable) == 1


async def test_a_connection_that_answers_pings_is_alive_and_one_that_does_not_is_lost(
    alpaca: Alpaca, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alpaca_source, "PING_SECONDS", 0.01)
    monkeypatch.setattr(alpaca_source, "PONG_SECONDS", 0.2)
    async with source_of(alpaca) as source, hearing(source, await listings(alpaca)) as heard:
        await heard.until(lambda: heard.alive >= 3)
        alpaca.silent = True
        with pytest.raises(TimeoutError):
            await heard.stream


async def test_a_burst_leaves_no_backlog(alpaca: Alpaca) -> None:
    await alpaca.quote("AAPL", 50, 51)
    async with source_of(alpaca) as source, hearing(source, await listings(alpaca)) as heard:
        await heard.until_bid("AAPL", "50")
        for begin in range(0, BURST, 100):
            numbers = range(begin, begin + 100)
            made = [quote(100 + number / 100, 10_000, t=NOON) for number in numbers]
            await alpaca.send(packed(*({"T": "q", "S": "AAPL", **one} for one in made)))
        await alpaca.quote("SPY", 600, 601)
        await heard.until_bid("SPY", "600")

    assert heard.count == BURST + 2
    assert heard.newest["AAPL"].bid == Decimal("599.99")


async def candles_of(
    broker: Alpaca, interval: str, since: datetime, until: datetime, feed: str = ""
) -> list[Candle]:
    [apple] = await listings(broker, "AAPL")
    async with source_of(broker, feed) as source:
        pages = [page async for page in source.candles(apple, interval, since, until)]
    return [candle for page in pages for candle in page]


@pytest.mark.parametrize(("interval", "seconds"), [("1m", 60), ("15m", 900), ("1h", 3600)])
async def test_candles_come_in_pages_without_gaps(
    alpaca: Alpaca, monkeypatch: pytest.MonkeyPatch, interval: str, seconds: int
) -> None:
    monkeypatch.setattr(alpaca_source, "BARS_A_PAGE", 700)
    alpaca.page = 300
    since, until = NOON - timedelta(days=4), NOON

    found = await candles_of(alpaca, interval, since, until)

    length = timedelta(seconds=seconds)
    told = bars_between(since, until - timedelta(microseconds=1), length)
    assert [f"{it.time:%Y-%m-%dT%H:%M:%SZ}" for it in found] == [bar["t"] for bar in told]
    assert [it.close for it in found] == [Decimal(str(bar["c"])) for bar in told]
    assert [it.volume for it in found] == [bar["v"] for bar in told]
    asked = next(path for path in alpaca.asked if "/bars" in path)
    assert "adjustment=all" in asked
    assert "feed=sip" in asked


async def test_candles_of_a_day_begin_at_midnight_in_new_york(alpaca: Alpaca) -> None:
    found = await candles_of(alpaca, "1d", datetime(2026, 1, 2, tzinfo=UTC), NOON)
    assert [it.time.isoformat() for it in found] == [
        "2026-01-02T05:00:00+00:00",
        "2026-01-05T05:00:00+00:00",
    ]


async def test_bars_of_the_last_minutes_are_asked_for_by_subscribers_alone(alpaca: Alpaca) -> None:
    since, until = datetime.now(UTC) - timedelta(minutes=40), datetime.now(UTC)

    await candles_of(alpaca, "1m", since, until)
    with pytest.raises(SourceError, match=r"\(403: subscription does not permit querying recent"):
        await candles_of(alpaca, "1m", since, until, feed="sip")


async def test_many_sources_close_what_they_open(alpaca: Alpaca) -> None:
    for _ in range(3):
        async with source_of(alpaca) as source, hearing(source, await listings(alpaca)):
            await alpaca.until_subscribed("AAPL")
        await alpaca.until(lambda: not alpaca.connections)
    await asyncio.sleep(0)
