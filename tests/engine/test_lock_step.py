"""Lock-step: the clock of a replay stands until its participants are done."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration

from bottrading.v1 import bar_pb2, order_pb2
from server.domain.errors import Reason
from server.domain.values import Micros
from tests.engine.bench import at, is_not_executed, reason_of, row
from tests.engine.stepped import SECONDS, START, Stepped, names

Start = Callable[..., Stepped]
LIMIT = {"limit_price": "95.00", "order_type": order_pb2.ORDER_TYPE_LIMIT}


@pytest.fixture
def start(data_dir: Path) -> Iterator[Start]:
    started: list[Stepped] = []

    def make(**options: Any) -> Stepped:
        started.append(Stepped(data_dir, **options))
        return started[-1]

    yield make
    for stepped in started:
        stepped.bench.parts.close()


def time_of(told: Any) -> Micros:
    return int(told.time.ToMicroseconds())


def test_the_clock_stands_until_its_participant_is_done(start: Start) -> None:
    replay = start()
    ada = replay.account("ada")
    replay.go(seconds=3_600)
    assert replay.now == START

    told = replay.step(ada, "01-02 15:30")
    replay.go(seconds=3_600)

    assert time_of(told) == replay.now == at("01-02 15:30")
    assert not told.ended


def test_quotes_at_the_time_itself_are_played(start: Start) -> None:
    replay = start()
    ada = replay.account("ada")
    replay.step(ada, "01-02 15:00")
    replay.place(ada, **LIMIT)
    before = replay.step(ada, "01-02 16:59")

    told = replay.step(ada, "01-02 17:00")

    assert names(before.events) == []
    assert (before.first_sequence, before.last_sequence) == (0, 0)
    assert names(told.events) == ["FILLED"]
    assert (told.first_sequence, told.last_sequence) == (3, 3)
    assert told.events[0].order_update.fill.price == "91.00000000"
    assert told.events[0].time == told.time


@pytest.mark.parametrize(
    ("fields", "reached"),
    [
        ({"until": "01-02 15:20"}, "01-02 15:20"),
        ({"by": Duration(seconds=90)}, "01-02 15:01:30"),
        ({"next_bar": bar_pb2.BAR_INTERVAL_1M}, "01-02 15:01"),
        ({"next_bar": bar_pb2.BAR_INTERVAL_15M}, "01-02 15:15"),
        ({"next_bar": bar_pb2.BAR_INTERVAL_1H}, "01-02 16:00"),
        ({"next_bar": bar_pb2.BAR_INTERVAL_1D}, "01-02 18:00"),
    ],
)
def test_a_step_ends_at_a_time_after_a_while_or_with_a_bar(
    start: Start, fields: dict[str, Any], reached: str
) -> None:
    replay = start()
    ada = replay.account("ada")
    replay.step(ada, "01-02 15:00")

    told = replay.step(ada, **{"until": "", **fields}, seen="01-02 15:00")

    assert time_of(told) == at(reached)


def test_the_running_bar_ends_at_a_multiple_of_its_length(start: Start) -> None:
    replay = start()
    ada = replay.account("ada")
    replay.step(ada, "01-02 15:20")

    told = replay.step(ada, "", next_bar=bar_pb2.BAR_INTERVAL_15M, seen="01-02 15:20")

    assert time_of(told) == at("01-02 15:30")


def test_the_end_of_the_file_is_told(start: Start) -> None:
    replay = start()
    ada = replay.account("ada")

    told = [replay.step(ada, when) for when in ("01-02 17:59:59", "01-03 09:00", "01-04 09:00")]

    assert [answer.ended for answer in told] == [False, True, True]
    assert time_of(told[1]) == time_of(told[2]) == replay.now == at("01-02 18:00")


def test_a_repeated_call_gets_the_same_answer_and_never_moves_the_clock_twice(
    start: Start,
) -> None:
    replay = start()
    ada = replay.account("ada")
    replay.step(ada, "01-02 15:00")
    replay.place(ada, **LIMIT)
    hours = Duration(seconds=7_200)
    first = replay.step(ada, "", by=hours, seen="01-02 15:00")
    # What the account does at the new time is not part of what happened on the way.
    replay.place(ada, limit_price="50.00", order_type=order_pb2.ORDER_TYPE_LIMIT)

    again = [replay.step(ada, "", by=hours, seen="01-02 15:00") for _ in range(3)]

    assert names(first.events) == ["FILLED"]
    assert again == [first] * 3
    assert replay.now == at("01-02 17:00")


def test_the_clock_moves_to_the_earliest_time_once_all_have_called(start: Start) -> None:
    replay = start(participants=3)
    ada, bob, eve = (replay.account(name) for name in ("ada", "bob", "eve"))
    assert replay.lock_step() == (3, 0, 3)
    first, second = replay.advance(ada, "01-02 17:00"), replay.advance(bob, "01-02 16:00")
    replay.go(seconds=3_600)
    assert (replay.now, replay.lock_step()) == (START, (3, 2, 1))

    third = replay.advance(eve, "01-02 18:00")
    replay.go()

    assert replay.now == at("01-02 16:00")
    assert replay.waiting == {first, third}
    assert time_of(replay.told(second)) == replay.now
    assert replay.lock_step() == (3, 3, 1)
    replay.advance(bob, "01-02 17:30")
    replay.go()
    assert time_of(replay.told(first)) == replay.now == at("01-02 17:00")


@pytest.mark.parametrize("hours", [("17:00", "16:00", "16:00"), ("16:00", "16:00", "17:00")])
def test_calls_of_an_account_are_all_answered_at_the_earliest_time(
    start: Start, hours: tuple[str, ...]
) -> None:
    replay = start(participants=2)
    ada, bob = replay.account("ada"), replay.account("bob")
    numbers = [replay.advance(ada, f"01-02 {hour}") for hour in hours]
    replay.advance(bob, "01-02 18:00")
    replay.go()

    assert replay.now == at("01-02 16:00")
    first, *others = map(replay.told, numbers)
    assert others == [first] * 2


@pytest.mark.parametrize("until", ["15:20", "15:59"])
def test_a_clock_that_moves_is_not_stopped_on_its_way_by_an_earlier_time(
    start: Start, until: str
) -> None:
    """How far it got depends on the machine, so the clock would stand at a time by chance."""
    replay = start(rows=SECONDS)
    ada = replay.account("ada")
    first = replay.advance(ada, "01-02 15:58")
    replay.play_a_part()
    assert at("01-02 15:00") < replay.now < at("01-02 15:20")

    second = replay.advance(ada, f"01-02 {until}")
    replay.play_a_part()
    third = replay.advance(ada, "01-02 15:59")
    replay.go()

    assert replay.now == at("01-02 15:58")
    assert replay.told(first) == replay.told(second) == replay.told(third)


def test_a_call_from_the_past_does_not_end_the_wait_for_a_later_time(start: Start) -> None:
    replay = start(participants=2)
    ada, bob = replay.account("ada"), replay.account("bob")
    replay.advance(ada, "01-02 15:00")
    replay.advance(bob, "01-02 15:00")
    replay.go()
    waits = replay.advance(ada, "01-02 17:00", seen="01-02 15:00")

    delayed = replay.advance(ada, "01-02 15:00")

    assert time_of(replay.told(delayed)) == at("01-02 15:00")
    assert waits in replay.waiting
    replay.step(bob, "01-02 17:00")
    assert time_of(replay.told(waits)) == at("01-02 17:00")


def test_a_later_time_than_the_clocks_cannot_have_been_seen(start: Start) -> None:
    replay = start()
    ada = replay.account("ada")

    number = replay.advance(ada, "01-02 17:00", seen="01-02 16:00")

    assert reason_of(replay.answers[number]) is Reason.FIELD_INVALID
    replay.go()
    assert replay.now == START


def test_no_more_accounts_take_part_than_the_operator_wants(start: Start) -> None:
    replay = start()
    ada, bob = replay.account("ada"), replay.account("bob")
    replay.step(ada, "01-02 15:00")

    number = replay.advance(bob, "01-02 16:00")
    replay.go()

    assert reason_of(replay.answers[number]) is Reason.PARTICIPANTS_COMPLETE
    assert replay.now == at("01-02 15:00")


def test_the_operator_can_name_the_accounts_that_take_part(start: Start, data_dir: Path) -> None:
    first = start()
    ada, bob, eve = (first.account(name) for name in ("ada", "bob", "eve"))
    first.step(eve, "01-02 15:00")
    first.bench.parts.close()
    replay = start(participants=f"{ada}, {bob.upper()}")
    assert replay.lock_step() == (2, 0, 2)

    refused = replay.advance(eve, "01-02 17:00")
    replay.advance(ada, "01-02 17:00")
    replay.go()
    assert replay.now == at("01-02 15:00")
    told = replay.step(bob, "01-02 16:00")

    assert reason_of(replay.answers[refused]) is Reason.PARTICIPANTS_COMPLETE
    assert time_of(told) == at("01-02 16:00")


def test_a_restart_in_the_middle_of_a_wait_changes_no_answer(start: Start) -> None:
    replay = start(participants=2)
    ada, bob = replay.account("ada"), replay.account("bob")
    replay.advance(bob, "01-02 17:00")
    replay.step(ada, "01-02 15:00")
    replay.place(ada, **LIMIT)
    replay.advance(ada, "01-02 17:00", seen="01-02 15:00")
    replay.restart()
    replay.go(seconds=3_600)
    assert (replay.now, replay.lock_step()) == (at("01-02 15:00"), (2, 2, 2))

    replay.advance(bob, "01-02 17:00")
    told = replay.step(ada, "01-02 17:00", seen="01-02 15:00")
    replay.restart()
    again = replay.step(ada, "01-02 17:00", seen="01-02 15:00")

    assert names(told.events) == ["FILLED"]
    assert again == told


def test_a_long_way_is_played_in_parts_and_told_as_one(start: Start) -> None:
    rows = [
        row(f"01-02 15:{minute:02}:{second:02}", "AAPL", "100.00", "101.00")
        for minute in range(60)
        for second in range(0, 60, 3)
    ]
    replay = start(rows=[*rows, row("01-02 17:00", "AAPL", "90.00", "91.00")])
    ada = replay.account("ada")
    replay.step(ada, "01-02 15:00")
    replay.place(ada, **LIMIT)

    told = replay.step(ada, "01-02 17:00")

    assert names(told.events) == ["FILLED"]
    assert (told.first_sequence, told.last_sequence) == (3, 3)


def test_too_many_waiting_calls_of_one_account_end_the_oldest(start: Start) -> None:
    replay = start(participants=2)
    ada = replay.account("ada")

    numbers = [replay.advance(ada, "01-02 16:00") for _ in range(18)]

    assert replay.waiting == set(numbers[2:])
    assert [reason_of(replay.answers[number]) for number in numbers[:2]] == [Reason.CONFLICT] * 2


def test_no_clock_moves_once_the_file_has_changed(start: Start, data_dir: Path) -> None:
    replay = start(participants=2)
    ada, bob = replay.account("ada"), replay.account("bob")
    waits = replay.advance(ada, "01-02 16:00")
    with (data_dir / "quotes.csv").open("a") as file:
        file.write(row("01-02 19:00", "AAPL", "1.00", "2.00") + "\n")
    replay.go()

    later = replay.advance(bob, "01-02 16:00")

    assert [reason_of(replay.answers[it]) for it in (waits, later)] == [Reason.UNAVAILABLE] * 2
    assert [is_not_executed(replay.answers[it]) for it in (waits, later)] == [False, True]
    assert replay.now == START
