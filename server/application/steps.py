"""Steps of a lock-step replay: participants say until when they are done, and are told so."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from server.application.commands import AdvanceClock, ClockAdvanced, Waiting
from server.application.lock_step import LockStepping
from server.application.market_feed import MarketFeed
from server.application.orders import MARKET_STOPPED
from server.application.ports import StoredEvent, UnitOfWork
from server.domain.errors import Reason, Refusal, Violation, refuse_fields
from server.domain.invariants import BrokenInvariant
from server.domain.lock_step import Participant
from server.domain.user import Permissions, Scope, Traded
from server.domain.values import Micros

EVENTS_TOLD_MAX = 100

NOT_STEPPED = Refusal(
    reason=Reason.MARKET_NOT_STEPPED,
    message="The clock of this market cannot be advanced: start the server with --market replay and"
    " --replay-clock step.",
)

STOPPED_ON_THE_WAY = replace(MARKET_STOPPED, is_not_executed=False)
"""The refusal of a call that had begun to wait when the market stopped."""


@dataclass(frozen=True, slots=True)
class LoggedEvent:
    """What is read of a stored event; `traded` is None for an account's event."""

    time: Micros
    traded: Traded | None


class Steps:
    """The command about the clock; `lock_step` is None unless the market is a lock-step replay.

    `read` reads a stored event.
    """

    def __init__(
        self,
        feed: MarketFeed,
        lock_step: LockStepping | None,
        read: Callable[[StoredEvent], LoggedEvent],
    ) -> None:
        self._feed = feed
        self._lock_step = lock_step
        self._read = read

    def advance(
        self, command: AdvanceClock, _: Permissions, unit: UnitOfWork, now: Micros
    ) -> Waiting | Refusal:
        """Note until when a participant is done."""
        lock_step, replay = self._lock_step, self._feed.source.replay
        if lock_step is None or replay is None:
            return NOT_STEPPED
        if self._feed.source.fault is not None:
            return MARKET_STOPPED
        seen = now if command.seen is None else command.seen
        if seen > now:
            message = "`from` must not be later than the clock, which GetMarketClock shows."
            return refuse_fields([Violation("from", Reason.FIELD_INVALID, message)])
        refusal = lock_step.refusal(command.account_id)
        if refusal is not None:
            return refusal
        until = min(_until(command, seen), replay.ends_at)
        lock_step.wait(command.account_id, until, unit, now)
        return Waiting(command.account_id, seen, until)

    def is_over(self, waiting: Waiting, now: Micros) -> bool:
        """Tell whether a call that waits can be answered."""
        if self._feed.source.fault is not None or waiting.account_id in self._feed.stopped.ids:
            return True
        lock_step, one = self._participant(waiting.account_id)
        is_there = waiting.until <= now or not one.is_done(now)
        return is_there and lock_step.allowed(now) == now

    def tell(
        self, waiting: Waiting, permissions: Permissions, unit: UnitOfWork, now: Micros
    ) -> ClockAdvanced | Refusal:
        """Tell where the clock stands, and what happened to the account on the way.

        Entries that the account caused since the clock stands are not part of it: a repeated call
        gets the same answer.
        """
        source = self._feed.source
        if source.fault is not None:
            return STOPPED_ON_THE_WAY
        _, one = self._participant(waiting.account_id)
        last = one.sequence
        first = self._first_after(waiting.account_id, waiting.seen, last, unit)
        sequences = (0, 0) if first > last else (first, last)
        events: tuple[bytes, ...] = ()
        if first <= last and Scope.READ in permissions.scopes:
            limit = min(EVENTS_TOLD_MAX, last - first + 1)
            stored = unit.log_page(waiting.account_id, first - 1, limit)
            events = tuple(it.payload for it in stored if self._may_see(it, permissions))
        has_ended = source.replay is not None and now >= source.replay.ends_at
        return ClockAdvanced(now, has_ended, sequences, events)

    def _participant(self, account_id: str) -> tuple[LockStepping, Participant]:
        lock_step = self._lock_step
        one = None if lock_step is None else lock_step.of(account_id)
        if lock_step is None or one is None:
            raise BrokenInvariant("a call waits for a clock of which its account is no part")
        return lock_step, one

    def _may_see(self, stored: StoredEvent, permissions: Permissions) -> bool:
        if not permissions.are_fenced:
            return True
        traded = self._read(stored).traded
        return traded is None or permissions.allow(traded)

    def _first_after(self, account_id: str, seen: Micros, last: int, unit: UnitOfWork) -> int:
        """Return the first sequence up to `last` whose entry is later than `seen`, or `last + 1`.

        The times of a log never decrease in a replay.
        """
        low, high = 1, last + 1
        # Most steps bring nothing or little: the search begins at the end and widens.
        width = 1
        while low < high:
            middle = max(high - width, (low + high) // 2)
            (entry,) = unit.log_page(account_id, middle - 1, 1)
            if self._read(entry).time > seen:
                high, width = middle, 2 * width
            else:
                low = middle + 1
        return high


def _until(command: AdvanceClock, seen: Micros) -> Micros:
    if command.until is not None:
        return command.until
    if command.by is not None:
        return seen + command.by
    if command.next_bar is None:
        raise BrokenInvariant("a step has no end")
    return (seen // command.next_bar + 1) * command.next_bar
