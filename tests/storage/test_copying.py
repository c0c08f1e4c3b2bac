"""Copying a venue from one database to another: everything arrives, or nothing does."""

import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from server.audit.verifying import verify
from server.config import DATABASE_FILE
from server.domain.sharding import SHARDS, shard_of
from server.storage import copying
from server.storage.clock_tables import accruals
from server.storage.copied_rows import COPIED, OF_ONE_DATABASE, OWN_COLUMNS, content
from server.storage.copying import CopyFailed, copy
from server.storage.database import add_rows
from server.storage.location import Location, PostgresDatabase
from server.storage.migrate import bring_up_to_date
from server.storage.postgresql import LOCK_SPACE
from server.storage.soundness import holds_a_venue
from server.storage.sql import Insert
from server.storage.tables import fills, metadata, orders
from tests.engine.deterministic_run import Run
from tests.support.databases import Opened
from tests.support.postgresql import Server

PARTS = [7, 2_000]
Rows = dict[str, list[tuple[Any, ...]]]


def silent(_name: str, _done: int, _total: int) -> None:
    """Show no progress."""


@pytest.fixture(scope="module")
def traded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a file in which three accounts have traded at random, and every table has rows."""
    directory = tmp_path_factory.mktemp("traded")
    Run(directory, 7).go()
    path = directory / DATABASE_FILE
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA journal_mode = DELETE")
    connection.close()
    return path


@pytest.fixture
def source(traded: Path, tmp_path: Path) -> Path:
    """Return a copy of that file."""
    path = tmp_path / DATABASE_FILE
    shutil.copy(traded, path)
    return path


@pytest.fixture(params=["sqlite", "postgresql"])
def new_target(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[], Location]]:
    """Return how to make an empty target, of either kind."""
    made: list[Location] = []
    server: Server | None = None
    if request.param == "postgresql":
        server = request.getfixturevalue("postgresql")

    def make() -> Location:
        if server is None:
            made.append(tmp_path / f"target{len(made)}.sqlite")
        else:
            made.append(PostgresDatabase(server.new_database(migrated=False), tmp_path))
        return made[-1]

    yield make
    for where in made:
        if server is not None and isinstance(where, PostgresDatabase):
            server.drop(where.url)


def stored(where: Location) -> Rows:
    """Return the content of a database by table, in the order of its keys."""
    opened = Opened(where)
    found = {}
    for table in COPIED:
        names = ", ".join(column.name for column in content(table).selected_columns)
        key = ", ".join(column.name for column in table.primary_key.columns)
        first = " WHERE shard = 0" if table is accruals else ""
        rows = opened.execute(f"SELECT {names} FROM {table.name}{first} ORDER BY {key}")
        found[table.name] = [tuple(row) for row in rows]
    opened.close()
    return found


def fill_all(where: Location) -> None:
    """Add a row with the largest numbers and with unusual texts to each table."""
    opened = Opened(where)
    for table in COPIED:
        row: dict[str, Any] = {}
        for column in table.columns:
            kind = column.type.python_type
            if kind is str:
                row[column.name] = "zz \\ \" ' { } , NULL é\n"
            elif kind is bytes:
                row[column.name] = b"\x00\xff"
            elif kind is float:
                row[column.name] = 0.1 + 0.2
            elif not column.nullable or column is orders.c.trail_number:
                row[column.name] = 1
        row |= {name: 0 if name == "shard" else "" for name in OWN_COLUMNS & row.keys()}
        whole = [name for name in ("balance", "deposits", "price", "bid") if name in row]
        row |= dict.fromkeys(whole, 2**63 - 1)
        opened.insert(table.name, row)
    opened.close()


def test_each_table_is_copied_or_belongs_to_one_database() -> None:
    assert {*OF_ONE_DATABASE, *(table.name for table in COPIED)} == set(metadata.tables)


@pytest.mark.parametrize("size", PARTS)
def test_all_rows_arrive_however_they_are_divided(
    source: Path,
    new_target: Callable[[], Location],
    size: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(copying, "ROWS_AT_ONCE", size)
    target = new_target()

    count = copy(source, target, silent)

    expected = stored(source)
    assert stored(target) == expected
    assert count == sum(map(len, expected.values())) > 1_000
    verdict = verify(target)
    assert (verdict.findings, verdict.accounts) == (verify(source).findings, 3)


def test_the_way_back_is_the_same(source: Path, new_target: Callable[[], Location]) -> None:
    there, back = new_target(), source.with_name("back.sqlite")
    copy(source, there, silent)
    copy(there, back, silent)

    assert stored(back) == stored(source)


def test_a_copy_has_an_identity_of_its_own(
    source: Path, new_target: Callable[[], Location]
) -> None:
    target = new_target()
    copy(source, target, silent)

    found: list[Any] = []
    for where in (source, target):
        opened = Opened(where)
        found += opened.execute("SELECT database_id FROM commits")
        opened.close()
    assert len(set(found)) == 2


def test_large_numbers_and_unusual_texts_arrive(
    source: Path, new_target: Callable[[], Location]
) -> None:
    fill_all(source)
    target = new_target()
    copy(source, target, silent)

    assert stored(target) == stored(source)
    assert all(stored(target).values())


def test_rows_have_the_shards_of_the_new_database(
    source: Path, new_target: Callable[[], Location]
) -> None:
    fill_all(source)
    target = new_target()
    copy(source, target, silent)

    count = 1 if isinstance(target, Path) else SHARDS
    opened = Opened(target)
    owned = opened.execute("SELECT id, user_id, shard FROM accounts")
    shard_by_account = {account: shard for account, _, shard in owned}
    assert [shard for _, _, shard in owned] == [shard_of(user, count) for _, user, _ in owned]
    for table in ("orders", "positions"):
        rows = opened.execute(f"SELECT account_id, shard FROM {table}")
        assert all(shard_by_account[account] == shard for account, shard in rows)
    charged = opened.execute("SELECT shard FROM accruals WHERE clock = '' ORDER BY shard")
    assert charged == [(shard,) for shard in range(count)]
    assert {marks for (marks,) in opened.execute("SELECT marks_id FROM trails")} == {""}
    opened.close()


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE shards SET marks_id = 'another' WHERE shard = 63",
        "UPDATE shards SET marks_id = NULL WHERE shard < 64",
        "UPDATE accruals SET until = until + 1 WHERE shard = 63",
    ],
)
def test_what_several_engines_have_divided_must_be_made_one_first(
    source: Path, postgresql: Server, tmp_path: Path, change: str
) -> None:
    fill_all(source)
    where = PostgresDatabase(postgresql.new_database(migrated=False), tmp_path)
    copy(source, where, silent)
    opened = Opened(where)
    opened.execute(change)
    opened.close()
    with pytest.raises(CopyFailed, match=r"^from: .+ start one service alone"):
        copy(where, tmp_path / "to.sqlite", silent)
    postgresql.drop(where.url)


def test_progress_goes_from_nothing_to_everything(source: Path) -> None:
    told: list[tuple[str, int, int]] = []
    total = copy(source, source.with_name("to.sqlite"), lambda *now: told.append(now))

    assert told[0] == ("users", 0, total)
    assert told[-1][1:] == (total, total)
    assert [done for _, done, _ in told] == sorted(done for _, done, _ in told)
    assert {name for name, _, _ in told} == {table.name for table in COPIED}


def test_a_target_that_holds_a_venue_is_left_as_it_is(
    source: Path, new_target: Callable[[], Location]
) -> None:
    target = new_target()
    copy(source, target, silent)
    before = stored(target)

    with pytest.raises(CopyFailed, match=r"^to: .+: holds a venue already"):
        copy(source, target, silent)
    assert stored(target) == before


def test_a_target_without_accounts_takes_a_venue(
    source: Path, new_target: Callable[[], Location]
) -> None:
    """The owner of the tables may have made them, for a role that may not."""
    target = new_target()
    bring_up_to_date(target)
    copy(source, target, silent)

    assert stored(target) == stored(source)


def test_a_target_of_another_program_is_refused(
    source: Path, new_target: Callable[[], Location]
) -> None:
    target = new_target()
    opened = Opened(target)
    opened.execute("CREATE TABLE notes (text text)")
    with pytest.raises(CopyFailed, match="another program"):
        copy(source, target, silent)
    assert opened.execute("SELECT * FROM notes") == []
    opened.close()


def test_a_source_of_another_schema_names_the_command_that_helps(
    source: Path, new_target: Callable[[], Location]
) -> None:
    opened = Opened(source)
    opened.execute("UPDATE alembic_version SET version_num = '0019'")
    opened.close()
    with pytest.raises(CopyFailed, match=r"^from: .+ run `bottrading migrate`"):
        copy(source, new_target(), silent)


def test_a_source_that_is_missing_or_empty_is_refused(tmp_path: Path) -> None:
    missing = tmp_path / "missing.sqlite"
    with pytest.raises(CopyFailed, match=r"^from: .+ holds no venue"):
        copy(missing, tmp_path / "to.sqlite", silent)
    assert not missing.exists()


def test_what_an_engine_commits_meanwhile_is_noticed(
    source: Path, new_target: Callable[[], Location]
) -> None:
    connection = sqlite3.connect(source)
    connection.execute("PRAGMA journal_mode = WAL")
    target = new_target()

    def write(name: str, _done: int, _total: int) -> None:
        if name == "fills":
            connection.execute("UPDATE commits SET number = number + 1")
            connection.commit()

    with pytest.raises(CopyFailed, match=r"^from: .+ an engine wrote"):
        copy(source, target, write)
    connection.close()
    assert not holds_a_venue(target)


def test_an_engine_at_either_end_keeps_the_venue(
    source: Path, postgresql: Server, tmp_path: Path
) -> None:
    """Each of an engine's locks counts, because several engines share them."""
    where = PostgresDatabase(postgresql.new_database(migrated=False), tmp_path)
    with psycopg.connect(where.url, autocommit=True) as engine:
        engine.execute("SELECT pg_advisory_lock(%s, 63)", [LOCK_SPACE])
        with pytest.raises(CopyFailed, match=r"^to: .+ an engine writes"):
            copy(source, where, silent)
    copy(source, where, silent)
    with psycopg.connect(where.url, autocommit=True) as engine:
        engine.execute("SELECT pg_advisory_lock(%s, 0)", [LOCK_SPACE])
        with pytest.raises(CopyFailed, match=r"^from: .+ an engine writes"):
            copy(where, tmp_path / "to.sqlite", silent)
    postgresql.drop(where.url)


