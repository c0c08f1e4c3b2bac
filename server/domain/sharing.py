"""Sharing: how the engines of a venue divide its shards, each by itself and all alike."""

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from itertools import islice

from server.domain.sharding import SHARDS


@dataclass(frozen=True, slots=True)
class Moves:
    """The shards that an engine should give up, and those that it should take."""

    give: frozenset[int] = frozenset()
    take: frozenset[int] = frozenset()


def moves(own: str, engines: Collection[str], owners: Mapping[int, str]) -> Moves:
    """Return what an engine should do, so that few shards move and all engines own equally many.

    `engines` are all that are alive, `own` among them. `owners` are the owners of shards, perhaps
    others than these engines. A shard without an owner is free.
    """
    counts = Counter({name: 0 for name in engines})
    counts.update(owner for owner in owners.values() if owner in counts)
    fair = _fair(counts)
    surplus = counts[own] - fair[own]
    if surplus > 0:
        owned = sorted(shard for shard, owner in owners.items() if owner == own)
        return Moves(give=frozenset(owned[-surplus:]))
    free = iter([shard for shard in range(SHARDS) if shard not in owners])
    for name in sorted(counts):
        taken = frozenset(islice(free, max(fair[name] - counts[name], 0)))
        if name == own:
            return Moves(take=taken)
    return Moves()


def _fair(counts: Mapping[str, int]) -> dict[str, int]:
    """Return how many shards each engine should own; who has more now keeps one more if need be."""
    least, larger = divmod(SHARDS, len(counts))
    by_count = sorted(counts, key=lambda name: (-counts[name], name))
    return {name: least + (place < larger) for place, name in enumerate(by_count)}
