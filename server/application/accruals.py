"""Accruals: charges accounts at 00:00 UTC for borrowed money and shares."""

from collections.abc import Callable

from server.application.margin import margin_book
from server.application.margin_ports import Accrual
from server.application.market_feed import MarketFeed
from server.application.ports import UnitOfWork
from server.application.staging import Staged
from server.domain.margin_calls import accrue
from server.domain.values import DAY, Micros

ACCOUNTS_AT_ONCE = 200
"""So many accounts are charged in one transaction."""


class Accruals:
    """Charges each midnight once, whatever happens in between.

    Until when accounts are charged is stored in the same transaction as the charges. In real time,
    the midnights that were missed are charged together, as nights. In virtual time each midnight is
    charged by itself, so that the log does not depend on how fast the replay runs.
    """

    def __init__(self, feed: MarketFeed, tell_progress: Callable[[], None]) -> None:
        self._feed = feed
        self._tell_progress = tell_progress
        self._day = Staged(-1)
        """The number of the UTC day for which all accounts are known to be charged."""

    def charge(self, unit: UnitOfWork, now: Micros) -> None:
        """Charge the midnights up to a moment; nothing is due before the first look."""
        day = now // DAY
        if day == self._day.value:
            return
        clock, midnight = self._feed.source.replay_digest or "", day * DAY
        known = unit.accrual(clock) or Accrual(midnight)
        if known.charging is not None:
            known = self._charge(known, known.charging, unit, now)
        first = known.until + DAY if self._feed.is_virtual else midnight
        for until in range(first, midnight + 1, DAY):
            if until > known.until:
                known = self._charge(known, until, unit, now)
        unit.store_accrual(clock, known)
        self._day.set(day, unit.stage)

    def rest(self) -> tuple[Micros, Micros]:
        """Return the span of time in which `charge` does nothing; it ends before the second."""
        day = self._day.value
        return day * DAY, (day + 1) * DAY

    def _charge(self, known: Accrual, until: Micros, unit: UnitOfWork, now: Micros) -> Accrual:
        """Charge all accounts for the nights up to a midnight."""
        nights = (until - known.until) // DAY
        time = until if self._feed.is_virtual else now
        waiting = [it for it in unit.accounts_at_risk() if it > known.after]
        for begin in range(0, len(waiting), ACCOUNTS_AT_ONCE):
            part = waiting[begin : begin + ACCOUNTS_AT_ONCE]
            self._charge_part(part, nights, time, unit)
            if begin + len(part) < len(waiting):
                clock = self._feed.source.replay_digest or ""
                unit.store_accrual(clock, Accrual(known.until, until, part[-1]))
                unit.checkpoint()
                self._tell_progress()
        return Accrual(until)

    def _charge_part(
        self, account_ids: list[str], nights: int, time: Micros, unit: UnitOfWork
    ) -> None:
        stopped, positions = self._feed.stopped, unit.positions_of_each(account_ids)
        for account_id in account_ids:
            if account_id in stopped.ids:
                continue
            with stopped.stopping(account_id):
                book = margin_book(positions[account_id], self._feed, time)
                decision = accrue(unit.account(account_id), book, nights, time)
                if decision is not None:
                    unit.keep(decision)
                    if self._feed.is_stepped:
                        unit.end_group()