def without_the_first(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return rows[1:]


def with_less_money(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{**rows[0], "fee": rows[0]["fee"] - 1}, *rows[1:]]


@pytest.mark.parametrize("changed", [without_the_first, with_less_money])
def test_a_row_or_an_amount_that_differs_undoes_the_copy(
    source: Path,
    new_target: Callable[[], Location],
    changed: Callable[[list[dict[str, Any]]], list[dict[str, Any]]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    target = new_target()

    def wrong(connection: Any, statement: Insert, rows: list[dict[str, Any]]) -> None:
        add_rows(connection, statement, changed(rows) if statement.table is fills else rows)

    monkeypatch.setattr(copying, "add_rows", wrong)
    with pytest.raises(CopyFailed, match="nothing was copied"):
        copy(source, target, silent)
    assert not holds_a_venue(target)


KILLED = """
import os, signal, sys
from pathlib import Path
from server.storage.copying import copy
from server.storage.location import location
def tell(name, done, total):
    if name == "events":
        os.kill(os.getpid(), signal.SIGKILL)
copy(location(sys.argv[1], Path()), location(sys.argv[2], Path()), tell)
"""


def test_a_copy_that_is_killed_leaves_nothing_and_can_be_made_again(
    source: Path, new_target: Callable[[], Location]
) -> None:
    target = new_target()
    url = target.url if isinstance(target, PostgresDatabase) else f"sqlite:///{target}"
    done = subprocess.run([sys.executable, "-c", KILLED, str(source), url], check=False, timeout=60)

    assert done.returncode == -9
    assert not holds_a_venue(target)
    if isinstance(target, PostgresDatabase):
        with psycopg.connect(target.url, autocommit=True) as after:
            # PostgreSQL notices a moment later that the process is gone.
            after.execute("SELECT pg_advisory_lock(%s, 0)", [LOCK_SPACE])
    copy(source, target, silent)
    assert stored(target) == stored(source)
