"""Ownership: which shards of a venue an engine owns; only their owner decides about accounts."""

from collections.abc import Callable, Collection
from typing import Protocol

from server.domain.values import Micros


class ForeignShard(Exception):
    """Something belongs to a shard that this engine does not own; nothing was done."""

    def __init__(self, shard: int) -> None:
        super().__init__(f"shard {shard} is not owned")
        self.shard = shard


class Ownership(Protocol):
    """The shards that an engine owns. They change only between two batches.

    `before_giving` is called with shards before they are given up.
    """

    before_giving: Callable[[Collection[int]], None]

    @property
    def owns_all(self) -> bool:
        """Tell whether every shard is owned."""

    def owns(self, shard: int) -> bool:
        """Tell whether a shard is owned."""

    def look(self) -> bool:
        """Give up shards that others should own, and take those that nobody owns.

        It is called between two batches, and does something only now and then. Returns True when
        something changed: nothing that is remembered of accounts holds then. Raises
        StorageUnavailable or StorageBroken.
        """

    def due_in(self) -> Micros | None:
        """Return in how long `look` has something to do; None for never."""

    def leave(self) -> None:
        """Give up everything before the engine ends, so that other engines need not wait."""


class WholeVenue:
    """The ownership of an engine that is always alone, as on a file."""

    owns_all = True

    def __init__(self) -> None:
        self.before_giving: Callable[[Collection[int]], None] = lambda _: None

    def owns(self, _shard: int) -> bool:
        return True

    def look(self) -> bool:
        return False

    def due_in(self) -> None:
        return None

    def leave(self) -> None:
        """Do nothing: nobody else can take over."""
