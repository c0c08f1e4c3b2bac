"""SQLite: how its files are opened, how it writes statements, and its writing session."""

import json
import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from operator import itemgetter
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import QueuePool, StaticPool

from server.application.ports import StorageBroken, StorageDamaged, StorageUnavailable
from server.storage.sql import Bulk, Insert, Lookup, Query, Update, Upsert

BUSY_TIMEOUT_MS = 1_000

# Without these, the driver looks for two methods of each NULL and BLOB and formats two errors.
sqlite3.register_adapter(type(None), {}.get)  # type: ignore[arg-type]
sqlite3.register_adapter(bytes, bytes)

# The driver begins no transactions by itself: `_begin_with` does.
_ARGUMENTS: dict[str, Any] = {"isolation_level": None, "check_same_thread": False}


def open_writer(path: Path) -> Engine:
    """Open the one connection that writes; a commit that returns is on disk."""
    engine = create_engine(
        URL.create("sqlite", database=str(path)),
        poolclass=StaticPool,
        connect_args=_ARGUMENTS,
        hide_parameters=True,
    )
    _begin_with(engine, "BEGIN IMMEDIATE")
    _on_connect(
        engine,
        f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}",
        "PRAGMA journal_mode = WAL",
        "PRAGMA synchronous = FULL",
        "PRAGMA cache_size = -65536",
        "PRAGMA foreign_keys = ON",
    )
    return engine


def open_readers(path: Path, connections: int) -> Engine:
    """Open a small pool of connections that cannot write; each transaction is one snapshot."""
    location = f"{path.resolve().as_uri()}?mode=ro"
    engine = create_engine(
        "sqlite://",
        creator=lambda: sqlite3.connect(location, uri=True, **_ARGUMENTS),
        poolclass=QueuePool,
        pool_size=connections,
        max_overflow=0,
        hide_parameters=True,
    )
    _begin_with(engine, "BEGIN")
    _on_connect(engine, f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}", "PRAGMA query_only = ON")
    return engine


def open_scratch(path: Path, database: Path | None) -> Engine:
    """Open a new file, and attach the database from which it is built as `venue`, if one is given.

    Each statement is a transaction; after a crash the file is unusable.
    """
    engine = create_engine(
        URL.create("sqlite", database=str(path.resolve().as_uri()), query={"uri": "true"}),
        poolclass=StaticPool,
        connect_args=_ARGUMENTS,
        hide_parameters=True,
    )
    attached = (
        () if database is None else (f"ATTACH '{database.resolve().as_uri()}?mode=ro' AS venue",)
    )
    _on_connect(
        engine,
        f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}",
        "PRAGMA journal_mode = OFF",
        "PRAGMA synchronous = OFF",
        "PRAGMA temp_store = MEMORY",
        *attached,
    )
    return engine


def translated(error: DBAPIError | sqlite3.Error) -> Exception:
    """Return the error in `ports.py` for a driver's error; for a bug, the driver's error itself."""
    original = error.orig if isinstance(error, DBAPIError) else error
    name = getattr(original, "sqlite_errorname", "")
    if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
        return StorageDamaged(name)
    if name.startswith("SQLITE_IOERR"):
        return StorageBroken(name)
    if isinstance(original, sqlite3.OperationalError) and name != "SQLITE_ERROR":
        return StorageUnavailable(name)
    return error


@cache
def lookup_text(lookup: Lookup) -> str:
    """Return a lookup as SQLite runs it, with the keys as the JSON array `:wanted`.

    With long IN lists and row-value lists, SQLite does not use the indexes. It does with a JSON
    array that is forced to be the outer loop of a join.
    """
    only_one = len(lookup.types) == 1
    values = [
        "wanted.value" if only_one else f"wanted.value ->> {n}" for n in range(len(lookup.types))
    ]
    return lookup.text.format(*values, wanted="json_each(:wanted) AS wanted")


@cache
def _first_text(lookup: Lookup) -> str:
    return f"{lookup_text(lookup)} LIMIT 1"


def lookup_values(lookup: Lookup, keys: Sequence[tuple[Any, ...]]) -> dict[str, str]:
    """Return the parameters of a lookup."""
    return {"wanted": json.dumps([key for (key,) in keys] if len(lookup.types) == 1 else keys)}


@dataclass(frozen=True, slots=True)
class Prepared:
    """A statement that runs for many rows; `parameters` returns a row's parameters in order.

    With named parameters instead, SQLite would take twice as long.
    """

    text: str
    parameters: Callable[[Mapping[str, Any]], tuple[Any, ...]]


