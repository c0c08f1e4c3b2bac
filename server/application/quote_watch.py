"""The watch over the quotes of a published market: how many are stale, and when that is told."""

from collections.abc import Sequence
from dataclasses import dataclass

from server.application.market_feed import QuoteBoard
from server.application.ports import Clock
from server.domain.values import SECOND, Micros

SYMBOLS_SHOWN = 5
TOLD_EVERY: Micros = 60 * SECOND
"""Unless all quotes go stale or the first one comes again, changes are told this often."""


@dataclass(frozen=True, slots=True)
class QuoteCounts:
    """How many instruments have a fresh quote, and how many a stale one."""

    fresh: int
    stale: int


@dataclass(frozen=True, slots=True)
class QuoteNews:
    """A line for the log; a warning if quotes have gone stale."""

    line: str
    is_warning: bool


class QuoteWatch:
    """Looks at the newest quotes. `monotonic` says when something was told last."""

    def __init__(self, board: QuoteBoard, clock: Clock, monotonic: Clock) -> None:
        self._board = board
        self._clock = clock
        self._monotonic = monotonic
        self._stale: frozenset[str] = frozenset()
        self._was_fresh = False
        self._told_at: Micros | None = None

    def counts(self) -> QuoteCounts:
        """Count the newest quotes now."""
        now, quotes = self._clock(), self._board.all()
        fresh = sum(self._board.is_fresh(quote, now) for quote in quotes)
        return QuoteCounts(fresh, len(quotes) - fresh)

    def look(self) -> QuoteNews | None:
        """Return what has changed since it was told last; None if nothing, or too soon.

        The quotes of an earlier run are not told: they are stale until a feed begins.
        """
        now, quotes = self._clock(), self._board.all()
        stale = frozenset(it.symbol for it in quotes if not self._board.is_fresh(it, now))
        is_any_fresh = len(stale) < len(quotes)
        was_any_fresh, self._was_fresh = self._was_fresh, is_any_fresh
        if stale == self._stale or not (is_any_fresh or was_any_fresh):
            return None
        is_turn = was_any_fresh is not is_any_fresh
        at, last = self._monotonic(), self._told_at
        if not is_turn and last is not None and at < last + TOLD_EVERY:
            return None
        gone, self._stale = stale - self._stale, stale
        self._told_at = at
        if not stale:
            return QuoteNews(f"All {len(quotes)} quotes are fresh again.", is_warning=False)
        return QuoteNews(
            f"{len(stale)} of {len(quotes)} quotes are stale ({_shown(sorted(stale))}): nobody"
            " trades on them until a feed shows them.",
            is_warning=bool(gone),
        )


def _shown(symbols: Sequence[str]) -> str:
    more = ", …" if len(symbols) > SYMBOLS_SHOWN else ""
    return ", ".join(symbols[:SYMBOLS_SHOWN]) + more
