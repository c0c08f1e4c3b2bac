"""Databases: how they are opened, for the one writer and for many readers."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import QueuePool, StaticPool

from server.application.ports import StorageBroken, StorageDamaged, StorageUnavailable

BUSY_TIMEOUT_MS = 1_000
READERS_MAX = 4
READS_OF_PERSON_MAX = 2
GUARDS_MAX = 2
FOLLOWERS_MAX = 1

# The driver begins no transactions by itself: `_begin_with` does.
_SQLITE_ARGUMENTS: dict[str, Any] = {"isolation_level": None, "check_same_thread": False}


def open_writer(path: Path) -> Engine:
    """Open the one connection that writes; a commit that returns is on disk."""
    engine = create_engine(
        URL.create("sqlite", database=str(path)),
        poolclass=StaticPool,
        connect_args=_SQLITE_ARGUMENTS,
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


def open_readers(path: Path) -> Engine:
    """Open a small pool of connections that cannot write; each transaction is one snapshot."""
    location = f"{path.resolve().as_uri()}?mode=ro"
    engine = create_engine(
        "sqlite://",
        creator=lambda: sqlite3.connect(location, uri=True, **_SQLITE_ARGUMENTS),
        poolclass=QueuePool,
        pool_size=READERS_MAX + GUARDS_MAX + FOLLOWERS_MAX,
        max_overflow=0,
        hide_parameters=True,
    )
    _begin_with(engine, "BEGIN")
    _on_connect(engine, f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}", "PRAGMA query_only = ON")
    return engine


def open_scratch(path: Path, database: Path) -> Engine:
    """Open a new file, and attach the database from which it is built as `venue`.

    Each statement is a transaction; after a crash the file is unusable.
    """
    engine = create_engine(
        URL.create("sqlite", database=str(path.resolve().as_uri()), query={"uri": "true"}),
        poolclass=StaticPool,
        connect_args=_SQLITE_ARGUMENTS,
        hide_parameters=True,
    )
    _on_connect(
        engine,
        f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}",
        "PRAGMA journal_mode = OFF",
        "PRAGMA synchronous = OFF",
        "PRAGMA temp_store = MEMORY",
        f"ATTACH '{database.resolve().as_uri()}?mode=ro' AS venue",
    )
    return engine


@contextmanager
def snapshot(engine: Engine) -> Iterator[Connection]:
    """Open a transaction for reading; its failures are StorageUnavailable or StorageBroken."""
    try:
        with engine.begin() as connection:
            yield connection
    except DatabaseError as error:
        raise translated(error) from error


DatabaseError = (DBAPIError, sqlite3.Error)
"""Errors of the driver, raised by SQLAlchemy or by the driver itself."""


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
