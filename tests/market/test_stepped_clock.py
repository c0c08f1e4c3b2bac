"""The clock of a lock-step replay: it goes as far as it is allowed, and no further."""

from collections.abc import Callable

from server.application.staging import Stage
from server.domain.values import SECOND, Micros
from server.market.replay import ReplaySource, SteppedClock
from server.market.replay_file import ReplayFacts
from tests.market.replays import BEGIN, CALENDAR, UNIVERSE, row, shown


class Steps:
    """A replay of nine quotes, a second apart; `allowed` is how far its clock may go."""

    def __init__(self, facts: ReplayFacts) -> None:
        self.allowed: Micros = facts.start
        self.clock = SteppedClock(start=facts.start, end=facts.last, allowed=lambda _: self.allowed)
        self.source = ReplaySource(
            facts=facts, universe=UNIVERSE, calendar=CALENDAR, clock=self.clock
        )

    def poll(self, until: float, *, played: int | None = None) -> list[tuple[float, str]]:
        """Allow seconds from the beginning, poll, and play as many of the steps as said."""
        self.allowed = BEGIN + round(until * SECOND)
        steps = self.source.poll(self.clock())
        with Stage() as stage:
            for step in steps[:played]:
                self.source.play(step, stage)
            stage.publish()
        return shown(steps)


def seconds(recorded: Callable[..., ReplayFacts]) -> Steps:
    return Steps(recorded(*(row(number) for number in range(9))))


def test_the_clock_stands_where_it_is_allowed(recorded: Callable[..., ReplayFacts]) -> None:
    steps = seconds(recorded)
    assert steps.source.due_in(steps.clock()) is None
    assert not steps.source.is_due(steps.clock())

    assert steps.poll(1.5) == [(0, "AAPL"), (1, "AAPL"), (1.5, "")]

    assert steps.source.due_in(steps.clock()) is None
    steps.allowed += SECOND
    assert steps.source.due_in(steps.clock()) == 0
    assert steps.source.is_due(steps.clock())
    assert steps.poll(99)[-1] == (8, "AAPL")
    assert steps.source.due_in(steps.clock()) is None


def test_an_earlier_time_that_is_named_on_the_way_is_not_passed(
    recorded: Callable[..., ReplayFacts],
) -> None:
    steps = seconds(recorded)
    assert len(steps.poll(7.5, played=2)) == 9

    assert steps.poll(3.5) == [(2, "AAPL"), (3, "AAPL"), (3.5, "")]
    assert steps.poll(5) == [(4, "AAPL"), (5, "AAPL")]
