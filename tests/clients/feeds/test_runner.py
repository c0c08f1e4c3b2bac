"""The runner keeps a source connected, and the venue at its newest prices."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal

import pytest

from bottrading_feeds.book import Book, Quote
from bottrading_feeds.port import Candle, Listing, SourceEnded, SourceError, Tell, Tick, Unreadable
from bottrading_feeds.publisher import VenueAway, VenueRefused
from bottrading_feeds.runner import Pace, Pauses, Runner
from tests.clients.feeds.test_book import BTC, Clock

FAST = Pace(pause_min=0.001, pause_max=0.002, silence=0.05, look=0.001, summary=60)

Connection = Callable[[Tell], Awaitable[None]]


class Script:
    """A source that plays one connection after another; the last one stays."""

    def __init__(self, *connections: Connection) -> None:
        self._connections = list(connections)
        self.opened = 0

    async def instruments(self, symbols: Sequence[str]) -> list[Listing]:
        return [BTC]

    async def stream(self, listings: Sequence[Listing], tell: Tell) -> None:
        connection = self._connections[min(self.opened, len(self._connections) - 1)]
        self.opened += 1
        await connection(tell)

    def candles(
        self, listing: Listing, interval: str, since: datetime, until: datetime
    ) -> AsyncIterator[Sequence[Candle]]:
        raise SourceError("no candles")

    async def close(self) -> None:
        pass


class Board:
    """A venue that keeps what is published; `failures` are raised first."""

    def __init__(self, *failures: Exception) -> None:
        self.failures = list(failures)
        self.bids: list[Decimal] = []
        self.confirmed: list[Decimal] = []
        self.changed = asyncio.Event()

    async def publish(
        self, quotes: Sequence[Quote], *, confirmed: bool = False
    ) -> list[tuple[str, str]]:
        if self.failures:
            raise self.failures.pop(0)
        (self.confirmed if confirmed else self.bids).extend(quote.bid for quote in quotes)
        self.changed.set()
        return []


def telling(*bids: str, then: Connection) -> Connection:
    async def connection(tell: Tell) -> None:
        for bid in bids:
            tell(Tick(symbol="BTC-USD", bid=Decimal(bid), ask=Decimal(200)))
        await then(tell)

    return connection


async def stay(tell: Tell) -> None:
    await asyncio.Event().wait()


def failing(error: Exception) -> Connection:
    async def connection(tell: Tell) -> None:
        raise error

    return connection


@contextlib.asynccontextmanager
async def running(
    source: Script,
    board: Board,
    clock: Clock | None = None,
    listings: Sequence[Listing] = (BTC,),
    pace: Pace = FAST,
) -> AsyncIterator["asyncio.Task[None]"]:
    changed = asyncio.Event()
    given = clock or Clock()
    monotonic = given.monotonic if clock else asyncio.get_running_loop().time
    book = Book(listings, given.now, monotonic, changed.set)
    runner = Runner("script", source, listings, book, board, changed, pace)
    task = asyncio.create_task(runner.run())
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until(board: Board, condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            board.changed.clear()
            await board.changed.wait()


async def test_a_lost_connection_is_opened_again() -> None:
    source = Script(
        failing(ConnectionError("reset by peer")),
        telling("100", then=failing(OSError("gone"))),
        telling("101", then=stay),
    )
    board = Board()
    async with running(source, board):
        await until(board, lambda: Decimal(101) in board.bids)

    assert source.opened == 3


async def test_a_connection_that_returns_is_opened_again() -> None:
    async def returns(tell: Tell) -> None:
        return

    source, board = Script(returns, telling("100", then=stay)), Board()
    async with running(source, board):
        await until(board, lambda: bool(board.bids))


async def test_a_silent_connection_is_opened_again() -> None:
    source, board = Script(stay, telling("100", then=stay)), Board()
    async with running(source, board):
        await until(board, lambda: bool(board.bids))

    assert source.opened >= 2


async def test_what_cannot_be_helped_ends_the_feed() -> None:
    source = Script(failing(SourceError("kraken has no symbol X")))
    async with running(source, Board()) as task:
        with pytest.raises(SourceError, match="no symbol X"):
            await task


async def test_a_venue_that_refuses_ends_the_feed() -> None:
    board = Board(VenueRefused("not an operator"))
    async with running(Script(telling("100", then=stay)), board) as task:
        with pytest.raises(VenueRefused):
            await task


async def test_the_end_of_a_source_publishes_its_last_words() -> None:
    source, board = Script(telling("100", "101", then=failing(SourceEnded("end")))), Board()
    async with running(source, board) as task:
        await task

    assert board.bids == [Decimal(101)]


async def test_a_burst_is_no_backlog() -> None:
    bids = [str(bid) for bid in range(1, 200)] * 250
    source, board = Script(telling(*bids, then=stay)), Board()
    async with running(source, board):
        await until(board, lambda: Decimal(199) in board.bids)

    assert board.bids == [Decimal(199)]


async def test_a_venue_that_was_away_gets_the_newest() -> None:
    board = Board(VenueAway("restarting"), VenueAway("restarting"))
    source = Script(telling("100", "101", then=stay))
    async with running(source, board):
        await until(board, lambda: bool(board.bids))

    assert board.bids == [Decimal(101)]


async def test_a_quiet_connection_confirms_what_it_told() -> None:
    clock, board = Clock(), Board()
    async with running(Script(telling("100", then=stay)), board, clock):
        await until(board, lambda: bool(board.bids))
        clock.seconds = 6
        await until(board, lambda: bool(board.confirmed))

    assert (board.bids, board.confirmed) == ([Decimal(100)], [Decimal(100)])


class Log(logging.Handler):
    """Keeps what is logged, and lets those who wait for a board look again."""

    def __init__(self, board: Board) -> None:
        super().__init__()
        self._board = board
        self.lines: list[str] = []
        self.news = asyncio.Event()

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())
        self.news.set()
        self._board.changed.set()


async def test_symbols_without_any_price_are_named() -> None:
    """An exchange that refuses one pair may say so to the library alone."""
    board = Board()
    logger, log = logging.getLogger("bottrading_feeds.runner"), Log(board)
    logger.addHandler(log)
    names = [f"C{number}-USD" for number in range(6)]
    listings = [BTC, *(replace(BTC, symbol=name) for name in names)]
    pace = replace(FAST, summary=0.01, silence=60)

    async def garbage(tell: Tell) -> None:
        """Let each summary have a line."""
        while True:
            tell(Unreadable("<html>"))
            log.news.clear()
            await log.news.wait()

    try:
        source = Script(telling("100", then=garbage))
        async with running(source, board, None, listings, pace):
            await until(board, lambda: len(log.lines) > 6)
    finally:
        logger.removeHandler(log)

    assert [line for line in log.lines if not line.startswith("Dropped ")] == [
        "The source has told no price of C0-USD, C1-USD, C2-USD, C3-USD, C4-USD, …",
    ]


def test_pauses_grow_and_begin_anew_after_a_steady_connection() -> None:
    pauses = Pauses(Pace(pause_min=1, pause_max=4, steady=10), chance=lambda: 1.0)

    assert [pauses.after(0) for _ in range(4)] == [1, 2, 4, 4]
    assert pauses.after(10) == 1
