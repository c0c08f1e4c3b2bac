"""A replay of a few rows, on a manual clock."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime

from server.application.market_ports import MarketStep
from server.application.staging import Stage
from server.domain.quote import Quote
from server.domain.values import SECOND, Micros
from server.market.moments import from_datetime, to_datetime
from server.market.replay import STEPS_PER_POLL_MAX, ReplayClock, ReplaySource
from server.market.replay_file import ReplayFacts
from server.market.sessions import AlwaysOpen
from server.market.universe_file import default_universe

UNIVERSE = default_universe()
CALENDAR = AlwaysOpen()
BEGIN: Micros = from_datetime(datetime(2025, 1, 2, 15, tzinfo=UTC))
HEADER = "time,symbol,bid,bid_size,ask,ask_size"
FOREVER: Micros = 10**17


class Real:
    """A monotonic clock that is turned by hand."""

    def __init__(self) -> None:
        self.now: Micros = 5_000

    def __call__(self) -> Micros:
        return self.now


class Replay:
    """A replay of a file, from its beginning or from where an earlier one got to."""

    def __init__(
        self, facts: ReplayFacts, *, speed: float = 1, reached: Micros | None = None
    ) -> None:
        self.real = Real()
        start = facts.start if reached is None else reached
        self.clock = ReplayClock(start=start, end=facts.last, speed=speed, monotonic=self.real)
        self.source = ReplaySource(
            facts=facts, universe=UNIVERSE, calendar=CALENDAR, clock=self.clock
        )
        self.clock.target()

    def poll(self, passed: Micros = 0, *, played: int | None = None) -> list[MarketStep]:
        """Poll, and play as many of the steps as said: all of them, when nothing is said."""
        with self.unit(passed, played) as (steps, stage):
            stage.publish()
        assert played is not None or self.clock() == steps[-1].time
        return steps

    def poll_in_vain(self, passed: Micros = 0) -> list[MarketStep]:
        """Poll and play all steps in a unit of work that is left without a commit."""
        with self.unit(passed) as (steps, _):
            assert self.clock() == steps[-1].time
        return steps

    @contextmanager
    def unit(
        self, passed: Micros = 0, played: int | None = None
    ) -> Iterator[tuple[list[MarketStep], Stage]]:
        self.real.now += passed
        steps = self.source.poll(self.clock())
        assert 1 <= len(steps) <= STEPS_PER_POLL_MAX
        with Stage() as stage:
            for step in steps[:played]:
                self.source.play(step, stage)
            yield steps, stage

    def rest(self) -> Iterator[MarketStep]:
        while self.source.is_due(self.clock()):
            yield from self.poll(FOREVER)

    @property
    def due_in(self) -> Micros | None:
        return self.source.due_in(self.clock())


def row(second: float, symbol: str = "AAPL", bid: int = 100) -> str:
    time = to_datetime(BEGIN + round(second * SECOND)).isoformat()
    return f"{time},{symbol},{bid},1,200,1"


def shown(steps: Sequence[MarketStep]) -> list[tuple[float, str]]:
    """Return for each step the seconds since the beginning, and its symbols."""
    return [
        ((step.time - BEGIN) / SECOND, " ".join(quote.symbol for quote in step.quotes))
        for step in steps
    ]


def quotes_of(steps: Sequence[MarketStep]) -> list[Quote]:
    return [quote for step in steps for quote in step.quotes]
