"""The replay source: the quotes of a file, on a virtual clock that follows their time."""

import math
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterator

from server.application.market_ports import Calendar, MarketStep
from server.application.ports import Clock
from server.application.staging import Stage, Staged
from server.domain.invariants import BrokenInvariant
from server.domain.market import ReplayProgress
from server.domain.quote import Quote
from server.domain.values import Micros
from server.market.replay_file import ReplayFacts, file_changed, replay_quotes
from server.market.replay_table import ReplayFileError
from server.market.universe import Universe

STEPS_PER_POLL_MAX = 1_000
"""Steps beyond this number are left to the next `poll`, so that no transaction takes long."""
QUOTES_PER_POLL_MAX = 1_000
"""No step begins after this many quotes, which take about a hundredth of a second to read."""


class VirtualClock(ABC):
    """A virtual clock: it stands still until it is advanced, and tells how far it should be.

    The clock stops at `end`. Not safe to share between threads.
    """

    speed = 0.0
    """How many of its seconds pass in a real one; 0 if that depends on others."""

    def __init__(self, *, start: Micros, end: Micros) -> None:
        # An earlier run may have got further, if it had other opening hours.
        self.end = max(start, end)
        self._now = Staged(start)

    @abstractmethod
    def target(self) -> Micros:
        """Return the virtual moment at which the clock should stand now."""

    @abstractmethod
    def due_in(self, moment: Micros) -> Micros | None:
        """Return the real time until a moment is due; None if nobody knows."""

    @property
    def is_moving(self) -> bool:
        """Tell whether the clock goes on by itself."""
        return True

    def __call__(self) -> Micros:
        """Return the moment at which the clock stands."""
        return self._now.value

    @property
    def committed(self) -> Micros:
        """Return the committed moment, to before which the clock cannot go back."""
        return self._now.committed

    def advance(self, to: Micros, stage: Stage) -> None:
        """Stage an advance to a moment, never back and not beyond the end."""
        if not self() <= to <= self.end:
            raise BrokenInvariant(f"{to} is not between {self()} and {self.end}")
        self._now.set(to, stage)


class ReplayClock(VirtualClock):
    """A virtual clock that runs `speed` times as fast as real time, which `monotonic` returns.

    Real time counts from the first `target` on.
    """

    def __init__(self, *, start: Micros, end: Micros, speed: float, monotonic: Clock) -> None:
        if not 0 < speed < math.inf:
            raise BrokenInvariant("the speed is not above 0 and finite")
        super().__init__(start=start, end=end)
        self.speed = speed
        self._monotonic = monotonic
        self._start = start
        self._started: Micros | None = None

    def target(self) -> Micros:
        real = self._monotonic()
        if self._started is None:
            self._started = real
        passed = min((real - self._started) * self.speed, self.end - self._start)
        return max(self._start + int(passed), self())

    def due_in(self, moment: Micros) -> Micros:
        return math.ceil(max(moment - self.target(), 0) / self.speed)


class SteppedClock(VirtualClock):
    """A virtual clock that goes on as far as `allowed` says, given where it stands."""

    def __init__(self, *, start: Micros, end: Micros, allowed: Callable[[Micros], Micros]) -> None:
        super().__init__(start=start, end=end)
        self._allowed = allowed

    def target(self) -> Micros:
        return min(self._allowed(self()), self.end)

    def due_in(self, moment: Micros) -> Micros | None:
        return 0 if self.is_moving else None

    @property
    def is_moving(self) -> bool:
        return self.target() > self()


class ReplaySource:
    """Plays every quote of a file that is later than the clock, as far as the clock wants to go.

    No quote is skipped: if quotes cannot be stored as fast as they are due, time runs slower. The
    clock stands at the last step that was played; the next commands are decided at that time. The
    constructor reads the file up to the clock. If the file has changed and cannot be played,
    `fault` says so and time stands still. Not safe to share between threads.
    """

    environment = "REPLAY"

    def __init__(
        self, *, facts: ReplayFacts, universe: Universe, calendar: Calendar, clock: VirtualClock
    ) -> None:
        self.replay_digest = facts.digest
        self.replay = ReplayProgress(starts_at=facts.start, ends_at=clock.end, speed=clock.speed)
        self._facts = facts
        self._clock = clock
        self._quotes = replay_quotes(facts, universe, calendar, clock())
        self.fault: str | None = None
        self._ahead = self._read()
        self._polled: deque[MarketStep] = deque()

    def poll(self, now: Micros) -> list[MarketStep]:
        """Return a step for each moment with quotes, and one at `target`.

        No step at `target` is added if there are quotes at that moment, or if a limit is reached:
        STEPS_PER_POLL_MAX steps or QUOTES_PER_POLL_MAX quotes. The next `poll` then continues. At a
        fault, the moment of the last quotes takes the place of `target`.
        """
        self._look_at_file()
        steps: list[MarketStep] = []
        target, quotes = self._clock.target(), 0
        # The target of an earlier poll may have been later.
        polled = iter([step for step in self._unplayed() if step.time <= target])
        while len(steps) < STEPS_PER_POLL_MAX and quotes < QUOTES_PER_POLL_MAX:
            step = next(polled, None) or self._next_step(target)
            if step is None:
                last = steps[-1].time if steps else self._clock()
                if self.fault is not None:
                    target = last
                if not steps or last < target:
                    steps.append(MarketStep(target, ()))
                break
            steps.append(step)
            quotes += len(step.quotes)
        return steps

    def play(self, step: MarketStep, stage: Stage) -> None:
        """Stage that the clock stands at a step."""
        self._clock.advance(step.time, stage)

    def is_due(self, now: Micros) -> bool:
        """Tell whether time must pass before anything is decided: while quotes can come."""
        return self._next_time() is not None and self._clock.is_moving

    def due_in(self, now: Micros) -> Micros | None:
        """Return the real time until the next quote, 0 when it is due; None if none is awaited."""
        time = self._next_time()
        return None if time is None else self._clock.due_in(time)

    def _next_time(self) -> Micros | None:
        unplayed = next(self._unplayed(), None)
        if unplayed is not None:
            return unplayed.time
        return None if self._ahead is None else self._ahead.time

    def _unplayed(self) -> Iterator[MarketStep]:
        """Return the steps that were polled but not played."""
        committed, now = self._clock.committed, self._clock()
        while self._polled and self._polled[0].time <= committed:
            self._polled.popleft()
        return (step for step in self._polled if step.time > now)

    def _next_step(self, target: Micros) -> MarketStep | None:
        """Read the next step if it is not after `target`; keep it until it is played."""
        if self._ahead is None or self._ahead.time > target:
            return None
        time, quotes = self._ahead.time, [self._ahead]
        self._ahead = None
        try:
            for quote in self._quotes:
                if quote.time != time:
                    self._ahead = quote
                    break
                quotes.append(quote)
        except ReplayFileError as error:
            self.fault = str(error)
        self._polled.append(MarketStep(time, quotes))
        return self._polled[-1]

    def _look_at_file(self) -> None:
        """Stop at a file that has changed, even if the next rows were buffered before."""
        if self._ahead is not None and not self._facts.is_as_checked():
            self.fault, self._ahead = str(file_changed(self._facts)), None

    def _read(self) -> Quote | None:
        try:
            return next(self._quotes, None)
        except ReplayFileError as error:
            self.fault = str(error)
            return None
