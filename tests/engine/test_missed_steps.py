"""Missed steps: a lock-step replay goes on without participants that are not done in time."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from bottrading.v1 import order_update_pb2
from server.application.stopped_accounts import STOPPED
from server.domain.invariants import BrokenInvariant
from tests.engine.bench import at, reason_of
from tests.engine.stepped import SECONDS, START, Stepped, names
from tests.support.audit import audit

TIMES = ["15:10", "15:20", "15:30", "15:40", "15:50"]


@pytest.fixture
def replay(data_dir: Path) -> Iterator[Stepped]:
    made = Stepped(data_dir, participants=2, step_timeout=60)
    yield made
    made.bench.parts.close()
    audit(data_dir)


def missed(event: order_update_pb2.AccountEvent) -> tuple[int, int]:
    return event.account_update.missed_steps, event.time.ToMicroseconds()


def step_late(replay: Stepped, account: str, until: str, *, seconds: float = 60) -> None:
    """Be done until a time, and let real time pass."""
    replay.advance(account, f"01-02 {until}")
    replay.go()
    replay.go(seconds=seconds)


def test_the_clock_goes_on_when_the_others_have_waited_for_too_long(replay: Stepped) -> None:
    ada, bob = replay.account("ada"), replay.account("bob")
    replay.advance(bob, "01-02 15:00")
    replay.step(ada, "01-02 15:00")
    replay.go(seconds=3_600)
    assert replay.now == at("01-02 15:00"), "nobody waits for anybody"

    step_late(replay, ada, "15:10", seconds=59)
    assert replay.now == at("01-02 15:00")
    replay.go(seconds=1)

    assert replay.now == at("01-02 15:10")
    assert names(replay.log(ada)) == ["OPENED"]
    assert names(replay.log(bob)) == ["OPENED", "STEP_MISSED"]
    assert missed(replay.log(bob)[1]) == (1, at("01-02 15:00") + 1)


def test_one_that_never_called_is_waited_for_without_end(replay: Stepped) -> None:
    ada = replay.account("ada")

    step_late(replay, ada, "15:00", seconds=100_000)

    assert (replay.now, replay.lock_step()) == (START, (2, 1, 1))


def test_three_missed_steps_in_a_row_drop_an_account_until_it_calls_again(
    replay: Stepped,
) -> None:
    ada, bob = replay.account("ada"), replay.account("bob")
    replay.advance(bob, "01-02 15:00")
    replay.step(ada, "01-02 15:00")
    for until in TIMES[:3]:
        step_late(replay, ada, until)
    assert (replay.now, replay.lock_step()) == (at("01-02 15:30"), (2, 2, 1))

    alone = replay.step(ada, "01-02 15:40")
    back = replay.advance(bob, "01-02 15:50", seen="01-02 15:00")
    replay.go()
    assert alone.time.ToMicroseconds() == replay.now == at("01-02 15:40")
    assert replay.lock_step() == (2, 2, 1)
    replay.step(ada, "01-02 15:50")

    assert replay.told(back).time.ToMicroseconds() == at("01-02 15:50")
    assert replay.lock_step() == (2, 2, 2)


def test_a_call_that_comes_late_is_told_what_it_missed_and_takes_part_again(
    replay: Stepped,
) -> None:
    ada, bob = replay.account("ada"), replay.account("bob")
    replay.advance(bob, "01-02 15:00")
    replay.step(ada, "01-02 15:00")
    step_late(replay, ada, "15:20")
    step_late(replay, ada, "15:30")

    late = replay.step(bob, "01-02 15:10", seen="01-02 15:00")
    step_late(replay, ada, "15:40")

    assert late.time.ToMicroseconds() == at("01-02 15:30")
    assert [missed(event) for event in late.events] == [
        (1, at("01-02 15:00") + 1),
        (2, at("01-02 15:20") + 1),
    ]
    assert (late.first_sequence, late.last_sequence) == (2, 3)
    assert [missed(event)[0] for event in replay.log(bob)[1:]] == [1, 2, 1]


def test_a_restart_forgets_neither_participants_nor_who_was_dropped(replay: Stepped) -> None:
    ada, bob = replay.account("ada"), replay.account("bob")
    replay.advance(bob, "01-02 15:00")
    replay.step(ada, "01-02 15:00")
    for until in TIMES[:3]:
        step_late(replay, ada, until)

    replay.restart()

    assert replay.lock_step() == (2, 2, 1)
    assert replay.step(ada, "01-02 15:40").time.ToMicroseconds() == at("01-02 15:40")
    assert names(replay.log(bob)) == ["OPENED", *["STEP_MISSED"] * 3]


def test_a_restart_does_not_forget_who_takes_part_again(replay: Stepped) -> None:
    ada, bob = replay.account("ada"), replay.account("bob")
    replay.advance(bob, "01-02 15:00")
    replay.step(ada, "01-02 15:00")
    for until in TIMES[:3]:
        step_late(replay, ada, until)
    replay.advance(bob, "01-02 15:00")

    replay.restart()
    replay.advance(ada, "01-02 15:40")
    replay.go()

    assert (replay.now, replay.lock_step()) == (at("01-02 15:30"), (2, 2, 1))


def test_an_account_that_calls_while_the_clock_moves_without_it_does_not_stop_it(
    data_dir: Path,
) -> None:
    with closing(Stepped(data_dir, rows=SECONDS, participants=2, step_timeout=60)) as replay:
        ada, bob = replay.account("ada"), replay.account("bob")
        replay.advance(bob, "01-02 15:00")
        replay.step(ada, "01-02 15:00")
        for until in ("15:00:01", "15:00:02", "15:00:03"):
            step_late(replay, ada, until)
        replay.advance(ada, "01-02 15:58")
        replay.play_a_part()
        assert at("01-02 15:00") < replay.now < at("01-02 15:30")

        late = replay.advance(bob, "01-02 15:00")
        assert late in replay.waiting
        replay.go()

        assert replay.told(late).time.ToMicroseconds() == replay.now == at("01-02 15:58")


def test_a_stopped_account_is_told_so_while_it_waits(replay: Stepped) -> None:
    ada = replay.account("ada")
    waits = replay.advance(ada, "01-02 15:10")
    replay.bench.parts.feed.stopped.stop(ada, BrokenInvariant("a planted contradiction"))

    replay.go()

    assert reason_of(replay.answers[waits]) is STOPPED.reason


def test_a_stopped_account_is_not_waited_for(replay: Stepped) -> None:
    ada, bob = replay.account("ada"), replay.account("bob")
    replay.advance(bob, "01-02 15:00")
    replay.step(ada, "01-02 15:00")
    replay.bench.parts.feed.stopped.stop(bob, BrokenInvariant("a planted contradiction"))

    told = replay.step(ada, "01-02 15:10")

    assert told.time.ToMicroseconds() == at("01-02 15:10")
    assert names(replay.log(bob)) == ["OPENED"]
