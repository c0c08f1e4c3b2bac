"""Sharing: engines that compute their moves alone end with equal shares, and move few shards."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from server.domain.sharding import SHARDS
from server.domain.sharing import moves

NAMES = "abcdef"
owned = st.dictionaries(st.integers(0, SHARDS - 1), st.sampled_from(NAMES))
engines = st.sets(st.sampled_from(NAMES), min_size=1)


def rounds(owners: dict[int, str], alive: set[str]) -> tuple[dict[int, str], int]:
    """Let each engine look three times; return the owners, and how many shards were given up."""
    given_up = 0
    for _ in range(3):
        for name in sorted(alive):
            wanted = moves(name, alive, owners)
            given_up += len(wanted.give)
            owners = {shard: it for shard, it in owners.items() if shard not in wanted.give}
            assert not wanted.take & owners.keys()
            owners |= dict.fromkeys(wanted.take, name)
    return owners, given_up


@given(owners=owned, alive=engines)
def test_all_shards_are_owned_in_equal_shares(owners: dict[int, str], alive: set[str]) -> None:
    living = {shard: name for shard, name in owners.items() if name in alive}
    found, _ = rounds(living, alive)

    counts = Counter(found.values())
    assert sum(counts.values()) == SHARDS
    assert max(counts.values()) - min(counts[name] for name in alive) <= 1


@given(owners=owned, alive=engines)
def test_equal_shares_do_not_move(owners: dict[int, str], alive: set[str]) -> None:
    living = {shard: name for shard, name in owners.items() if name in alive}
    settled, _ = rounds(living, alive)

    assert rounds(settled, alive) == (settled, 0)


@given(alive=st.sets(st.sampled_from(NAMES), min_size=2))
def test_only_the_share_of_the_engine_that_joins_moves(alive: set[str]) -> None:
    settled, _ = rounds({}, alive - {min(alive)})
    _, given_up = rounds(settled, alive)

    assert given_up <= SHARDS // len(alive) + 1


def test_what_nobody_is_known_to_own_is_not_free() -> None:
    """A session that is about to end may still hold it."""
    wanted = moves("a", {"a"}, {0: "", 1: "gone"})

    assert wanted.take == set(range(2, SHARDS))
