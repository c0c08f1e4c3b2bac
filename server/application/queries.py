"""Queries: what callers can read, valued at the newest quotes."""

from dataclasses import dataclass, replace
from typing import TypeVar

from server.application.equity_history import (
    POINTS_MAX,
    EquityPoint,
    Interval,
    equity_history,
)
from server.application.leaderboard import Leaderboard
from server.application.listings import FillFilter, Found, OrderFilter
from server.application.market_feed import QuoteBoard
from server.application.market_record import MINUTE_BARS_SHOWN, HeardMinutes, made_of
from server.application.paging import Page, number_in, token_after
from server.application.ports import (
    Clock,
    Holdings,
    Instruments,
    Reads,
)
from server.domain import performance
from server.domain.account import Account, SnapshotFilter, TradeStatistics
from server.domain.bar import Bar, BarFilter, BarInterval, StoredBars, joined
from server.domain.equity_curve import EquityCurve
from server.domain.errors import Reason, Refusal, Violation, refuse_fields
from server.domain.events import Fill
from server.domain.invariants import BrokenInvariant
from server.domain.order import Order
from server.domain.valuation import ValuedPosition, total_equity, value
from server.domain.values import SECOND, Micros, Units

Item = TypeVar("Item", Order, Fill)

LATE_QUOTE_MAX: Micros = 5 * SECOND
"""After the end of a bar its last quote may be on its way for so long."""


@dataclass(frozen=True, slots=True)
class Portfolio:
    """An account with its valued positions."""

    account: Account
    positions: list[ValuedPosition]
    equity: Units


@dataclass(frozen=True, slots=True)
class Indicators:
    """The key performance indicators of an account."""

    statistics: TradeStatistics
    total_return_pct: float
    curve: EquityCurve
    rank: int | None
    rank_total: int | None


class Queries:
    """Reads for one account at a time; every method blocks, none of them writes."""

    def __init__(
        self,
        *,
        reads: Reads,
        board: QuoteBoard,
        heard: HeardMinutes,
        instruments: Instruments,
        leaderboard: Leaderboard,
        clock: Clock,
    ) -> None:
        self.reads = reads
        self.leaderboard = leaderboard
        self._heard = heard
        self._board = board
        self._instruments = instruments
        self._clock = clock

    def orders(self, wanted: OrderFilter, limit: int, token: str) -> Page[Order] | Refusal:
        """List orders, newest first."""
        before = number_in(token, wanted)
        if isinstance(before, Refusal):
            return before
        return _page(self.reads.orders(wanted, before, limit + 1), limit, wanted)

    def fills(self, wanted: FillFilter, limit: int, token: str) -> Page[Fill] | Refusal:
        """List fills, newest first."""
        before = number_in(token, wanted)
        if isinstance(before, Refusal):
            return before
        return _page(self.reads.fills(wanted, before, limit + 1), limit, wanted)

    def bars(self, symbol: str, wanted: BarFilter) -> list[tuple[Bar, bool]]:
        """List bars, oldest first, each with whether nothing can be added to it any more."""
        now, interval = self._clock(), wanted.interval
        stored, start = made_of(interval), wanted.start
        if stored is BarInterval.ONE_MINUTE:
            shown_since = interval.begin_not_before(now - MINUTE_BARS_SHOWN)
            start = shown_since if start is None else max(start, shown_since)
        parts = wanted.limit * (interval.width // stored.width)
        found = self.reads.bars(symbol, replace(wanted, interval=stored, start=start, limit=parts))
        newest = [
            minute
            for minute in self._newest_minutes(symbol, found)
            if interval.begin(minute.start) < wanted.end
            and (start is None or interval.begin(minute.start) >= start)
        ]
        stored_until = None if found.newest is None else found.newest[0].time
        return [
            (bar, _is_complete(bar.start + interval.width, stored_until, now))
            for bar in joined([*found.bars, *newest], interval)[-wanted.limit :]
        ]

    def _newest_minutes(self, symbol: str, found: StoredBars) -> list[Bar]:
        """Return the minutes that are in no stored bar yet, or in part only."""
        heard = self._heard.of(symbol)
        if found.newest is None:
            return [] if heard is None else list(heard.minutes)
        quote, running = found.newest
        if heard is None or not heard.is_newer_than(quote):
            return [running]
        return [running, *(it for it in heard.minutes if it.start >= running.start)]

    def portfolio(self, account_id: str) -> Portfolio:
        """Value the positions of an account."""
        return self._valued(self.reads.holdings(account_id))

    def indicators(self, account_id: str) -> Indicators:
        """Compute the key performance indicators of an account."""
        standing = self.reads.standing(account_id)
        account = standing.holdings.account
        value = account.initial_value(self._valued(standing.holdings).equity)
        curve = standing.curve.added(self._clock(), value)
        rank, rank_total = self.leaderboard.rank(account_id)
        return Indicators(
            statistics=account.statistics,
            total_return_pct=performance.total_return_pct(account.initial_balance, value),
            curve=curve,
            rank=rank,
            rank_total=rank_total,
        )

    def history(
        self, account_id: str, period: Micros | None, interval: Interval
    ) -> list[EquityPoint] | Refusal:
        """Return the equity curve of an account over a period up to now, None for its epoch."""
        now = self._clock()
        since = None if period is None else now - period
        wanted = SnapshotFilter(
            since=since, before=interval.begin(now), width=interval.width, limit=POINTS_MAX
        )
        record = self.reads.track_record(account_id, wanted)
        equity = self._valued(record.holdings).equity
        points = equity_history(record, equity, now, since)
        if len(points) > POINTS_MAX:
            message = f"More than {POINTS_MAX} points; take a longer interval or a shorter period."
            return refuse_fields([Violation("interval", Reason.FIELD_INVALID, message)])
        return points

    def _valued(self, holdings: Holdings) -> Portfolio:
        now = self._clock()
        positions = []
        for position in holdings.positions:
            instrument = self._instruments.find(position.symbol)
            if instrument is None:
                raise BrokenInvariant(f"{position.symbol} is held and is no instrument")
            quote = self._board.get(position.symbol)
            fresh = quote is not None and self._board.is_fresh(quote, now)
            positions.append(value(position, instrument, quote, fresh=fresh))
        equity = total_equity(holdings.account.balance, positions)
        return Portfolio(holdings.account, positions, equity)


def _page(found: Found[Item], limit: int, wanted: OrderFilter | FillFilter) -> Page[Item]:
    if len(found.items) > limit:
        items = found.items[:limit]
        return Page(items, token_after(items[-1].sequence, wanted))
    if found.looked_down_to is not None:
        return Page(found.items, token_after(found.looked_down_to, wanted))
    return Page(found.items, "")


def _is_complete(end: Micros, stored_until: Micros | None, now: Micros) -> bool:
    """Tell whether a bar is over and no quote of it is on its way: later ones came, or long ago."""
    followed = stored_until is not None and stored_until >= end
    return end <= now and (followed or end <= now - LATE_QUOTE_MAX)
