"""Databases of both kinds: how they are opened, for the one writer and for many readers."""

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias

from sqlalchemy import Connection, CursorResult, Engine
from sqlalchemy.exc import DBAPIError

from server.application.ports import StorageUnavailable
from server.storage import sqlite
from server.storage.location import Location
from server.storage.session import Session
from server.storage.sql import Insert, Lookup, Query

Rows: TypeAlias = CursorResult[*tuple[Any, ...]]

READERS_MAX = 4
READS_OF_PERSON_MAX = 2
GUARDS_MAX = 2
FOLLOWERS_MAX = 1


def open_session(where: Location) -> Session:
    """Open the one connection that writes.

    Raises StorageUnavailable if another engine writes to the database.
    """
    if isinstance(where, Path):
        return sqlite.SqliteSession(where)
    # Imported here: the driver is an extra.
    from server.storage.postgresql_session import PostgresSession

    return PostgresSession(where.url)


def open_readers(where: Location) -> Engine:
    """Open a small pool of connections that cannot write; each transaction is one snapshot."""
    connections = READERS_MAX + GUARDS_MAX + FOLLOWERS_MAX
    if isinstance(where, Path):
        return sqlite.open_readers(where, connections)
    from server.storage import postgresql

    return postgresql.open_readers(where.url, connections)


def open_owner(where: Location) -> Engine:
    """Open the one connection that changes the schema."""
    if isinstance(where, Path):
        return sqlite.open_writer(where)
    from server.storage import postgresql

    return postgresql.open_owner(where.url)


def wait_for_others(connection: Connection) -> None:
    """Wait, within a transaction, until nobody else changes the schema."""
    if not is_sqlite(connection):
        from server.storage import postgresql

        connection.exec_driver_sql(postgresql.WAIT_FOR_OTHERS)


def expect_alone(connection: Connection) -> None:
    """Keep all engines of a database of PostgreSQL away until the end of the transaction.

    Raises StorageUnavailable if an engine writes to it. Files have a lock of the operating system.
    """
    if not is_sqlite(connection):
        from server.storage import postgresql

        connection.exec_driver_sql(postgresql.STAY_OPEN)
        if not connection.exec_driver_sql(postgresql.TRY_TO_BE_ALONE).scalar_one():
            raise StorageUnavailable("an engine writes to this database: stop its service")


@contextmanager
def snapshot(engine: Engine) -> Iterator[Connection]:
    """Open a transaction for reading; its failures are StorageUnavailable or StorageBroken."""
    try:
        with engine.begin() as connection:
            yield connection
    except DatabaseError as error:
        raise translated(error) from error


def is_sqlite(connection: Connection) -> bool:
    """Tell whether a connection is to a file of SQLite."""
    return connection.dialect.name == "sqlite"


def rows(connection: Connection, query: Query, values: Mapping[str, Any]) -> Rows:
    """Return the rows of a query."""
    if is_sqlite(connection):
        return connection.exec_driver_sql(query.text, dict(values))
    from server.storage import postgresql

    return connection.exec_driver_sql(postgresql.query_text(query), dict(values))


def rows_for(connection: Connection, lookup: Lookup, keys: Sequence[tuple[Any, ...]]) -> Rows:
    """Return the rows for keys."""
    if is_sqlite(connection):
        text, values = sqlite.lookup_text(lookup), sqlite.lookup_values(lookup, keys)
        return connection.exec_driver_sql(text, values)
    from server.storage import postgresql

    text, values = postgresql.lookup_text(lookup), postgresql.lookup_values(lookup, keys)
    return connection.exec_driver_sql(text, values)


def add_rows(connection: Connection, statement: Insert, given: Sequence[Mapping[str, Any]]) -> None:
    """Add rows to a table."""
    if is_sqlite(connection):
        many = sqlite.prepared(statement)
        connection.exec_driver_sql(many.text, list(map(many.parameters, given)))
        return
    from server.storage import postgresql

    at_once = postgresql.prepared(statement)
    connection.exec_driver_sql(at_once.text, tuple(at_once.parameters(given)))


DatabaseError = (DBAPIError, sqlite3.Error)
"""Errors of the driver, raised by SQLAlchemy or by the driver itself."""


def translated(error: DBAPIError | sqlite3.Error) -> Exception:
    """Return the error in `ports.py` for a driver's error; for a bug, the driver's error itself."""
    original = error.orig if isinstance(error, DBAPIError) else error
    if isinstance(original, sqlite3.Error):
        return sqlite.translated(error)
    from server.storage import postgresql

    return postgresql.translated(getattr(original, "sqlstate", None), error)
