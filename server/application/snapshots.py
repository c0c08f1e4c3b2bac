"""Equity snapshots: stores the equity of all accounts that have traded, at intervals."""

from dataclasses import dataclass
from datetime import date

from server.application.market_feed import MarketFeed
from server.application.ports import Standing, UnitOfWork
from server.application.staging import Stage, Staged
from server.domain.account import Account, Snapshot
from server.domain.equity_curve import EquityCurve, TradingDays
from server.domain.valuation import total_equity
from server.domain.values import DAY, Micros

BEFORE_MIDNIGHT: Micros = 2_000_000
"""The last round of a day is due this long before the end of the day."""

FIRST_DAY = date(1970, 1, 1).toordinal()
"""The day whose number is 0."""

ACCOUNTS_AT_ONCE = 200
"""A round over more accounts is divided into parts, so that calls wait for one part only."""


@dataclass(frozen=True, slots=True)
class Round:
    """When the next round is due, and the account after which an unfinished round continues.

    A round `is_rest` if it is only for those without a snapshot of it, which was due at `since`.
    """

    due: Micros = 0
    after: str | None = None
    is_rest: bool = False
    since: Micros = 0


class Snapshots:
    """Takes a round of snapshots at each interval and right before midnight UTC."""

    def __init__(self, feed: MarketFeed, interval: Micros) -> None:
        self._feed = feed
        self._interval = interval
        self._round = Staged(Round())

    def take(self, unit: UnitOfWork, now: Micros) -> None:
        """Continue an unfinished round, or begin one that is due."""
        due, after = self._round.value.due, self._round.value.after
        # A due time more than an interval away was set by a clock that was ahead: begin at once.
        if after is None and due - self._interval <= now < due:
            return
        self._go_on(unit, now)

    def begin_anew(self, stage: Stage) -> None:
        """Begin a round at once, for those to whom the last owner of their shard did not come."""
        self._round.set(Round(is_rest=True), stage)

    def rest(self, stood: Micros) -> tuple[Micros, Micros]:
        """Return the span of time in which `take` and `end_day` do nothing, for a clock at `stood`.

        It ends before the second moment.
        """
        due, after = self._round.value.due, self._round.value.after
        if after is not None:
            return stood, stood
        day_end = _end_of_day(stood)
        return due - self._interval, min(due, day_end) if stood < day_end else due

    def end_day(self, unit: UnitOfWork, stood: Micros, now: Micros) -> None:
        """Take the last round of the day of `stood` when a replay's clock jumps past its due time.

        Only accounts whose curve has changed since the previous round get a snapshot.
        """
        day_end = _end_of_day(stood)
        if stood < day_end < now:
            while self._round.value.after is not None or self._round.value.due <= day_end:
                self._go_on(unit, day_end, only_changed=True)

    def _go_on(self, unit: UnitOfWork, now: Micros, *, only_changed: bool = False) -> None:
        last = self._round.value
        due, after = last.due, last.after
        since = last.since if after is not None else self._last_due(now)
        standings = waiting = unit.standings_after(after or "", ACCOUNTS_AT_ONCE)
        if last.is_rest:
            names = [standing.holdings.account.id for standing in standings]
            done = unit.with_snapshot_since(since, names)
            waiting = [it for it in standings if it.holdings.account.id not in done]
        taken = [(standing, self._taken(standing, now)) for standing in waiting]
        if only_changed:
            # A step that fails late is played again, and may have stored its snapshots.
            names = [standing.holdings.account.id for standing in standings]
            known = unit.with_snapshot_at(now, names)
            taken = [
                (standing, new)
                for standing, new in taken
                if new[0].account_id not in known and new[2].differs(standing.curve)
            ]
        unit.add_snapshots([new for _, new in taken])
        is_over = len(standings) < ACCOUNTS_AT_ONCE
        following = Round(
            due=self._next_due(now) if after is None else due,
            after=None if is_over else standings[-1].holdings.account.id,
            is_rest=last.is_rest and not is_over,
            since=since,
        )
        self._round.set(following, unit.stage)

    def _taken(self, standing: Standing, now: Micros) -> tuple[Snapshot, Account, EquityCurve]:
        account = standing.holdings.account
        equity = total_equity(account.balance, self._feed.valued(standing.holdings.positions))
        value = account.initial_value(equity)
        days = self._trading_days(account, _first_day_without_point(standing, now), now)
        curve = standing.curve.added(now, value, days)
        snapshot = Snapshot(
            account_id=account.id,
            sequence=account.sequence,
            time=now,
            equity=equity,
            initial_value=value,
            number=curve.points,
            days=days,
        )
        return snapshot, account, curve

    def _trading_days(self, account: Account, since: int, now: Micros) -> TradingDays:
        """Return which days count for an account that has points up to the day before `since`."""
        calendar, today = self._feed.calendar, now // DAY

        def counts(number: int) -> bool:
            day = date.fromordinal(FIRST_DAY + number)
            return any(calendar.session_on(kind, day) is not None for kind in account.traded)

        return TradingDays(
            counts=counts(today),
            skipped=sum(map(counts, range(since, today))),
            every_day=any(calendar.hours(kind, now).next_close is None for kind in account.traded),
        )

    def _last_due(self, now: Micros) -> Micros:
        """Return when the round that is taken at a moment was due."""
        day_end, begun = _end_of_day(now), now // self._interval * self._interval
        return max(begun, day_end) if now >= day_end else begun

    def _next_due(self, now: Micros) -> Micros:
        due = (now // self._interval + 1) * self._interval
        day_end = _end_of_day(now)
        return min(due, day_end) if now < day_end else due


def _end_of_day(moment: Micros) -> Micros:
    """Return when the last round of a day is due."""
    return (moment // DAY + 1) * DAY - BEFORE_MIDNIGHT


def _first_day_without_point(standing: Standing, now: Micros) -> int:
    """Return the number of the day after the newest point; without one, of the first trade."""
    if standing.curve.day is not None:
        return standing.curve.day + 1
    return (now if standing.traded_since is None else standing.traded_since) // DAY
