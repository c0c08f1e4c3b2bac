"""Staging: memory that changes with the commit of a unit of work, or not at all.

State that outlives a unit of work is a `Staged` value, a `StagedMap` or an `Outbox`. It changes
only on a `Stage`. A stage drops what it does not publish, so nobody has to undo changes.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

from server.domain.invariants import BrokenInvariant

K = TypeVar("K")
T = TypeVar("T")
V = TypeVar("V")


class Part(ABC):
    """A part of memory with three layers: open, saved and committed changes.

    It joins a stage with its first change. Only one stage at a time may change it.
    """

    def __init__(self) -> None:
        self._stage: Stage | None = None

    @abstractmethod
    def save(self) -> None:
        """Move the open changes to the saved ones."""

    @abstractmethod
    def publish(self) -> None:
        """Commit the saved changes."""

    @abstractmethod
    def drop(self) -> None:
        """Return to the committed state, and leave the stage."""
        self._stage = None

    def _join(self, stage: "Stage") -> None:
        if self._stage is not stage:
            if self._stage is not None:
                raise BrokenInvariant("two units of work change memory at once")
            stage.add(self)
            self._stage = stage


class Stage:
    """The changes that a unit of work makes to memory; those that are not published are dropped.

    A step is published as a whole: until it ends, only the changes before it are published.
    """

    def __init__(self) -> None:
        self._parts: list[Part] = []
        self._is_in_step = False

    def __enter__(self) -> "Stage":
        return self

    def __exit__(self, *_: object) -> None:
        self.drop()

    def add(self, part: Part) -> None:
        """Add a part that has changed, to be published or dropped with the others."""
        self._parts.append(part)

    @contextmanager
    def step(self) -> Iterator[None]:
        """Hold back the changes within the step from publication until the step is over."""
        if self._is_in_step:
            raise BrokenInvariant("a step has no steps")
        for part in self._parts:
            part.save()
        self._is_in_step = True
        yield
        self._is_in_step = False

    def publish(self) -> None:
        """Commit the staged changes; within a step, only those before it."""
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
    """A value that must be immutable: a change in place is neither published nor dropped."""

    def __init__(self, value: T) -> None:
        super().__init__()
        self._open = self._saved = self._committed = value

    @property
    def value(self) -> T:
        """Return the value as the unit of work sees it."""
        return self._open

    @property
    def committed(self) -> T:
        """Return the value without the changes of the unit of work."""
        return self._committed

    def set(self, value: T, stage: Stage) -> None:
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
    """A dictionary of immutable values without deletion; a commit takes time per changed key."""

    def __init__(self, committed: Iterable[tuple[K, V]] = ()) -> None:
        super().__init__()
        self._open: dict[K, V] = {}
        self._saved: dict[K, V] = {}
        self._committed: dict[K, V] = dict(committed)

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
    """Notifications to send once they are committed, in order."""

    def __init__(self) -> None:
        super().__init__()
        self._open: list[T] = []
        self._saved: list[T] = []
        self._committed: list[T] = []

    def put(self, item: T, stage: Stage) -> None:
        """Stage a notification."""
        self._join(stage)
        self._open.append(item)

    def take(self) -> list[T]:
        """Remove and return the committed notifications."""
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
