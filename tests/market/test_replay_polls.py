"""Polls of a replay that is behind: each ends early, and the next one goes on after it."""

from collections.abc import Callable

import pytest

from server.domain.values import SECOND
from server.market.replay import STEPS_PER_POLL_MAX
from server.market.replay_file import ReplayFacts
from tests.market.replays import BEGIN, Replay, row, shown


def test_a_long_way_is_gone_in_several_polls(recorded: Callable[..., ReplayFacts]) -> None:
    """Each stands at its last step: nothing is skipped, however far real time is ahead."""
    count = 2 * STEPS_PER_POLL_MAX + 50
    replay = Replay(recorded(*[row(second) for second in range(count + 1)]), reached=BEGIN)
    replay.real.now += (count - 1) * SECOND + SECOND // 2
    for number in (1, 2):
        steps = replay.poll()
        assert [len(step.quotes) for step in steps] == [1] * STEPS_PER_POLL_MAX
        assert replay.clock() == BEGIN + number * STEPS_PER_POLL_MAX * SECOND
        assert replay.due_in == 0
    steps = replay.poll()
    assert [len(step.quotes) for step in steps] == [1] * 49 + [0]
    assert replay.clock() == replay.clock.target() == BEGIN + count * SECOND - SECOND // 2
    assert replay.due_in == SECOND // 2


def test_a_poll_of_many_quotes_ends_early_and_the_next_one_goes_on_behind_it(
    recorded: Callable[..., ReplayFacts], monkeypatch: pytest.MonkeyPatch
) -> None:
    """To read them takes time in which no caller is answered."""
    monkeypatch.setattr("server.market.replay.QUOTES_PER_POLL_MAX", 5)
    rows = [row(second, symbol) for second in range(1, 8) for symbol in ("AAPL", "SPY")]
    replay = Replay(recorded(*rows), reached=BEGIN)

    assert [step.time - BEGIN for step in replay.poll(60 * SECOND)] == [
        SECOND,
        2 * SECOND,
        3 * SECOND,
    ]
    assert [step.time - BEGIN for step in replay.poll()] == [4 * SECOND, 5 * SECOND, 6 * SECOND]
    assert replay.poll()[0].time == BEGIN + 7 * SECOND


def test_exactly_as_many_steps_as_there_may_be_leave_the_rest_of_time_to_the_next_poll(
    recorded: Callable[..., ReplayFacts],
) -> None:
    rows = [row(second) for second in range(1, STEPS_PER_POLL_MAX + 1)]
    later = 2 * STEPS_PER_POLL_MAX
    replay = Replay(recorded(*rows, row(2 * later)), reached=BEGIN)
    assert shown(replay.poll(later * SECOND))[-1] == (STEPS_PER_POLL_MAX, "AAPL")
    assert shown(replay.poll()) == [(later, "")]
