"""Databases: how they are opened, for the one writer and for many readers."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import QueuePool, StaticPool

from server.application.ports import StorageBroken, StorageUnavailable

BUSY_TIMEOUT_MS = 5_000
READERS_MAX = 4


def sqlite_url(path: Path) -> str:
    """Return the URL of a database file."""
    return f"sqlite:///{path}"


def open_writer(url: str) -> Engine:
    """Open the one connection that writes; every commit is on disk when it returns."""
    engine = create_engine(
        url, poolclass=StaticPool, connect_args=_sqlite_arguments(), insertmanyvalues_page_size=1
    )
    _begin_with(engine, "BEGIN IMMEDIATE")
    _on_connect(
        engine,
        "PRAGMA journal_mode = WAL",
        "PRAGMA synchronous = FULL",
        f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}",
        "PRAGMA cache_size = -65536",
        "PRAGMA foreign_keys = ON",
    )
    return engine


def open_readers(url: str) -> Engine:
    """Open a small pool of connections that cannot write; each transaction is one snapshot."""
    path = make_url(url).database
    engine = create_engine(
        f"sqlite:///file:{path}?mode=ro&uri=true",
        poolclass=QueuePool,
        pool_size=READERS_MAX,
        max_overflow=0,
        connect_args=_sqlite_arguments(),
    )
    _begin_with(engine, "BEGIN")
    _on_connect(engine, "PRAGMA query_only = ON", f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
    return engine


@contextmanager
def snapshot(engine: Engine) -> Iterator[Connection]:
    """Open a transaction for reading; its failures are StorageUnavailable or StorageBroken."""
    try:
        with engine.begin() as connection:
            yield connection
    except DBAPIError as error:
        raise translated(error) from error


def translated(error: DBAPIError) -> Exception:
    """Return what a driver's error means to the use cases; itself when it is a bug of ours."""
    original = error.orig
    name = getattr(original, "sqlite_errorname", "")
    if name.startswith(("SQLITE_IOERR", "SQLITE_CORRUPT", "SQLITE_NOTADB")):
        return StorageBroken(name)
    if isinstance(original, sqlite3.OperationalError):
        return StorageUnavailable(name)
    return error


def _sqlite_arguments() -> dict[str, Any]:
    # The driver's own transaction handling is off: transactions begin as said here.
    return {"isolation_level": None, "check_same_thread": False}


def _begin_with(engine: Engine, statement: str) -> None:
    @event.listens_for(engine, "begin")
    def _begin(connection: Any) -> None:
        connection.exec_driver_sql(statement)


def _on_connect(engine: Engine, *pragmas: str) -> None:
    @event.listens_for(engine, "connect")
    def _connect(connection: sqlite3.Connection, _record: object) -> None:
        for pragma in pragmas:
            connection.execute(pragma)
