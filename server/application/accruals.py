"""Accruals: charges accounts at 00:00 UTC for borrowed money and shares."""

from collections.abc import Callable
from dataclasses import dataclass

from server.application.margin import margin_book
from server.application.margin_ports import Accrual
from server.application.market_feed import MarketFeed
from server.application.ports import UnitOfWork
from server.application.staging import Stage, Staged
from server.domain.margin_calls import accrue
from server.domain.values import DAY, Micros

ACCOUNTS_AT_ONCE = 200
"""So many accounts are charged in one transaction."""


@dataclass(frozen=True, slots=True)
class Among:
    """Shards whose accounts are charged together, and whether these are all that are owned."""

    shards: frozenset[int]
    are_all: bool


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

    def begin_anew(self, stage: Stage) -> None:
        """Look once more until when accounts are charged."""
        self._day.set(-1, stage)

    def charge(self, unit: UnitOfWork, now: Micros) -> None:
        """Charge the midnights up to a moment; nothing is due before the first look.

        Shards whose accounts are charged until different midnights are charged one after another.
        """
        day = now // DAY
        if day == self._day.value:
            return
        known = unit.accruals(self._clock, Accrual(day * DAY))
        for accrual, shards in known.items():
            among = Among(frozenset(shards), are_all=len(known) == 1)
            self._catch_up(accrual, among, day * DAY, unit, now)
        self._day.set(day, unit.stage)

    def rest(self) -> tuple[Micros, Micros]:
        """Return the span of time in which `charge` does nothing; it ends before the second."""
        day = self._day.value
        return day * DAY, (day + 1) * DAY

    @property
    def _clock(self) -> str:
        return self._feed.source.replay_digest or ""

    def _catch_up(
        self, known: Accrual, among: Among, midnight: Micros, unit: UnitOfWork, now: Micros
    ) -> None:
        """Charge the accounts of shards for the midnights up to one."""
        if known.charging is not None:
            known = self._charge(known, known.charging, among, unit, now)
        first = known.until + DAY if self._feed.is_virtual else midnight
        for until in range(first, midnight + 1, DAY):
            if until > known.until:
                known = self._charge(known, until, among, unit, now)
        unit.store_accrual(self._clock, known, among.shards)

    def _charge(
        self, known: Accrual, until: Micros, among: Among, unit: UnitOfWork, now: Micros
    ) -> Accrual:
        """Charge the accounts of shards for the nights up to a midnight."""
        nights = (until - known.until) // DAY
        time = until if self._feed.is_virtual else now
        waiting = [it for it in unit.accounts_at_risk() if it > known.after]
        if not among.are_all:
            found = unit.shards_of(waiting)
            waiting = [it for it in waiting if found[it] in among.shards]
        for begin in range(0, len(waiting), ACCOUNTS_AT_ONCE):
            part = waiting[begin : begin + ACCOUNTS_AT_ONCE]
            self._charge_part(part, nights, time, unit)
            if begin + len(part) < len(waiting):
                charged = Accrual(known.until, until, part[-1])
                unit.store_accrual(self._clock, charged, among.shards)
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
