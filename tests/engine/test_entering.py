"""Engines that enter a venue compare their terms with those that have entered before."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import orjson
import psycopg
import pytest

from server.bootstrap.adapters import monotonic_clock
from server.storage.joining import CannotJoin
from server.storage.location import PostgresDatabase
from server.storage.ownership import Member
from server.storage.postgresql import JOINING_LOCK
from server.storage.shared_venue import SharedVenue
from server.storage.unit_of_work import Writer
from server.wire.answers import encode_event
from tests.support.postgresql import Server
from tests.support.streams import READ_SECONDS_MAX
from tests.support.venue import NOON

WAITING = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"


@pytest.fixture
def url(postgresql: Server) -> Iterator[str]:
    made = postgresql.new_database()
    yield made
    postgresql.drop(made)


@pytest.fixture
def writers(url: str, tmp_path: Path) -> Iterator[list[Writer]]:
    made = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        made.append(Writer(PostgresDatabase(url, tmp_path / name), encode_event))
    yield made
    for writer in made:
        writer.close()


def enter(writer: Writer, **terms: str) -> str:
    """Let an engine enter; return why it may not, or nothing."""
    member = Member("unix:/somewhere", "1", orjson.dumps(terms).decode(), NOON)
    try:
        SharedVenue(writer, member, monotonic_clock)
    except CannotJoin as error:
        return str(error)
    return ""


@pytest.mark.parametrize(
    ("second", "told"),
    [
        ({"fees": "none", "market": "simulated"}, "fees: not as at"),
        ({"fees": "venue", "market": "simulated"}, ""),
        ({"market": "replay", "fees": "venue"}, "market: not as at"),
    ],
)
def test_of_two_engines_that_enter_at_the_same_moment_one_finds_the_other(
    url: str, writers: list[Writer], second: dict[str, str], told: str
) -> None:
    """Both wait for a lock first: neither has entered when the other comes."""
    terms = [{"fees": "venue", "market": "simulated"}, second]
    with psycopg.connect(url, autocommit=True) as other, ThreadPoolExecutor() as threads:
        other.execute(f"SELECT pg_advisory_lock({JOINING_LOCK})")
        found = [
            threads.submit(enter, writer, **given)
            for writer, given in zip(writers, terms, strict=True)
        ]
        _wait_for_two(other)
        other.execute(f"SELECT pg_advisory_unlock({JOINING_LOCK})")
        answers = sorted(it.result(READ_SECONDS_MAX) for it in found)

    assert answers[0] == ""
    assert answers[1].startswith(told)
    assert bool(answers[1]) == bool(told)


def _wait_for_two(session: "psycopg.Connection[tuple[int]]") -> None:
    while session.execute(WAITING).fetchone() != (2,):
        pass


def test_a_replay_is_served_by_one_engine(writers: list[Writer]) -> None:
    assert enter(writers[0], market="replay") == ""
    assert "a replay runs on one server alone" in enter(writers[1], market="replay")
