"""The leaderboard: accounts ranked by return, made anew from time to time and read by the page."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from server.application.market_feed import QuoteBoard
from server.application.paging import Page, number_in, token_after
from server.application.ports import Clock, Instruments, StorageUnavailable
from server.domain.account import TradeStatistics
from server.domain.equity_curve import EquityCurve
from server.domain.errors import Refusal
from server.domain.values import DAY, SCALE, SECOND, Micros

PAUSE_MIN: Micros = 5 * SECOND
PAUSE_FACTOR = 20
"""Between two refreshes lies so many times what the last one took, so that they take little."""


class Period(Enum):
    """The span over which returns are compared; of ALL every account's whole epoch."""

    DAY = DAY
    WEEK = 7 * DAY
    MONTH = 30 * DAY
    ALL = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where an account stands: equal returns have one rank, and each its own position.

    `return_pct` is that of the period, the other figures those of the account's epoch.
    """

    position: int
    rank: int
    account_id: str
    display_name: str
    was_reset: bool
    return_pct: float
    statistics: TradeStatistics
    curve: EquityCurve


@dataclass(frozen=True, slots=True)
class PlacesWanted:
    """A page of the leaderboard, as it looks to an account."""

    period: Period
    limit: int
    token: str
    account_id: str


@dataclass(frozen=True, slots=True)
class Board(Page[Place]):
    """A page of the leaderboard, the caller's own place and the number of ranked accounts."""

    own: Place | None
    total: int
    account_id: str


class Rankings(Protocol):
    """Where the newest rankings are kept; each call sees one of them.

    Until the first one is made, reading raises StorageUnavailable.
    """

    def refresh(self, worths: Sequence[tuple[str, float]], now: Micros) -> None:
        """Rank all accounts anew.

        `worths` are those of one unit of each quoted symbol, in units of money; what has none
        counts at its cost.
        """

    def places(
        self, period: Period, after: int, limit: int, account_id: str
    ) -> tuple[list[Place], Place | None, int]:
        """Return places after a position, an account's own, and the number of all."""


class Leaderboard:
    """Ranks everybody's first account that traded in its epoch, but no operator's."""

    def __init__(
        self,
        *,
        rankings: Rankings,
        board: QuoteBoard,
        instruments: Instruments,
        clock: Clock,
        monotonic: Clock,
    ) -> None:
        self._rankings = rankings
        self._board = board
        self._instruments = instruments
        self._clock = clock
        self._monotonic = monotonic

    def refresh(self) -> Micros:
        """Rank all accounts anew; return how long to wait until the next time."""
        begun = self._monotonic()
        worths = []
        for quote in self._board.all():
            instrument = self._instruments.find(quote.symbol)
            if instrument is not None:
                worths.append((quote.symbol, quote.mark * instrument.multiplier / SCALE))
        self._rankings.refresh(worths, self._clock())
        return max(PAUSE_MIN, PAUSE_FACTOR * (self._monotonic() - begun))

    def page(self, wanted: PlacesWanted) -> Board | Refusal:
        """Return a page, best first. Between two pages accounts can have moved."""
        period, account_id = wanted.period, wanted.account_id
        after = number_in(wanted.token, period)
        if isinstance(after, Refusal):
            return after
        places, own, total = self._rankings.places(period, after or 0, wanted.limit, account_id)
        is_last = not places or places[-1].position >= total
        next_token = "" if is_last else token_after(places[-1].position, period)
        return Board(places, next_token, own, total, account_id)

    def rank(self, account_id: str) -> tuple[int | None, int | None]:
        """Return the rank of an account by its whole epoch and their number; None if unranked.

        While no ranking can be read nobody is ranked: other figures need not fail for that.
        """
        try:
            _, own, total = self._rankings.places(Period.ALL, 0, 0, account_id)
        except StorageUnavailable:
            return None, None
        return (None, None) if own is None else (own.rank, total)
