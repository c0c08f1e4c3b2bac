"""The database of a data directory as a test sees it, of whichever kind: SQL with `?`."""

import os
import shutil
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
from sqlalchemy import MetaData

from server.config import DATABASE_FILE
from server.storage.location import Location, PostgresDatabase, location
from server.storage.tables import metadata

VARIABLE = "BOTTRADING_DATABASE"


def stored_in(data_dir: Path) -> Location:
    """Return where the venue of a data directory is stored."""
    url = os.environ.get(VARIABLE, "")
    return location(url, data_dir) if url else data_dir / DATABASE_FILE


def fitting(dialect: str) -> MetaData:
    """Return the tables as a database of one kind has them: some indexes are one kind's only."""
    copied = MetaData(naming_convention=metadata.naming_convention)
    for table in metadata.sorted_tables:
        own = {
            (index.name, *index.columns.keys())
            for index in table.indexes
            if index._ddl_if is None or index._ddl_if.dialect == dialect
        }
        copy = table.to_metadata(copied)
        copy.indexes = {it for it in copy.indexes if (it.name, *it.columns.keys()) in own}
    return copied


class Found(list[Any]):
    """Rows that were found."""

    def fetchall(self) -> list[Any]:
        return list(self)

    def fetchone(self) -> Any:
        return self[0] if self else None


class Opened:
    """A connection of a test's own; each statement is a transaction.

    Rows are tuples, or with `named` have their columns as attributes.
    """

    def __init__(self, where: Location, *, named: bool = False) -> None:
        self._is_sqlite, self._named = isinstance(where, Path), named
        self._connection: Any
        if isinstance(where, PostgresDatabase):
            self._connection = psycopg.connect(where.url, autocommit=True)
        else:
            self._connection = sqlite3.connect(where, isolation_level=None)

    def execute(self, statement: str, values: Sequence[Any] = ()) -> Found:
        """Run a statement; return what it found."""
        if not self._is_sqlite:
            statement = statement.replace("%", "%%").replace("?", "%s")
        cursor = self._connection.execute(statement, values)
        if not cursor.description:
            return Found()
        rows = [tuple(row) for row in cursor.fetchall()]
        if not self._named:
            return Found(rows)
        names = [column[0] for column in cursor.description]
        return Found(SimpleNamespace(**dict(zip(names, row, strict=True))) for row in rows)

    def columns(self, table: str) -> list[str]:
        """Return the names of a table's columns, in order."""
        cursor = self._connection.execute(f"SELECT * FROM {table} LIMIT 0")
        return [column[0] for column in cursor.description]

    def insert(self, table: str, *rows: Mapping[str, Any]) -> None:
        """Add rows; columns that must have a value and are not given have an empty one."""
        empty = self._empty(table)
        whole = [{**empty, **row} for row in rows]
        mark = "?" if self._is_sqlite else "%s"
        self._connection.execute("BEGIN")
        for row in whole:
            names, places = ", ".join(row), ", ".join([mark] * len(row))
            statement = f"INSERT INTO {table} ({names}) VALUES ({places})"
            self._connection.execute(statement, list(row.values()))
        self._connection.execute("COMMIT")

    def _empty(self, table: str) -> dict[str, Any]:
        if self._is_sqlite:
            columns = self.execute(f"PRAGMA table_info({table})")
            return {name: 0 for _, name, _, not_null, *_ in columns if not_null}
        kinds = {"text": "", "boolean": False, "bytea": b""}
        found = self.execute(
            "SELECT column_name, data_type FROM information_schema.columns"
            " WHERE table_name = ? AND is_nullable = 'NO'",
            [table],
        )
        return {name: kinds.get(kind, 0) for name, kind in found}

    def close(self) -> None:
        self._connection.close()


def connect(data_dir: Path, *, named: bool = False) -> Opened:
    """Open the database of a data directory."""
    return Opened(stored_in(data_dir), named=named)


@contextmanager
def opened(data_dir: Path) -> Iterator[Opened]:
    """Open the database of a data directory for a while."""
    connection = connect(data_dir)
    try:
        yield connection
    finally:
        connection.close()


@contextmanager
def on_a_file(template: Path, directory: Path) -> Iterator[Path]:
    """Let venues run in a new directory, on a copy of a file, whatever database the test has."""
    directory.mkdir()
    shutil.copy(template, directory / DATABASE_FILE)
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv(VARIABLE, raising=False)
        yield directory
