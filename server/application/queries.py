"""Queries: what callers can read, valued at the newest quotes."""

import base64
import binascii
import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from threading import Lock
from typing import Generic, TypeVar

from server.application.equity_history import (
    POINTS_MAX,
    EquityPoint,
    Interval,
    equity_history,
)
from server.application.market_feed import QuoteBoard
from server.application.market_record import MINUTE_BARS_SHOWN, HeardMinutes, made_of
from server.application.ports import (
    Clock,
    FillFilter,
    Holdings,
    Instruments,
    OrderFilter,
    Reads,
    TrackRecord,
)
from server.domain import performance
from server.domain.account import Account, TradeStatistics
from server.domain.bar import Bar, BarFilter, BarInterval, StoredBars, joined
from server.domain.errors import Reason, Refusal, Violation, refuse_fields
from server.domain.events import Fill
from server.domain.order import Order
from server.domain.valuation import ValuedPosition, total_equity, value
from server.domain.values import DAY, SECOND, Micros, Units

Item = TypeVar("Item", Order, Fill)

RANKING_INTERVAL_SECONDS_MIN = 5.0
RANKING_REST = 20
"""A ranking is kept for this many times the time that making it took."""

LATE_QUOTE_MAX: Micros = 5 * SECOND
"""After the end of a bar its last quote may be on its way for so long."""


@dataclass(frozen=True, slots=True)
class Page(Generic[Item]):
    """Part of a listing; `next_token` is empty on the last one."""

    items: list[Item]
    next_token: str


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
    sharpe_ratio: float | None
    sortino_ratio: float | None
    max_drawdown: float
    rank: int | None
    rank_total: int | None


class Queries:
    """Reads for one account at a time; every method blocks, none of them writes."""

    def __init__(
        self, *, reads: Reads, board: QuoteBoard, heard: HeardMinutes, instruments: Instruments,
        clock: Clock,
    ) -> None:  # fmt: skip
        self.reads = reads
        self._heard = heard
        self._board = board
        self._instruments = instruments
        self._clock = clock
        self._ranking: dict[str, float] = {}
        self._ranking_until = 0.0
        self._ranking_lock = Lock()

    def orders(self, wanted: OrderFilter, limit: int, token: str) -> Page[Order] | Refusal:
        """List orders, newest first."""
        before = _before(token, wanted)
        if isinstance(before, Refusal):
            return before
        return _page(self.reads.orders(wanted, before, limit + 1), limit, wanted)

    def fills(self, wanted: FillFilter, limit: int, token: str) -> Page[Fill] | Refusal:
        """List fills, newest first."""
        before = _before(token, wanted)
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
        record = self.reads.performance(account_id)
        begun_with, curve = self._curve(record)
        *earlier, now = curve
        times = [time for _, time, _ in record.snapshots]
        day_ends = _day_ends(times, earlier, self._clock())
        returns = performance.period_returns([*day_ends, now])
        ranking = self._current_ranking()
        mine = ranking.get(account_id)
        return Indicators(
            statistics=record.holdings.account.statistics,
            total_return_pct=performance.total_return_pct(begun_with, now),
            sharpe_ratio=performance.sharpe_ratio(returns),
            sortino_ratio=performance.sortino_ratio(returns),
            max_drawdown=performance.max_drawdown_pct([begun_with, *curve]),
            rank=None if mine is None else 1 + sum(other > mine for other in ranking.values()),
            rank_total=None if mine is None else len(ranking),
        )

    def history(
        self, account_id: str, period: Micros | None, interval: Interval
    ) -> list[EquityPoint] | Refusal:
        """Return the equity curve of an account over a period up to now, None for its epoch."""
        record, now = self.reads.performance(account_id), self._clock()
        equity = self._valued(record.holdings).equity
        since = None if period is None else now - period
        points = equity_history(record, equity, now, since, interval)
        if len(points) > POINTS_MAX:
            message = f"More than {POINTS_MAX} points; take a longer interval or a shorter period."
            return refuse_fields([Violation("interval", Reason.FIELD_INVALID, message)])
        return points

    def _valued(self, holdings: Holdings) -> Portfolio:
        now = self._clock()
        positions = []
        for position in holdings.positions:
            instrument = self._instruments.find(position.symbol)
            assert instrument is not None, f"{position.symbol} is held and is no instrument"
            quote = self._board.get(position.symbol)
            fresh = quote is not None and self._board.is_fresh(quote, now)
            positions.append(value(position, instrument, quote, fresh=fresh))
        equity = total_equity(holdings.account.balance, positions)
        return Portfolio(holdings.account, positions, equity)

    def _curve(self, record: TrackRecord) -> tuple[Units, list[float]]:
        """Return what an epoch began with, and snapshots and now without what came in later."""
        account, inflows = record.holdings.account, record.inflows
        points = [(sequence, equity) for sequence, _, equity in record.snapshots]
        points.append((account.sequence, self._valued(record.holdings).equity))
        begun_with = account.deposits - sum(inflow.amount for inflow in inflows)
        return begun_with, performance.without_inflows(points, inflows)

    def _current_ranking(self) -> dict[str, float]:
        """Return the return in percent of every ranked account, at most some seconds old."""
        with self._ranking_lock:
            begun = time.monotonic()
            if begun >= self._ranking_until:
                self._ranking = {
                    record.holdings.account.id: self._total_return_pct(record)
                    for record in self.reads.standings()
                }
                taken = time.monotonic() - begun
                rest = max(RANKING_INTERVAL_SECONDS_MIN, RANKING_REST * taken)
                self._ranking_until = begun + taken + rest
            return self._ranking

    def _total_return_pct(self, record: TrackRecord) -> float:
        begun_with, curve = self._curve(record)
        return performance.total_return_pct(begun_with, curve[-1])


def _is_complete(end: Micros, stored_until: Micros | None, now: Micros) -> bool:
    """Tell whether a bar is over and no quote of it is on its way: later ones came, or long ago."""
    followed = stored_until is not None and stored_until >= end
    return end <= now and (followed or end <= now - LATE_QUOTE_MAX)


def _day_ends(times: Sequence[Micros], values: Sequence[float], now: Micros) -> list[float]:
    """Return the last value of each UTC day before today."""
    today = now // DAY
    last = {
        time // DAY: value for time, value in zip(times, values, strict=True) if time // DAY < today
    }
    return list(last.values())


def _page(items: list[Item], limit: int, wanted: OrderFilter | FillFilter) -> Page[Item]:
    if len(items) <= limit:
        return Page(items, "")
    items = items[:limit]
    token = f"{items[-1].sequence}.{_digest(wanted)}"
    return Page(items, base64.urlsafe_b64encode(token.encode()).decode())


def _before(token: str, wanted: OrderFilter | FillFilter) -> int | Refusal | None:
    """Return the sequence at which a page begins; None for the first page."""
    if not token:
        return None
    try:
        sequence, digest = base64.urlsafe_b64decode(token.encode("ascii")).decode().split(".")
        if digest == _digest(wanted) and sequence.isascii() and sequence.isdigit():
            return int(sequence[:18])
    except (ValueError, binascii.Error):
        pass
    return refuse_fields(
        [
            Violation(
                "page_token", Reason.PAGE_TOKEN_INVALID,
                "page_token must be the next_page_token of this listing with the same filters.",
            )
        ]
    )  # fmt: skip


def _digest(wanted: OrderFilter | FillFilter) -> str:
    return hashlib.blake2b(repr(wanted).encode(), digest_size=8).hexdigest()
