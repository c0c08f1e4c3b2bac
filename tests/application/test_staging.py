"""Staged memory: seen at once by the unit of work, by everybody after its commit, or never."""

from contextlib import suppress

import pytest

from server.application.staging import Outbox, Stage, Staged, StagedMap
from server.domain.invariants import BrokenInvariant


class Memory:
    """A value, a map and an outbox that are changed together."""

    def __init__(self) -> None:
        self.value, self.map, self.outbox = Staged(0), StagedMap[str, int](), Outbox[int]()

    def change(self, number: int, stage: Stage) -> None:
        self.value.set(number, stage)
        self.map.set("newest", number, stage)
        self.map.set(str(number), number, stage)
        self.outbox.put(number, stage)

    def seen(self) -> tuple[int, dict[str, int]]:
        """Return what is seen, after looking that all ways to read it agree."""
        every = self.map.all()
        assert {key: self.map.get(key) for key in every} == every
        assert self.map.get("never") is None
        return self.value.value, every


@pytest.fixture
def memory() -> Memory:
    return Memory()


def test_what_is_staged_is_seen_and_told_to_nobody_before_it_is_published(memory: Memory) -> None:
    with Stage() as stage:
        memory.change(1, stage)
        assert memory.seen() == (1, {"newest": 1, "1": 1})
        assert memory.value.committed == 0
        assert memory.outbox.take() == []
        stage.publish()
        assert memory.value.committed == 1
        memory.change(2, stage)
        assert memory.outbox.take() == [1]
        stage.publish()

    assert memory.seen() == (2, {"newest": 2, "1": 1, "2": 2})
    assert memory.outbox.take() == [2]
    assert memory.outbox.take() == []


def test_what_is_not_published_is_dropped_whatever_ends_the_unit(memory: Memory) -> None:
    with Stage() as stage:
        memory.change(1, stage)
        stage.publish()
        memory.change(2, stage)
    with suppress(ZeroDivisionError), Stage() as stage:
        memory.change(3, stage)
        memory.change(1 // 0, stage)

    assert memory.seen() == (1, {"newest": 1, "1": 1})
    assert memory.outbox.take() == [1]


def test_within_a_step_only_what_came_before_it_is_published(memory: Memory) -> None:
    with Stage() as stage:
        memory.change(1, stage)
        with stage.step():
            memory.change(2, stage)
            stage.publish()
            assert memory.seen() == (2, {"newest": 2, "1": 1, "2": 2})
            assert memory.value.committed == 1
            memory.change(3, stage)
            stage.publish()

    assert memory.seen() == (1, {"newest": 1, "1": 1})
    assert memory.outbox.take() == [1]


def test_a_step_that_is_over_is_published_whole(memory: Memory) -> None:
    with Stage() as stage:
        for number in (1, 2):
            with stage.step():
                memory.change(number, stage)
        stage.publish()

    assert memory.seen() == (2, {"newest": 2, "1": 1, "2": 2})
    assert memory.outbox.take() == [1, 2]


def test_two_units_of_work_at_once_change_nothing_together(memory: Memory) -> None:
    """Each would publish and drop what the other has staged."""
    with Stage() as first, Stage() as second:
        memory.value.set(1, first)
        with pytest.raises(BrokenInvariant):
            memory.value.set(2, second)

    assert memory.value.value == 0