@cache
def prepared(statement: Bulk) -> Prepared:
    """Return a statement as SQLite runs it for many rows."""
    table = statement.table
    match statement:
        case Insert() | Upsert():
            # In a file, all rows have the same in a column with a default.
            names = [column.name for column in table.columns if column.server_default is None]
            # Made of our own constants only.
            text = (
                f"INSERT INTO {table.name} ({', '.join(names)})"  # noqa: S608
                f" VALUES ({', '.join('?' * len(names))})"
            )
        case Update(key=key, changing=changing):
            names = [*changing, *key]
            text = (
                f"UPDATE {table.name} SET {', '.join(f'{name} = ?' for name in changing)}"  # noqa: S608
                f" WHERE {' AND '.join(f'{name} = ?' for name in key)}"
            )
    if isinstance(statement, Upsert):
        key_names = ", ".join(column.name for column in table.primary_key.columns)
        changes = ", ".join(f"{name} = {value}" for name, value in statement.changing.items())
        changes = changes.format(least="min", greatest="max")
        text = f"{text} ON CONFLICT ({key_names}) DO UPDATE SET {changes}"
    return Prepared(text, itemgetter(*names))


class SqliteSession:
    """The writing session on a file."""

    shards = 1
    owned = None

    def __init__(self, path: Path) -> None:
        self.connection: Connection = open_writer(path).connect()
        driver: Any = self.connection.connection.driver_connection
        self.driver: sqlite3.Connection = driver
        self._changes = self.driver.total_changes

    @property
    def has_written(self) -> bool:
        return bool(self.driver.total_changes != self._changes)

    def begin(self) -> None:
        try:
            self.driver.execute("BEGIN IMMEDIATE")
        except sqlite3.Error:
            # A BEGIN that was interrupted may have begun the transaction.
            self.driver.rollback()
            raise

    def commit(self) -> None:
        """Commit the transaction, by the driver alone if it can: that takes half as long."""
        if self.connection.in_transaction():
            self.connection.commit()
        else:
            self.driver.execute("COMMIT")
        self._changes = self.driver.total_changes

    def rollback(self) -> None:
        self.connection.rollback()
        self.driver.rollback()
        self._changes = self.driver.total_changes

    def rows(self, lookup: Lookup, keys: Sequence[tuple[Any, ...]]) -> Iterable[Any]:
        return self.connection.exec_driver_sql(lookup_text(lookup), lookup_values(lookup, keys))

    def found(self, query: Query, values: Mapping[str, Any]) -> Iterable[Any]:
        return self.connection.exec_driver_sql(query.text, dict(values))

    def all(self, query: Query, values: Mapping[str, Any] | None = None) -> list[tuple[Any, ...]]:
        return self.driver.execute(query.text, values or {}).fetchall()

    def has_any(self, query: Query, values: Mapping[str, Any]) -> bool:
        return self.driver.execute(query.text, values).fetchone() is not None

    def has_any_for(self, lookup: Lookup, keys: Sequence[tuple[Any, ...]]) -> bool:
        values = lookup_values(lookup, keys)
        return self.driver.execute(_first_text(lookup), values).fetchone() is not None

    def bulk(self, statement: Bulk, rows: Sequence[Mapping[str, Any]]) -> None:
        if rows:
            it = prepared(statement)
            self.driver.executemany(it.text, map(it.parameters, rows))

    def run(self, statement: Query, values: Mapping[str, Any]) -> None:
        self.driver.execute(statement.text, values)

    def failure(self, error: Exception) -> Exception:
        return translated(error) if isinstance(error, DBAPIError | sqlite3.Error) else error

    def close(self) -> None:
        """Empty the write-ahead log as far as readers allow, and close the connection."""
        # What stays in the log is safe there too.
        with suppress(sqlite3.Error):
            self.driver.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self.connection.close()
        self.connection.engine.dispose()


def _begin_with(engine: Engine, statement: str) -> None:
    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        driver: Any = connection.connection.driver_connection
        # A unit of work begins its transaction on the driver itself; SQLAlchemy joins that one.
        if not driver.in_transaction:
            driver.execute(statement)


def _on_connect(engine: Engine, *pragmas: str) -> None:
    @event.listens_for(engine, "connect")
    def _connect(connection: sqlite3.Connection, _record: object) -> None:
        for pragma in pragmas:
            connection.execute(pragma)
