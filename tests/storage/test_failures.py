"""How use cases react to a failure of the database."""

import sqlite3
from pathlib import Path

import pytest
from sqlalchemy.exc import DBAPIError

from server.application.ports import StorageBroken, StorageUnavailable
from server.storage.database import open_readers, snapshot
from tests.support.databases import stored_in


def test_a_statement_that_is_wrong_is_a_bug_and_not_a_database_that_is_away(data_dir: Path) -> None:
    engine = open_readers(stored_in(data_dir))

    told = r"no such table|does not exist"
    with pytest.raises(DBAPIError, match=told), snapshot(engine) as connection:
        connection.exec_driver_sql("SELECT 1 FROM nowhere")
    engine.dispose()


def test_a_database_that_is_locked_is_away_and_one_that_is_none_is_broken(tmp_path: Path) -> None:
    path = tmp_path / "locked.sqlite"
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("CREATE TABLE here (x)")
    holder.execute("PRAGMA locking_mode = EXCLUSIVE")
    holder.execute("BEGIN EXCLUSIVE")
    locked = open_readers(path)
    with pytest.raises(StorageUnavailable), snapshot(locked) as connection:
        connection.exec_driver_sql("SELECT 1 FROM here")
    holder.close()
    locked.dispose()

    (tmp_path / "none.sqlite").write_bytes(b"nothing of a database" * 100)
    none = open_readers(tmp_path / "none.sqlite")
    with pytest.raises(StorageBroken), snapshot(none) as connection:
        connection.exec_driver_sql("SELECT 1 FROM here")
    none.dispose()
