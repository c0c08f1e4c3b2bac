"""Soundness: checks of a database file before anything is changed."""

from importlib.util import find_spec
from pathlib import Path

from sqlalchemy import inspect
from sqlalchemy.exc import DBAPIError

from server.storage.commit_mark import CommitMark, stored_mark
from server.storage.database import open_readers, snapshot, translated
from server.storage.location import Location

OUR_TABLES = frozenset({"alembic_version", "users", "accounts", "orders", "events"})


FITTING_COLLATIONS = frozenset({"C", "POSIX", "C.UTF8"})
_TEXTS = (
    "SELECT pg_encoding_to_char(encoding), datcollate FROM pg_database"
    " WHERE datname = current_database()"
)


class ForeignDatabase(Exception):
    """The database is one of another program."""


class UnfitDatabase(Exception):
    """The database cannot hold a venue, or its driver is not installed."""


def expect_fitting(where: Location) -> None:
    """Raise UnfitDatabase unless a database of PostgreSQL compares texts byte by byte.

    The service orders ids and symbols so, as SQLite does. Raises it too if the driver is missing.
    """
    if isinstance(where, Path):
        return
    if find_spec("psycopg") is None:
        raise UnfitDatabase("PostgreSQL needs a driver: run `make setup-postgresql`")
    engine = open_readers(where)
    try:
        with snapshot(engine) as connection:
            encoding, collation = connection.exec_driver_sql(_TEXTS).one()
    finally:
        engine.dispose()
    if encoding != "UTF8" or collation.upper().replace("-", "") not in FITTING_COLLATIONS:
        raise UnfitDatabase(
            f"has the encoding {encoding} and the collation {collation}: make it by CREATE DATABASE"
            " … TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C'"
        )


def holds_a_venue(path: Location) -> bool:
    """Tell whether a database has the tables of a venue; a missing or empty one has none.

    Raise ForeignDatabase if it has tables of another program, and StorageBroken or
    StorageUnavailable for a file that is not a database or cannot be read.
    """
    if isinstance(path, Path) and not path.exists():
        return False
    engine = open_readers(path)
    try:
        tables = set(inspect(engine).get_table_names())
    except DBAPIError as error:
        raise translated(error) from error
    finally:
        engine.dispose()
    if tables and not tables >= OUR_TABLES:
        raise ForeignDatabase("is a database of another program")
    return bool(tables)


def first_damage(path: Path) -> str | None:
    """Return the first finding of SQLite's quick check in one line; it reads the whole file."""
    engine = open_readers(path)
    try:
        with snapshot(engine) as connection:
            found: str = connection.exec_driver_sql("PRAGMA quick_check(1)").scalar_one()
    finally:
        engine.dispose()
    # The first line of SQLite only names the file.
    *_, told = found.splitlines()
    return None if told == "ok" else told


def last_commit(path: Location) -> CommitMark | None:
    """Return the identity of a database and its newest transaction; an older schema has none."""
    engine = open_readers(path)
    try:
        if not inspect(engine).has_table("commits"):
            return None
        with snapshot(engine) as connection:
            return stored_mark(connection, path)
    except DBAPIError as error:
        raise translated(error) from error
    finally:
        engine.dispose()


def size(path: Path) -> int:
    """Return the size of a database and its write-ahead log in bytes."""
    log = path.with_name(f"{path.name}-wal")
    return sum(file.stat().st_size for file in (path, log) if file.exists())
