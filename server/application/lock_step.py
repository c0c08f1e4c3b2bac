"""Lock-step: whom the clock of a replay waits for, and until when it may go on."""

import logging
from collections.abc import Iterable
from dataclasses import dataclass, replace

from server.application.ports import Clock, UnitOfWork
from server.application.staging import Stage, Staged, StagedMap
from server.application.stopped_accounts import StoppedAccounts
from server.domain.account_changes import miss_step
from server.domain.errors import Reason, Refusal
from server.domain.lock_step import MISSED_MAX, Participant
from server.domain.market import LockStep
from server.domain.values import Micros

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class StepRules:
    """How many accounts take part, or which ones, and how long the others wait for one of them.

    `timeout` is real time. If `accounts` is empty, the first accounts that call take part.
    """

    participants: int
    accounts: tuple[str, ...]
    timeout: Micros


class LockStepping:
    """The participants of a lock-step replay; `monotonic` returns real time.

    Stored are the participants, how many steps each has missed, and where its log ended when the
    clock came to a stand. Until when they are done is not: after a restart they call again.
    """

    def __init__(self, rules: StepRules, monotonic: Clock) -> None:
        self._rules = rules
        self._wanted = len(rules.accounts) or rules.participants
        self._monotonic = monotonic
        self._participants = StagedMap[str, Participant]()
        self._waited = Staged[tuple[Micros, Micros] | None](None)
        """Where the clock stands while a participant is done, and the real time since then."""

    def load(self, stored: Iterable[tuple[str, Participant]], stage: Stage) -> None:
        """Take over the participants of an earlier run, as far as they may take part in this."""
        for account_id, participant in stored:
            if not self._rules.accounts or account_id in self._rules.accounts:
                self._participants.set(account_id, participant, stage)

    def of(self, account_id: str) -> Participant | None:
        """Return a participant; None if the account does not take part."""
        return self._participants.get(account_id)

    def told(self, now: Micros) -> LockStep:
        """Return whom the clock waits for."""
        known = self._participants.all().values()
        awaited = sum(one.is_awaited(now) for one in known)
        missing = max(self._wanted - len(known), 0)
        return LockStep(participants=self._wanted, joined=len(known), awaited=awaited + missing)

    def allowed(self, now: Micros) -> Micros:
        """Return until when the clock may go on from `now`; `now` while it stands."""
        known = self._participants.all().values()
        if len(known) < self._wanted or any(one.is_awaited(now) for one in known):
            return now
        return min((one.away_until for one in known if one.is_done(now)), default=now)

    def refusal(self, account_id: str) -> Refusal | None:
        """Return why an account cannot take part; None if it can."""
        known = self._participants.all()
        if account_id in known:
            return None
        if self._rules.accounts:
            if account_id in self._rules.accounts:
                return None
            told = "The operator named the accounts that take part, and this is none of them."
        elif len(known) < self._wanted:
            return None
        else:
            told = f"All {self._wanted} places are taken by other accounts."
        return Refusal(
            reason=Reason.PARTICIPANTS_COMPLETE,
            message=f"{told} Start the server with another --step-participants.",
        )

    def wait(self, account_id: str, until: Micros, unit: UnitOfWork, now: Micros) -> None:
        """Note that an account has called and is done until a time, which may be over.

        Of two times that are ahead, the earlier one counts. If the clock is moving, it goes on to
        where it would have stood without this call, so that it stands at no time by chance.
        """
        known, reached = self._participants.get(account_id), self.allowed(now)
        if known is None:
            sequence = unit.account(account_id).sequence
            one = Participant(stood=now, sequence=sequence)
        else:
            one = replace(known, missed=0, excused_until=reached)
        if until > now:
            until = max(until, reached)
            done_until = min(one.done_until, until) if one.is_done(now) else until
            one = replace(one, done_until=done_until)
        self._participants.set(account_id, one, unit.stage)
        if known is None or known.missed:
            unit.store_participants([(account_id, one)])
        self._watch(unit.stage, now)

    def look(self, stopped: StoppedAccounts, unit: UnitOfWork, now: Micros) -> None:
        """Let the clock go on without participants that have kept the others waiting too long.

        A stopped account is not waited for at all: it can no longer call.
        """
        for account_id, one in self._participants.all().items():
            if account_id in stopped.ids and one.missed < MISSED_MAX:
                given_up = replace(one, missed=MISSED_MAX)
                self._participants.set(account_id, given_up, unit.stage)
        self._watch(unit.stage, now)
        waited = self._waited.value
        if waited is None or self._monotonic() < waited[1] + self._rules.timeout:
            return
        known = self._participants.all()
        until = min(one.away_until for one in known.values() if one.is_done(now))
        late = {name: one for name, one in known.items() if one.is_awaited(now)}
        for account_id, one in late.items():
            missed = one.missed + 1
            log.warning(
                "Account %s was not done in time: the clock goes on without it%s. Missed steps in a"
                " row: %d.",
                account_id,
                " until it calls again" if missed == MISSED_MAX else "",
                missed,
            )
            # The entry belongs to the time that passes without the account.
            unit.keep(miss_step(unit.account(account_id), missed, now + 1))
            late[account_id] = replace(one, missed=missed, excused_until=until)
            self._participants.set(account_id, late[account_id], unit.stage)
        unit.store_participants(list(late.items()))
        self._watch(unit.stage, now)

    def stand(self, unit: UnitOfWork, now: Micros) -> None:
        """Store where the log of each participant ends, if the clock has come to a stand."""
        if self.allowed(now) > now:
            return
        stood = [
            (name, replace(one, stood=now, sequence=unit.account(name).sequence))
            for name, one in self._participants.all().items()
            if one.stood != now
        ]
        for account_id, one in stood:
            self._participants.set(account_id, one, unit.stage)
        if stood:
            unit.store_participants(stood)

    def _watch(self, stage: Stage, now: Micros) -> None:
        """Begin to measure how long a participant that is done waits for the others."""
        known = self._participants.all().values()
        are_waiting = (
            len(known) >= self._wanted
            and any(one.is_awaited(now) for one in known)
            and any(one.is_done(now) for one in known)
        )
        waited = self._waited.value
        if not are_waiting:
            if waited is not None:
                self._waited.set(None, stage)
        elif waited is None or waited[0] != now:
            self._waited.set((now, self._monotonic()), stage)
