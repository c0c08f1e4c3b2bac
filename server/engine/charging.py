"""Charging: what the calls of a batch spend, before they are decided."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from server.application.commands import KeyEnded
from server.application.ownership import Ownership
from server.application.rate_limits import Allowance
from server.application.spending import Charged, Spend, Spending
from server.application.trading import Batch, Task, Trading
from server.domain.errors import Refusal
from server.domain.sharding import ANY_SHARD
from server.domain.values import SECOND, Micros
from server.engine.frames import Call
from server.wire.contract import Spends

SPEND = "Spend"
"""The internal call that spends for a call which the front answers itself."""

TELL_ALLOWANCES = "TellAllowances"
"""The internal call that asks what is left to accounts."""

FORGET_IDLE_AFTER: Micros = 60 * SECOND


class Charging:
    """Charges calls of owned shards, and stores what they spend with what they decide.

    `usage_interval` is the time between writes of call counts and of the last use of keys.
    """

    def __init__(
        self,
        spending: Spending,
        trading: Trading,
        ownership: Ownership,
        monotonic: Callable[[], Micros],
        usage_interval: Micros,
    ) -> None:
        self._spending = spending
        self._trading = trading
        self._ownership = ownership
        self._monotonic = monotonic
        self._usage_interval = usage_interval
        self._usage_due = self._idle_due = monotonic()

    def charge(self, calls: Sequence[Call]) -> dict[int, Charged]:
        """Charge the calls that spend; return what is left, by the place of the call."""
        spends = {
            at: Spend(call.caller, call.spends is Spends.ORDER, call.quota)
            for at, call in enumerate(calls)
            if call.spends is not Spends.NOTHING and self._owns(call)
        }
        missing = self._spending.missing(spends.values())
        failure = None
        if missing is not None:
            (result,) = self._trading.handle([Task(missing, self._spending.load)]).results
            failure = result if isinstance(result, Refusal) else None
        return {at: self._charged(spend, failure) for at, spend in spends.items()}

    def _owns(self, call: Call) -> bool:
        return call.shard == ANY_SHARD or self._ownership.owns(call.shard)

    def _charged(self, spend: Spend, failure: Refusal | None) -> Charged:
        if failure is not None and not self._spending.knows(spend):
            return Charged(Allowance(), None, failure)
        return self._spending.charge(spend)

    def decide(self, tasks: list[Task], *, passing: bool = False) -> Batch:
        """Decide tasks; store in the same transaction what calls have spent."""
        is_usage_due = self._let_time_pass()
        storing = self._spending.to_store(with_usage=is_usage_due)
        if storing is None:
            return self._without_ended_keys(self._trading.handle(tasks, passing=passing))
        batch = self._trading.handle([Task(storing, self._spending.store), *tasks], passing=passing)
        if isinstance(batch.results[0], Refusal):
            self._spending.not_stored(storing)
        else:
            self._spending.stored(storing)
        return self._without_ended_keys(replace(batch, results=batch.results[1:]))

    def hand_over(self, shards: Iterable[int]) -> None:
        """Store exactly what was spent, before other engines own some shards.

        If that fails, they count more as spent than was spent.
        """
        storing = self._spending.hand_over(shards)
        (result,) = self._trading.handle([Task(storing, self._spending.store)]).results
        if isinstance(result, Refusal):
            self._spending.not_stored(storing)
        else:
            self._spending.stored(storing)

    def begin_anew(self) -> None:
        """Forget everybody who is not owned any more; call it once shards have changed."""
        self._spending.forget(self._ownership.owns)

    def close(self) -> None:
        """Store the usage since the last time."""
        self._usage_due = self._monotonic()
        self.decide([])

    def _let_time_pass(self) -> bool:
        """Forget who is idle; tell whether usage is due to be stored."""
        now = self._monotonic()
        if now >= self._idle_due:
            self._idle_due = now + FORGET_IDLE_AFTER
            self._spending.forget_idle()
        if now < self._usage_due:
            return False
        self._usage_due = now + self._usage_interval
        return True

    def _without_ended_keys(self, batch: Batch) -> Batch:
        for notification in batch.notifications:
            if isinstance(notification, KeyEnded):
                self._spending.end_key(notification.key_id)
        return batch
