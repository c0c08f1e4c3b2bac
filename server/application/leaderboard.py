"""The leaderboard: accounts ranked by return, recomputed at intervals and read in pages."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from server.application.market_feed import QuoteBoard
from server.application.market_ports import Instruments
from server.application.paging import Page, number_in, token_after
from server.application.ports import Clock, StorageUnavailable
from server.application.return_curves import ReturnCurves, ReturnPoint, Span
from server.domain.account import MarginMode, TradeStatistics
from server.domain.equity_curve import EquityCurve
from server.domain.errors import Refusal
from server.domain.values import DAY, SCALE, SECOND, Micros

PAUSE_MIN: Micros = 5 * SECOND
PAUSE_FACTOR = 20
"""The pause after a refresh is at least this many times its duration, to bound the load."""


class Period(Enum):
    """The period over which returns are compared; ALL is each account's whole epoch."""

    DAY = DAY
    WEEK = 7 * DAY
    MONTH = 30 * DAY
    ALL = None

    def start(self, now: Micros, epoch_began_at: Micros) -> Micros:
        """Return when the period of an account began; its epoch may have begun later."""
        begun = epoch_began_at if self.value is None else max(now - self.value, epoch_began_at)
        # The epoch of an account may begin after its ranking when the clock went back.
        return min(begun, now)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """An account's rank among those of its margin mode.

    Equal returns share a rank, but each account has its own position.
    `return_pct` covers the period; the other figures cover the account's epoch.
    """

    position: int
    rank: int
    account_id: str
    display_name: str
    margin_mode: MarginMode
    was_reset: bool
    return_pct: float
    statistics: TradeStatistics
    curve: EquityCurve
    span: Span


@dataclass(frozen=True, slots=True)
class PlacesWanted:
    """Asks for a page of the leaderboard and the account's own place.

    Without `margin_mode`, the page shows the accounts of the own account's mode.
    `curve_points` is the number of points of each return curve; with None there are no curves.
    """

    period: Period
    limit: int
    token: str
    account_id: str
    curve_points: int | None = None
    margin_mode: MarginMode | None = None


@dataclass(frozen=True, slots=True)
class Board(Page[Place]):
    """A page of the leaderboard, the caller's own place and the number of ranked accounts.

    `curves` holds the return curves of the places, by account, if they were asked for.
    """

    own: Place | None
    total: int
    account_id: str
    curves: Mapping[str, Sequence[ReturnPoint]]


class Rankings(Protocol):
    """Stores the newest rankings; each call reads from a single ranking.

    Until the first ranking is stored, reading raises StorageUnavailable.
    """

    def refresh(self, worths: Sequence[tuple[str, float]], now: Micros) -> None:
        """Rank all accounts again.

        `worths` are the values of one unit of each quoted symbol, in units of money. A position
        in a symbol without one counts at its cost.
        """

    def places(
        self, period: Period, mode: MarginMode | None, after: int, limit: int, account_id: str
    ) -> tuple[list[Place], Place | None, int]:
        """Return places after a position, the account's own place, and the number of all places.

        All of them are places of one margin mode. Without `mode` it is the one of the own place,
        or CASH if there is no own place.
        """


class Leaderboard:
    """Ranks each user's first account if it traded in its epoch, by margin mode.

    Operators and bankrupt accounts are not ranked. `mode_of` returns the mode of an account, CASH
    if there is no such account.
    """

    def __init__(
        self,
        *,
        rankings: Rankings,
        curves: ReturnCurves,
        mode_of: Callable[[str], MarginMode],
        board: QuoteBoard,
        instruments: Instruments,
        clock: Clock,
        monotonic: Clock,
    ) -> None:
        self._rankings = rankings
        self._curves = curves
        self._mode_of = mode_of
        self._board = board
        self._instruments = instruments
        self._clock = clock
        self._monotonic = monotonic

    def refresh(self) -> Micros:
        """Rank all accounts again; return how long to wait before the next refresh."""
        begun = self._monotonic()
        worths = []
        for quote in self._board.all():
            instrument = self._instruments.find(quote.symbol)
            if instrument is not None:
                worths.append((quote.symbol, quote.mark * instrument.multiplier / SCALE))
        self._rankings.refresh(worths, self._clock())
        return max(PAUSE_MIN, PAUSE_FACTOR * (self._monotonic() - begun))

    def page(self, wanted: PlacesWanted) -> Board | Refusal:
        """Return a page, best first. Accounts can change places between two pages."""
        period, account_id = wanted.period, wanted.account_id
        mode = wanted.margin_mode or self._mode_of(account_id)
        after = number_in(wanted.token, (period, mode))
        if isinstance(after, Refusal):
            return after
        places, own, total = self._rankings.places(
            period, mode, after or 0, wanted.limit, account_id
        )
        is_last = not places or places[-1].position >= total
        next_token = "" if is_last else token_after(places[-1].position, (period, mode))
        shown = places if own is None or own in places else [*places, own]
        curves = self._curves_of(shown, wanted.curve_points)
        return Board(places, next_token, own, total, account_id, curves)

    def _curves_of(
        self, places: Sequence[Place], count: int | None
    ) -> Mapping[str, Sequence[ReturnPoint]]:
        if count is None:
            return {}
        spans = [(place.span, place.return_pct) for place in places]
        curves = self._curves.of(spans, count)
        return {place.account_id: curve for place, curve in zip(places, curves, strict=True)}

    def rank(self, account_id: str) -> tuple[int | None, int | None]:
        """Return an account's rank over its epoch, and the number of ranked accounts of its mode.

        Both are None for an account without rank, and while no ranking can be read. The caller's
        other figures must not fail because of a missing ranking.
        """
        try:
            _, own, total = self._rankings.places(Period.ALL, None, 0, 0, account_id)
        except StorageUnavailable:
            return None, None
        return (None, None) if own is None else (own.rank, total)
