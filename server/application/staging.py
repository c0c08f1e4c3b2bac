"""Staging: memory that changes with the commit of a unit of work, or not at all.

Whatever lives as long as the engine and changes is a `Staged` value, a `StagedMap` or an `Outbox`.
Each changes on a `Stage` only, which drops what it does not publish: there is nothing to undo.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

from server.domain.invariants import BrokenInvariant

K = TypeVar("K")
T = TypeVar("T")
V = TypeVar("V")


class Part(ABC):
    """A part of memory in three layers: what is open, what is saved, and what is committed.

    It joins a stage with its first change. One stage at a time may change it.
    """

    def __init__(self) -> None:
        self._stage: Stage | None = None

    @abstractmethod
    def save(self) -> None:
        """Count the open changes among the saved ones."""

    @abstractmethod
    def publish(self) -> None:
        """Commit the saved changes."""

    @abstractmethod
    def drop(self) -> None:
        """Go back to what is committed, and leave the stage."""
        self._stage = None

    def _join(self, stage: "Stage") -> None:
        if self._stage is not stage:
            if self._stage is not None:
                raise BrokenInvariant("two units of work change memory at once")
            stage.add(self)
            self._stage = stage


class Stage:
    """The changes that a unit of work makes to memory; those that are not published are dropped.

    A step is published as a whole: while it goes on, only what was staged before it is.
    """

    def __init__(self) -> None:
        self._parts: list[Part] = []
        self._is_in_step = False

    def __enter__(self) -> "Stage":
        return self

    def __exit__(self, *_: object) -> None:
        self.drop()

    def add(self, part: Part) -> None:
        """Publish or drop a part with the others."""
        self._parts.append(part)

    @contextmanager
    def step(self) -> Iterator[None]:
        """Let what is staged within be published when the step is over."""
        if self._is_in_step:
            raise BrokenInvariant("a step has no steps")
        for part in self._parts:
            part.save()
        self._is_in_step = True
        yield
        self._is_in_step = False

    def publish(self) -> None:
        """Commit what is staged; within a step, what was staged before it."""
        for part in self._parts:
            if not self._is_in_step:
                part.save()
            part.publish()

    def drop(self) -> None:
        """Drop what is not published."""
        for part in self._parts:
            part.drop()
        self._parts.clear()


class Staged(Part, Generic[T]):
    """A value. It must be immutable: what changes in place is neither published nor dropped."""

    def __init__(self, value: T) -> None:
        super().__init__()
        self._open = self._saved = self._committed = value

    @property
    def value(self) -> T:
        """Return the value as the unit of work sees it."""
        return self._open

    @property
    def committed(self) -> T:
        """Return the value as it is without the unit of work."""
        return self._committed

    def set(self, value: T, stage: Stage) -> None:
        """Stage another value."""
        self._join(stage)
        self._open = value

    def save(self) -> None:
        self._saved = self._open

    def publish(self) -> None:
        self._committed = self._saved

    def drop(self) -> None:
        super().drop()
        self._open = self._saved = self._committed


class StagedMap(Part, Generic[K, V]):
    """A dictionary of immutable values that only grows; a change costs as much as it is large."""

    def __init__(self) -> None:
        super().__init__()
        self._open: dict[K, V] = {}
        self._saved: dict[K, V] = {}
        self._committed: dict[K, V] = {}

    def get(self, key: K) -> V | None:
        """Return a value as the unit of work sees it; None when there is none."""
        if key in self._open:
            return self._open[key]
        if key in self._saved:
            return self._saved[key]
        return self._committed.get(key)

    def all(self) -> dict[K, V]:
        """Return a copy as the unit of work sees it."""
        return {**self._committed, **self._saved, **self._open}

    def set(self, key: K, value: V, stage: Stage) -> None:
        """Stage another value of a key."""
        self._join(stage)
        self._open[key] = value

    def save(self) -> None:
        self._saved.update(self._open)
        self._open.clear()

    def publish(self) -> None:
        self._committed.update(self._saved)
        self._saved.clear()

    def drop(self) -> None:
        super().drop()
        self._open.clear()
        self._saved.clear()


class Outbox(Part, Generic[T]):
    """What is to be told once it is committed, in order."""

    def __init__(self) -> None:
        super().__init__()
        self._open: list[T] = []
        self._saved: list[T] = []
        self._committed: list[T] = []

    def put(self, item: T, stage: Stage) -> None:
        """Stage something to be told."""
        self._join(stage)
        self._open.append(item)

    def take(self) -> list[T]:
        """Return what is committed and was not taken before."""
        taken, self._committed = self._committed, []
        return taken

    def save(self) -> None:
        self._saved += self._open
        self._open.clear()

    def publish(self) -> None:
        self._committed += self._saved
        self._saved.clear()

    def drop(self) -> None:
        super().drop()
        self._open.clear()
        self._saved.clear()
