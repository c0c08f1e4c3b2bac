"""The file of rankings: always complete, whatever happens to a refresh."""

from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest

from server.application.leaderboard import Period
from server.application.ports import StorageUnavailable
from server.config import DATABASE_FILE
from server.storage import rankings as rankings_module
from server.storage.database import snapshot
from server.storage.rankings import RankingsFile
from server.storage.sqlite import open_scratch
from tests.support.databases import stored_in
from tests.support.ranked import add_accounts

MANY = 200_000


@pytest.fixture
def rankings(data_dir: Path) -> Iterator[RankingsFile]:
    opened = RankingsFile(data_dir, stored_in(data_dir))
    yield opened
    opened.close()


def names(rankings: RankingsFile) -> list[str]:
    places, _, _ = rankings.places(Period.ALL, None, 0, 3, "1")
    return [place.display_name for place in places]


def test_there_is_none_before_the_first_refresh(rankings: RankingsFile) -> None:
    with pytest.raises(StorageUnavailable):
        rankings.places(Period.ALL, None, 0, 1, "1")


@pytest.mark.sqlite_only
def test_a_refresh_that_fails_leaves_the_ranking_of_before(
    rankings: RankingsFile, data_dir: Path
) -> None:
    add_accounts(data_dir, 2)
    rankings.refresh([], 0)
    (data_dir / DATABASE_FILE).write_bytes(b"no database" * 1_000)

    with pytest.raises(Exception, match="NOTADB"):
        rankings.refresh([], 0)

    assert names(rankings) == ["user 2", "user 1"]
    rankings.close()
    assert names(rankings) == ["user 2", "user 1"]


def test_what_a_crash_left_is_no_hindrance(rankings: RankingsFile, data_dir: Path) -> None:
    add_accounts(data_dir, 1)
    (data_dir / "rankings.new.sqlite3").write_bytes(b"half of a ranking")
    rankings.refresh([], 0)

    assert names(rankings) == ["user 1"]
    assert not (data_dir / "rankings.new.sqlite3").exists()


@pytest.mark.sqlite_only
def test_closing_stops_a_refresh_that_runs(rankings: RankingsFile, data_dir: Path) -> None:
    """Otherwise the end of the service would wait for the refresh."""
    add_accounts(data_dir, MANY)
    failures: list[Exception] = []

    def refresh() -> None:
        try:
            rankings.refresh([], 0)
        except StorageUnavailable as error:
            failures.append(error)

    running = Thread(target=refresh)
    running.start()
    while running.is_alive() and not failures:
        rankings.close()

    running.join()
    assert [str(error) for error in failures] == ["SQLITE_INTERRUPT"]


@pytest.mark.sqlite_only
def test_a_part_of_the_accounts_is_read_without_looking_at_the_others(data_dir: Path) -> None:
    """Otherwise each of a hundred parts would cost as much as all of them."""
    engine = open_scratch(data_dir / "scratch.sqlite3", data_dir / DATABASE_FILE)
    terms = {"cent": 1, "most": 1, "now": 1, "last": "b", "period": "ALL", "limit": 1}
    terms |= {"after": 0, "account_id": "a", "mode": "CASH"}
    steps = []
    with snapshot(engine) as connection:
        rankings_module._fill(connection, [], 0)
        rankings_module._rank(connection)
        for statement in (
            rankings_module._SELECT_RANKED,
            rankings_module._PAGE,
            rankings_module._OWN,
            rankings_module._TOTAL,
        ):
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", terms)
            steps += [step for *_, step in plan]
    engine.dispose()

    assert not [step for step in steps if step.startswith(("SCAN", "USE TEMP B-TREE"))], steps
