"""Timekeeping: due quotes, endings and snapshots, which happen because time passes."""

from bisect import bisect_left
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from operator import attrgetter

from server.application.accruals import Accruals
from server.application.clock_watch import ClockWatch
from server.application.commands import TimePassed
from server.application.endings import Endings
from server.application.margin_watch import MarginWatch
from server.application.market_feed import MarketFeed
from server.application.market_ports import MarketStep
from server.application.market_record import Applied
from server.application.ports import Clock, UnitOfWork
from server.application.snapshots import Snapshots
from server.application.staging import Stage, Staged
from server.domain.values import DAY, MILLISECOND, Micros

STEPS_TIME_MAX: Micros = 20 * MILLISECOND
"""After this much real time the remaining steps wait, so that calls are answered."""

STEPS_AT_ONCE = 1_000
"""So many steps at which only quotes change take a few milliseconds."""

ENDINGS_TIME_MAX: Micros = 20 * MILLISECOND
"""After this much real time the remaining endings wait, so that calls are answered."""


class Timekeeping:
    """Lets time pass on the market; no caller asks for any of this."""

    def __init__(
        self,
        feed: MarketFeed,
        margin_watch: MarginWatch,
        snapshot_interval: Micros,
        monotonic: Clock,
        since_boot: Clock,
        tell_progress: Callable[[], None],
    ) -> None:
        self._feed = feed
        self._monotonic = monotonic
        self._snapshots = Snapshots(feed, snapshot_interval)
        self._endings = Endings(feed, tell_progress)
        self._accruals = Accruals(feed, tell_progress)
        self._margin_watch = margin_watch
        self._watch = ClockWatch(since_boot)
        self.quotes_ahead = Staged[Micros](0)
        """How far the newest quote is ahead of the clock; 0 within the tolerance."""

    def pass_time(self, unit: UnitOfWork, now: Micros) -> bool:
        """Play the due steps in order of time, until the time limit is reached.

        Returns True when orders or options still wait to be ended: let time pass again soon.
        """
        begun, stood, is_behind = self._monotonic(), now, False
        self.look_at_clock(unit, now)
        steps, played = self._feed.source.poll(now), 0
        while played < len(steps):
            if played and self._monotonic() > begun + STEPS_TIME_MAX:
                break
            count = self._pass_by(steps[played : played + STEPS_AT_ONCE], stood, unit)
            if count:
                is_behind, stood = False, steps[played + count - 1].time
            else:
                step = self._ending_before(steps[played], stood, unit)
                count = 0 if step is not None else 1
                step = step or steps[played]
                with self._whole(step, stood, unit):
                    is_behind = self._play(step, stood, begun, unit)
                stood = step.time
            played += count
        ahead = 0 if self._feed.is_virtual else self._feed.board.ahead(now)
        self.quotes_ahead.set(ahead, unit.stage)
        self._feed.record.store(unit, stood)
        digest = self._feed.source.replay_digest
        if digest is not None:
            unit.store_replay(digest, stood)
            self._feed.notifications.put(TimePassed(stood), unit.stage)
        return is_behind

    def begin_anew(self, stage: Stage) -> None:
        """Look at everything once more: the accounts are others than before."""
        self._endings.begin_anew(stage)
        self._accruals.begin_anew(stage)
        self._margin_watch.begin_anew(stage)
        self._snapshots.begin_anew(stage)

    def look_at_clock(self, unit: UnitOfWork, now: Micros) -> None:
        """Check the clock for a jump ahead, and hold all endings after one."""
        is_trusted = self._feed.is_virtual or self._watch.is_trusted(now)
        self._feed.holds_endings.set(not is_trusted, unit.stage)

    def _pass_by(self, steps: Sequence[MarketStep], stood: Micros, unit: UnitOfWork) -> int:
        """Play the first steps at which only quotes change; return how many these are.

        They leave the same as if each was played by itself.
        """
        feed = self._feed
        if feed.holds_endings.value or not self._margin_watch.rests(unit):
            return 0
        spans = self._endings.rest(unit), self._snapshots.rest(stood), self._accruals.rest()
        since, until = max(begin for begin, _ in spans), min(end for _, end in spans)
        if steps[0].time < since:
            return 0
        steps = steps[: bisect_left(steps, until, key=attrgetter("time"))]
        count = feed.pass_by(steps, self._endings.awaited, unit)
        if count:
            feed.source.play(steps[count - 1], unit.stage)
        return count

    def _ending_before(
        self, step: MarketStep, stood: Micros, unit: UnitOfWork
    ) -> MarketStep | None:
        """Return a step of its own for what may end before a step of a lock-step replay.

        At which moments a lock-step replay has steps depends on all participants. What ends does so
        at its own time, whatever times the others name.
        """
        if not self._feed.is_stepped:
            return None
        moments = (unit.next_expiry(), (stood // DAY + 1) * DAY)
        first = min((it for it in moments if stood < it < step.time), default=None)
        return None if first is None else MarketStep(first, ())

    def _is_time_up(self, begun: Micros) -> bool:
        """Tell whether the remaining endings must wait; those of a replay never wait.

        In virtual time, everything of a moment happens before the next call is decided.
        """
        return not self._feed.is_virtual and self._monotonic() > begun + ENDINGS_TIME_MAX

    def _play(self, step: MarketStep, stood: Micros, begun: Micros, unit: UnitOfWork) -> bool:
        """Play a step; return True when orders or options of it still wait to be ended."""
        if self._feed.is_virtual:
            self._snapshots.end_day(unit, stood, step.time)
        feed, is_time_up = self._feed, partial(self._is_time_up, begun)
        holds_endings = feed.holds_endings.value
        if not holds_endings:
            self._accruals.charge(unit, step.time)
        is_all_ended = not holds_endings and self._endings.end(unit, step.time, is_time_up)
        feed.source.play(step, unit.stage)
        feed.apply(step.quotes, unit, step.time)
        are_all_looked_at = self._margin_watch.look_at_all(unit, step.time, is_time_up)
        if is_all_ended and (step.quotes or not feed.is_stepped):
            self._snapshots.take(unit, step.time)
        return not are_all_looked_at or (not is_all_ended and not holds_endings)

    def _whole(
        self, step: MarketStep, stood: Micros, unit: UnitOfWork
    ) -> AbstractContextManager[None]:
        """Make a step of a replay atomic, even when it takes several transactions.

        Until the whole step is stored, the stored replay time lies before the step, and a restart
        plays the step again. The repetition is harmless: a position records which quantity it took
        of a quote.
        """
        digest = self._feed.source.replay_digest
        if digest is None:
            return nullcontext()
        # Not just `stood`: a restarted replay must not go back to before what is stored.
        reached, unstored = max(stood, step.time - 1), self._feed.record.unstored
        return unit.step(partial(self._store_before, unit, digest, reached, unstored))

    def _store_before(
        self, unit: UnitOfWork, digest: str, reached: Micros, unstored: tuple[Applied, ...]
    ) -> None:
        """Store the quotes and the replay time from before a step."""
        self._feed.record.note(unstored, unit)
        unit.store_replay(digest, reached)
