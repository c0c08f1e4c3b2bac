"""A whole feed as a process, from lines in its standard input to fills on a venue."""

import asyncio
import contextlib
import json
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator

import pytest

from bottrading.v1 import order_pb2
from server.bootstrap.adapters import system_clock
from tests.support.streams import quotes
from tests.support.venue import Venue, VenueFactory

DAY = 86_400_000_000
SECONDS_MAX = 30


@pytest.fixture
async def venue(start_venue: VenueFactory) -> Venue:
    """Return a venue whose clock stands at the real time, as that of a feed's machine."""
    return await start_venue(now=system_clock())


@contextlib.asynccontextmanager
async def feeding(venue: Venue, *symbols: str, token: str | None = None) -> AsyncIterator[Process]:
    token = venue.token("bottrading-feed", operator=True) if token is None else token
    command = [sys.executable, "-m", "bottrading_feeds", "feed", "lines", *symbols]
    environment = {"BOTTRADING_TOKEN": token, "BOTTRADING_TARGET": venue.address}
    process = await asyncio.create_subprocess_exec(
        *command, stdin=PIPE, stderr=PIPE, env=environment
    )
    try:
        async with asyncio.timeout(SECONDS_MAX):
            yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.communicate()


def say(feed: Process, *lines: str) -> None:
    assert feed.stdin is not None
    feed.stdin.writelines(f"{line}\n".encode() for line in lines)


async def told(feed: Process) -> list[str]:
    """Return what a feed logged until its end."""
    assert feed.stdin is not None
    assert feed.stderr is not None
    feed.stdin.close()
    await feed.wait()
    return [
        json.loads(line)["message"] if line.startswith(b"{") else line.decode().rstrip()
        async for line in feed.stderr
    ]


async def test_lines_become_quotes_that_orders_fill_at(venue: Venue) -> None:
    bot = await venue.bot()
    async with feeding(venue, "BTC/USD") as feed:
        stream = quotes(bot, "BTC-USD")
        say(feed, '{"symbol": "BTC/USD", "bid": "100.1", "ask": "100.2", "ask_size": "3"}')
        quote = (await stream.read()).quote
        order = await bot.place("BTC-USD", "BUY", "1")
        lines = await told(feed)

    shown = (quote.bid, quote.ask, quote.ask_size, quote.stale)
    assert shown == ("100.10000000", "100.20000000", "3.00000000", False)
    assert (order.status, order.filled_price) == (order_pb2.ORDER_STATUS_FILLED, "100.20000000")
    assert feed.returncode == 0
    assert lines[-1] == "The feed ends: the lines on standard input have ended."


async def test_csv_feeds_all_instruments_of_the_venue(venue: Venue) -> None:
    bot = await venue.bot()
    async with feeding(venue) as feed:
        stream = quotes(bot, "AAPL", "MSFT")
        say(feed, "symbol,bid,ask", "AAPL,1,2", "MSFT,3,4", "nonsense")
        read = [(await stream.read()).quote for _ in range(2)]

    assert {(it.symbol, it.ask) for it in read} == {("AAPL", "2.00000000"), ("MSFT", "4.00000000")}


async def test_an_unknown_symbol_is_told_in_one_line(venue: Venue) -> None:
    async with feeding(venue, "AAPL", "NOPE") as feed:
        lines = await told(feed)

    assert feed.returncode == 2
    assert lines == [
        "feed: the venue has no instrument NOPE: start it with a universe file that has them"
    ]


async def test_a_token_that_is_no_operators_is_told_in_one_line(venue: Venue) -> None:
    async with feeding(venue, "AAPL", token=venue.token("ada")) as feed:
        say(feed, '{"symbol": "AAPL", "bid": "1", "ask": "2"}')
        assert feed.stdin is not None
        await feed.wait()
        lines = await told(feed)

    assert feed.returncode == 1
    assert lines[-1].startswith("feed: the venue refuses the feed: The claim operator")


async def test_without_a_token_it_says_where_to_get_one(venue: Venue) -> None:
    async with feeding(venue, "AAPL", token="") as feed:
        lines = await told(feed)

    assert feed.returncode == 2
    assert lines == [
        "feed: set BOTTRADING_TOKEN to an operator's token, as `bottrading token feed --operator`"
        " prints it, or run `bottrading feed`, which signs its own"
    ]
