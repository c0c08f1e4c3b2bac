"""Shards and ids that every engine, of whichever version, must find alike."""

from uuid import UUID

from server.domain.named_ids import user_id
from server.domain.sharding import MARKET, SHARDS, shard_of


def test_a_user_is_in_the_same_shard_for_ever() -> None:
    names = ("", "ada", "01a21fbb-52d8-7677-bb3e-aee00bc579d0")
    assert list(map(shard_of, names)) == [0, 40, 30]


def test_users_are_spread_over_all_shards() -> None:
    counts = [0] * SHARDS
    for number in range(6400):
        counts[shard_of(user_id("issuer", str(number)))] += 1

    assert min(counts) > 60
    assert max(counts) < 140


def test_the_market_is_no_shard_of_users() -> None:
    assert SHARDS <= MARKET


def test_a_file_has_a_single_shard() -> None:
    assert shard_of("ada", 1) == 0


def test_a_new_user_has_an_id_that_its_token_tells() -> None:
    """Any front finds the shard of a first sign-in."""
    made = user_id("issuer", "ada")

    assert made == "00000000-0000-8c6d-b0df-6750751baf0d"
    assert UUID(made).version == 8
    assert len({made, user_id("issuer", "bob"), user_id("other", "ada")}) == 3
