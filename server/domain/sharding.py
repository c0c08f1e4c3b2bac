"""Sharding: accounts are divided among engines by the user who owns them."""

from zlib import crc32

SHARDS = 64
"""The shards of a venue that several engines can serve. A venue of one file is one shard."""

MARKET = 64
"""Names, beside the shards, who stores quotes and bars."""

ANY_SHARD = 0xFFFF
"""Stands for no certain shard: every engine can decide the call."""


def shard_of(name: str, shards: int = SHARDS) -> int:
    """Return the shard of a user by their id, or of anything else that is decided in one place."""
    return crc32(name.encode()) % shards
