"""Ownership: which shards of a venue an engine owns; only their owner decides about accounts."""

from typing import Protocol


class ForeignShard(Exception):
    """Something belongs to a shard that this engine does not own; nothing was done."""

    def __init__(self, shard: int) -> None:
        super().__init__(f"shard {shard} is not owned")
        self.shard = shard


class Ownership(Protocol):
    """The shards that an engine owns. They change only between two batches."""

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


class WholeVenue:
    """The ownership of an engine that is always alone, as on a file."""

    owns_all = True

    def owns(self, _shard: int) -> bool:
        return True

    def look(self) -> bool:
        return False
