"""The ranking of a venue in PostgreSQL: one front makes it, and all fronts show the same one."""

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event, Thread

import pytest

from server.application.leaderboard import PAUSE_MIN, Period
from server.application.ports import StorageUnavailable
from server.domain.values import SECOND
from server.storage import shared_rankings
from server.storage.location import PostgresDatabase
from server.storage.rankings import RANKINGS_FILE, RankingsFile
from server.storage.shared_rankings import FORM, LOOK, SharedRankings
from tests.support.databases import opened
from tests.support.ranked import add_accounts


class Front:
    """A front of its own data directory; what it makes is of the moment `now`."""

    def __init__(self, database: PostgresDatabase, name: str) -> None:
        self.directory = database.directory / name
        self.directory.mkdir()
        self.file = RankingsFile(self.directory, database)
        self.made = self.now = 0
        self.meanwhile: Callable[[], object] = int
        self.took = 0
        self.shared = SharedRankings(self.file, database, self._make, lambda: self.took * self.made)

    def _make(self) -> None:
        self.made += 1
        self.meanwhile()
        self.file.refresh([], self.now)

    def shown(self) -> list[tuple[str, int]]:
        """Return the names on its leaderboard, and the times of their figures."""
        places, _, _ = self.file.places(Period.ALL, None, 0, 3, "1")
        return [(place.display_name, place.span.end) for place in places]

    def close(self) -> None:
        self.shared.close()
        self.file.close()


@pytest.fixture
def database(venue_url: str, tmp_path: Path) -> PostgresDatabase:
    add_accounts(tmp_path, 1)
    return PostgresDatabase(venue_url, tmp_path)


@pytest.fixture
def one(database: PostgresDatabase) -> Iterator[Front]:
    front = Front(database, "one")
    yield front
    front.close()


@pytest.fixture
def two(database: PostgresDatabase) -> Iterator[Front]:
    front = Front(database, "two")
    yield front
    front.close()


def make_due(database: PostgresDatabase) -> None:
    with opened(database.directory) as connection:
        connection.execute("UPDATE rankings SET due_at = made_at")


def test_all_fronts_show_the_ranking_that_one_has_made(one: Front, two: Front) -> None:
    one.now, two.now = 7 * SECOND, 8 * SECOND

    assert (one.shared.look(), two.shared.look()) == (LOOK, LOOK)

    assert one.shown() == two.shown() == [("user 1", 7 * SECOND)]
    assert (one.made, two.made) == (1, 0)
    assert one.directory.joinpath(RANKINGS_FILE).read_bytes() == (
        two.directory.joinpath(RANKINGS_FILE).read_bytes()
    )


def test_the_next_one_is_made_when_it_is_due_by_whoever_looks_first(
    database: PostgresDatabase, one: Front, two: Front
) -> None:
    for front in (one, two, one, two):
        front.shared.look()
    assert (one.made, two.made) == (1, 0)

    make_due(database)
    two.now = 9 * SECOND
    for front in (two, one):
        front.shared.look()

    assert (one.made, two.made) == (1, 1)
    assert one.shown() == two.shown() == [("user 1", 9 * SECOND)]


def test_the_pause_grows_with_the_time_that_a_ranking_takes(
    database: PostgresDatabase, one: Front
) -> None:
    pauses: list[tuple[int]] = []
    for one.took in (0, SECOND):
        one.shared.look()
        with opened(database.directory) as connection:
            pauses += connection.execute("SELECT due_at - made_at FROM rankings")
        make_due(database)

    assert pauses == [(PAUSE_MIN,), (20 * SECOND,)]


def test_while_one_front_ranks_no_other_does(one: Front, two: Front) -> None:
    begun, may_end = Event(), Event()

    def meanwhile() -> None:
        begun.set()
        may_end.wait()

    one.meanwhile = meanwhile
    ranking = Thread(target=one.shared.look)
    ranking.start()
    begun.wait()
    two.shared.look()
    may_end.set()
    ranking.join()

    assert two.made == 0
    with pytest.raises(StorageUnavailable):
        two.shown()
    two.shared.look()
    assert two.shown() == one.shown()


def test_a_ranking_that_fails_is_made_by_another_front(one: Front, two: Front) -> None:
    def fail() -> None:
        raise StorageUnavailable("planned")

    one.meanwhile = fail
    with pytest.raises(StorageUnavailable, match="planned"):
        one.shared.look()
    two.shared.look()

    assert (one.made, two.made) == (1, 1)


def test_a_front_whose_connection_ends_while_it_ranks_leaves_it_to_others(
    database: PostgresDatabase, one: Front, two: Front
) -> None:
    """Its lock has ended with the connection: the ranking of the other front counts."""

    def meanwhile() -> None:
        with opened(database.directory) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
                " WHERE application_name = 'bottrading ranking' AND datname = current_database()"
            )
        two.meanwhile = begin_and_wait
        ranking.start()
        begun.wait()

    def begin_and_wait() -> None:
        begun.set()
        may_end.wait()

    begun, may_end = Event(), Event()
    ranking = Thread(target=two.shared.look)
    one.meanwhile = meanwhile
    one.now, two.now = 7 * SECOND, 8 * SECOND
    with pytest.raises(StorageUnavailable):
        one.shared.look()
    may_end.set()
    ranking.join()

    with pytest.raises(StorageUnavailable):
        one.shown()
    one.shared.look()
    assert one.shown() == two.shown() == [("user 1", 8 * SECOND)]


def test_the_ranking_of_another_version_is_left_alone(
    database: PostgresDatabase, one: Front
) -> None:
    """Its file may have other tables."""
    with opened(database.directory) as connection:
        connection.insert(
            "rankings", {"form": FORM + 1, "number": 5, "made_at": 2**60, "due_at": 2**61}
        )
    one.shared.look()

    assert one.made == 1
    with opened(database.directory) as connection:
        forms = connection.execute("SELECT DISTINCT form FROM rankings ORDER BY form")
    assert forms == [(FORM,), (FORM + 1,)]


def test_a_file_is_stored_in_parts(
    one: Front, two: Front, database: PostgresDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file of many accounts would fit neither into a row nor into memory."""
    monkeypatch.setattr(shared_rankings, "PART_BYTES", 1_000)
    one.shared.look()
    two.shared.look()

    with opened(database.directory) as connection:
        assert connection.execute("SELECT count(*) > 10 FROM rankings") == [(True,)]
    assert two.shown() == one.shown()
    checked = sqlite3.connect(two.directory / RANKINGS_FILE)
    assert checked.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    checked.close()
