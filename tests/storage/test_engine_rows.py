"""The directory of engines: it names those alone whose sessions hold locks of this database."""

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from server.domain.sharding import MARKET
from server.storage.database import open_readers
from server.storage.location import PostgresDatabase
from server.storage.postgresql import LOCK_SPACE
from server.storage.queries import SqlReads
from tests.support.postgresql import Server

ENTER = "INSERT INTO engines VALUES (%s, %s, %s, 0, '', '')"
TAKE = "UPDATE shards SET engine_id = %s WHERE shard = ANY(%s)"


class Venue:
    """A database with sessions of engines, made by hand."""

    def __init__(self, url: str, directory: Path) -> None:
        self.url = url
        self.reads = SqlReads(open_readers(PostgresDatabase(url, directory)))
        self._sessions: list[psycopg.Connection] = []

    def enter(self, name: str, *owned: int, locks: int | None, space: int = LOCK_SPACE) -> None:
        session = psycopg.connect(self.url, autocommit=True)
        self._sessions.append(session)
        if locks is not None:
            session.execute("SELECT pg_advisory_lock(%s, %s)", (space, locks))
        session.execute(ENTER, (name, f"unix:/{name}", session.info.backend_pid))
        session.execute(TAKE, (name, list(owned)))

    def close(self) -> None:
        self.reads.close()
        for session in self._sessions:
            session.close()


@pytest.fixture
def venue(postgresql: Server, tmp_path: Path) -> Iterator[Venue]:
    made = Venue(postgresql.new_database(), tmp_path)
    yield made
    made.close()
    postgresql.drop(made.url)


def test_the_owner_of_each_shard_is_found(venue: Venue) -> None:
    venue.enter("ada", 3, 4, locks=3)
    venue.enter("bob", MARKET, locks=MARKET)

    assert venue.reads.owners() == {3: "unix:/ada", 4: "unix:/ada", MARKET: "unix:/bob"}
    assert sorted(venue.reads.engines()) == ["unix:/ada", "unix:/bob"]


def test_an_engine_without_a_lock_is_dead(venue: Venue) -> None:
    venue.enter("ada", 3, locks=None)
    venue.enter("bob", 4, locks=4, space=LOCK_SPACE + 1)

    assert venue.reads.owners() == {}
    assert venue.reads.engines() == []


def test_locks_of_another_venue_on_the_same_server_do_not_count(
    venue: Venue, postgresql: Server, tmp_path: Path
) -> None:
    other = Venue(postgresql.new_database(), tmp_path)
    other.enter("ada", 3, locks=3)
    (pid,) = [session.info.backend_pid for session in other._sessions]
    venue.enter("bob", 4, locks=4)
    venue._sessions[0].execute("UPDATE engines SET pid = %s", (pid,))

    assert venue.reads.engines() == []
    other.close()
    postgresql.drop(other.url)
