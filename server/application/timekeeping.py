"""Timekeeping: what happens because time passes: endings, due quotes, snapshots."""

from collections.abc import Callable
from functools import partial

from server.application.clock_watch import ClockWatch
from server.application.commands import Doorbell, TimePassed
from server.application.endings import Endings
from server.application.market_feed import MarketFeed
from server.application.market_record import MarketRecord
from server.application.ports import Clock, MarketStep, UnitOfWork
from server.application.snapshots import Snapshots
from server.domain.values import MILLISECOND, Micros

STEPS_TIME_MAX: Micros = 20 * MILLISECOND
"""After this much real time the steps that are left wait, so that calls are answered."""

ENDINGS_TIME_MAX: Micros = 20 * MILLISECOND
"""After this much real time the endings that are left wait, so that calls are answered."""


class Timekeeping:
    """Lets time pass on the market; nothing here is asked for by a caller."""

    def __init__(
        self,
        feed: MarketFeed,
        snapshot_interval: Micros,
        monotonic: Clock,
        since_boot: Clock,
        tell_progress: Callable[[], None],
    ) -> None:
        self._feed = feed
        self._monotonic = monotonic
        self._snapshots = Snapshots(feed, snapshot_interval)
        self._endings = Endings(feed, tell_progress)
        self._watch = ClockWatch(since_boot)
        self.is_behind = False
        """Whether something is over and has not ended yet: let time pass again soon."""

        self.quotes_ahead: Micros = 0
        """How far the newest quote lies ahead of the clock, 0 when not far."""

    def pass_time(self, unit: UnitOfWork, now: Micros, doorbells: list[Doorbell]) -> None:
        """Do what became due, moment by moment, as long as there is time for it."""
        source, begun = self._feed.source, self._monotonic()
        unit.on_rollback(source.take_back)
        unit.on_rollback(self._wait_for_next_second)
        self.look_at_clock(now)
        steps, stood = source.poll(now), now
        for number, step in enumerate(steps):
            if number and self._monotonic() > begun + STEPS_TIME_MAX:
                source.take_back(step)
                break
            self._begin(step, stood, unit, doorbells)
            if self._is_virtual:
                self._snapshots.end_day(unit, stood, step.time)
            is_all_ended = not self._feed.holds_endings and self._endings.end(
                unit, step.time, partial(self._is_time_up, begun)
            )
            self._feed.apply_and_ring(step.quotes, unit, step.time, doorbells)
            if is_all_ended:
                self._snapshots.take(unit, step.time)
            self.is_behind = not is_all_ended and not self._feed.holds_endings
            stood = step.time
        self.quotes_ahead = 0 if self._is_virtual else self._feed.board.ahead(now)
        self._feed.record.store(unit, stood)
        digest = source.replay_digest
        if digest is not None:
            unit.store_replay(digest, stood)
            doorbells.append(TimePassed(stood))

    def look_at_clock(self, now: Micros) -> None:
        """Notice a clock that has jumped ahead before anything ends by it."""
        self._feed.holds_endings = not self._is_virtual and not self._watch.is_trusted(now)

    @property
    def _is_virtual(self) -> bool:
        return self._feed.source.replay_digest is not None

    def _is_time_up(self, begun: Micros) -> bool:
        """Tell whether endings are to wait, which those of a replay never do.

        In virtual time all of a moment happens before the next call is decided.
        """
        return not self._is_virtual and self._monotonic() > begun + ENDINGS_TIME_MAX

    def _wait_for_next_second(self) -> None:
        self.is_behind = False

    def _begin(
        self, step: MarketStep, stood: Micros, unit: UnitOfWork, doorbells: list[Doorbell]
    ) -> None:
        """Make a step of a replay one whole, however many transactions it takes.

        Until all of it is stored, what is stored says that it is still to be played. Playing it
        again is harmless: an account remembers what it took of a quote.
        """
        source = self._feed.source
        if source.replay_digest is None:
            return
        # Not where the clock stood: a restarted replay must not go back behind what is stored.
        reached, record = max(stood, step.time - 1), self._feed.record
        unit.begin_step(partial(_note, unit, source.replay_digest, reached, record, record.mark()))
        unit.on_rollback(partial(source.take_back, step))
        unit.on_rollback(partial(keep_first, doorbells, len(doorbells)))


def _note(unit: UnitOfWork, digest: str, reached: Micros, record: MarketRecord, mark: int) -> None:
    record.note(unit, mark)
    unit.store_replay(digest, reached)


def keep_first(doorbells: list[Doorbell], count: int) -> None:
    """Leave out the doorbells for what could not be stored."""
    del doorbells[count:]
