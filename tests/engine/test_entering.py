"""Engines that enter a venue compare their terms with those that have entered before."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from shutil import copytree

import orjson
import psycopg
import pytest

from server.application.ports import StorageUnavailable
from server.bootstrap.adapters import monotonic_clock
from server.storage.commit_mark import mark_path
from server.storage.joining import CannotJoin
from server.storage.location import PostgresDatabase
from server.storage.ownership import Member
from server.storage.postgresql import JOINING_LOCK
from server.storage.postgresql_session import PostgresSession
from server.storage.replica import REPLICA_ID_FILE
from server.storage.shared_venue import SharedVenue
from server.storage.unit_of_work import Writer
from server.wire.answers import encode_event
from tests.support.streams import READ_SECONDS_MAX
from tests.support.venue import NOON

WAITING = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"


@pytest.fixture
def writers(url: str, tmp_path: Path) -> Iterator[list[Writer]]:
    made = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        made.append(Writer(PostgresDatabase(url, tmp_path / name), encode_event))
    yield made
    for writer in made:
        writer.close()


def enter(writer: Writer, address: str = "", **terms: str) -> str:
    """Let an engine enter, with its id as its address; return why it may not, or nothing."""
    member = Member(address or writer.replica_id, "1", orjson.dumps(terms).decode(), NOON)
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
        _wait_for(2, other)
        other.execute(f"SELECT pg_advisory_unlock({JOINING_LOCK})")
        answers = sorted(it.result(READ_SECONDS_MAX) for it in found)

    assert answers[0] == ""
    assert answers[1].startswith(told)
    assert bool(answers[1]) == bool(told)


def _wait_for(count: int, session: "psycopg.Connection[tuple[int]]") -> None:
    while session.execute(WAITING).fetchone() != (count,):
        pass


def test_a_replay_is_served_by_one_engine(writers: list[Writer]) -> None:
    assert enter(writers[0], market="replay") == ""
    assert "a replay runs on one server alone" in enter(writers[1], market="replay")


@pytest.fixture
def copy(url: str, writers: list[Writer], tmp_path: Path) -> PostgresDatabase:
    """Let a server run; return the database with a copy of its data directory."""
    assert enter(writers[0]) == ""
    return PostgresDatabase(url, copytree(tmp_path / "one", tmp_path / "copy"))


@contextmanager
def opened(where: PostgresDatabase) -> Iterator[Writer]:
    """Open a database for an engine that waits for no lock."""
    writer = Writer(where, encode_event)
    assert isinstance(writer.session, PostgresSession)
    writer.session.driver.execute("SET lock_timeout = '1ms'")
    yield writer
    writer.close()


def test_a_copied_server_takes_nothing_from_the_one_that_runs(
    url: str, copy: PostgresDatabase
) -> None:
    with opened(copy) as writer:
        assert enter(writer, "unix:/copy").startswith("data_dir: is a copy of that of the server")
    with opened(copy) as writer, pytest.raises(StorageUnavailable, match="lives on"):
        enter(writer)
    with psycopg.connect(url) as session:
        assert session.execute("SELECT address = id FROM engines").fetchall() == [(True,)]

    (copy.directory / REPLICA_ID_FILE).unlink()
    mark_path(copy).unlink()
    with opened(copy) as writer:
        assert enter(writer, "unix:/copy") == ""


def test_no_two_servers_have_one_address(writers: list[Writer]) -> None:
    """As with two machines that are both told to be `localhost`."""
    assert isinstance(writers[1].session, PostgresSession)
    writers[1].session.driver.execute("SET lock_timeout = '1ms'")
    assert enter(writers[0], "tcp:localhost:7000") == ""
    assert "another server of this venue has the same" in enter(writers[1], "tcp:localhost:7000")


def test_an_engine_waits_for_the_session_of_the_one_before_it(
    url: str, writers: list[Writer], copy: PostgresDatabase
) -> None:
    writer = Writer(copy, encode_event)
    assert isinstance(writers[0].session, PostgresSession)
    with psycopg.connect(url, autocommit=True) as other, ThreadPoolExecutor() as threads:
        entering = threads.submit(enter, writer, "unix:/elsewhere")
        _wait_for(1, other)
        other.execute(f"SELECT pg_terminate_backend({writers[0].session.pid})")
        assert entering.result(READ_SECONDS_MAX) == ""
    writer.close()
