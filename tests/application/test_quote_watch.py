"""What is told of stale quotes: at once when all are, and now and then when some are."""

from dataclasses import replace

import pytest

from server.application.market_feed import QuoteBoard
from server.application.quote_watch import QuoteCounts, QuoteNews, QuoteWatch
from server.application.staging import Stage
from server.domain.values import SECOND
from tests.domain.book import make_quote
from tests.support.venue import ManualClock

NOW = 1_000 * SECOND
LIMIT = 15 * SECOND
QUOTE = make_quote("A", "99", "1", "100", "1", last="99.50", time=NOW, sequence=7)


class Watched:
    """A board and its watch."""

    def __init__(self) -> None:
        self.board, self.clock = QuoteBoard(LIMIT), ManualClock(NOW)
        self.stage = Stage()
        self.watch = QuoteWatch(self.board, self.clock, self.clock)

    def show(self, *symbols: str) -> None:
        for symbol in symbols:
            self.board.put(replace(QUOTE, symbol=symbol, time=self.clock.now), self.stage)

    def line(self) -> str | None:
        news = self.watch.look()
        return None if news is None else news.line


@pytest.fixture
def watched() -> Watched:
    return Watched()


def test_nothing_is_told_while_all_is_well_or_nothing_began(watched: Watched) -> None:
    assert watched.line() is None
    watched.board.load([QUOTE], watched.stage)
    assert watched.line() is None
    watched.show("A", "B")
    assert watched.line() is None
    assert watched.watch.counts() == QuoteCounts(fresh=2, stale=0)


def test_a_lost_feed_is_told_once_and_its_return_too(watched: Watched) -> None:
    watched.show(*"ABCDEF")
    assert watched.line() is None
    watched.clock.turn(seconds=16)

    assert watched.watch.look() == QuoteNews(
        "6 of 6 quotes are stale (A, B, C, D, E, …):"
        " nobody trades on them until a feed shows them.",
        is_warning=True,
    )
    assert watched.watch.counts() == QuoteCounts(fresh=0, stale=6)
    assert watched.line() is None
    watched.show(*"ABCDEF")
    assert watched.watch.look() == QuoteNews("All 6 quotes are fresh again.", is_warning=False)
    assert watched.line() is None


def test_some_stale_quotes_are_told_at_most_every_minute(watched: Watched) -> None:
    told = []
    for second in range(180):
        # C is shown every 20 s: it is stale a quarter of the time.
        watched.show("A", "B", *(["C"] if second % 20 == 0 else []))
        told.append(watched.line())
        watched.clock.turn(seconds=1)

    stale = "1 of 3 quotes are stale (C): nobody trades on them until a feed shows them."
    assert told.count(stale) >= 1
    assert len([line for line in told if line]) <= 4
    assert set(told) <= {None, stale, "All 3 quotes are fresh again."}
