"""Copying: a whole venue from one database to another, of either kind.

The copy is one transaction: the target holds all of the venue or nothing of it. Tables are read in
the order of their keys, a part at a time, so that memory does not grow with the venue.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias

from sqlalchemy import Connection, Engine, Integer, Row, Table, func, select

from server.application.ports import StorageBroken, StorageUnavailable
from server.domain.sharding import SHARDS
from server.storage.copied_rows import (
    BECAME_ONE,
    COPIED,
    completed,
    content,
    in_order,
    is_undivided,
)
from server.storage.database import (
    DatabaseError,
    add_rows,
    expect_alone,
    is_sqlite,
    open_owner,
    open_readers,
    translated,
)
from server.storage.engine_tables import commits
from server.storage.location import Location
from server.storage.migrate import SchemaTooNew, is_up_to_date, upgrade
from server.storage.soundness import ForeignDatabase, UnfitDatabase, expect_fitting, holds_a_venue
from server.storage.sql import Insert
from server.storage.tables import accounts, users

ROWS_AT_ONCE = 2_000

Progress: TypeAlias = Callable[[str, int, int], object]
"""Called with the name of a table, the rows of all tables copied so far, and their total."""

Sums: TypeAlias = Mapping[str, int]
"""The number of rows, and the exact sum of each column of whole numbers."""

_PART = 2**30
_FAILURES = (
    *(ForeignDatabase, SchemaTooNew, UnfitDatabase),
    *(StorageBroken, StorageUnavailable),
)


class CopyFailed(Exception):
    """Nothing was copied; the message says why."""


@dataclass(frozen=True, slots=True)
class _Source:
    """The database to copy, as of one moment."""

    engine: Engine
    connection: Connection
    where: Location

    def rows(self, table: Table) -> Iterator[list[dict[str, Any]]]:
        """Return the rows in the order of their key, a part at a time."""
        query = in_order(table)
        with _told("from", self.where):
            found = self.connection.execute(query.execution_options(yield_per=ROWS_AT_ONCE))
            for part in found.mappings().partitions():
                yield [dict(row) for row in part]

    def sums(self, table: Table) -> Sums:
        """Return the sums of a table."""
        with _told("from", self.where):
            return _sums(self.connection, table)

    def expect_unchanged(self) -> None:
        """Raise CopyFailed if anything was committed since the moment that is copied."""
        with _told("from", self.where), self.engine.begin() as now:
            if _commits(now) != _commits(self.connection):
                raise StorageUnavailable("an engine wrote to this database: stop its service")


def copy(source: Location, target: Location, tell: Progress) -> int:
    """Copy a venue into a database that holds none; return the number of rows.

    Raises CopyFailed, also if a sum differs. The target is then as it was.
    """
    with _reading(source) as given, _filling(target) as taken:
        counts = {table: given.sums(table)["rows"] for table in COPIED}
        done, total = 0, sum(counts.values())
        shards = 1 if is_sqlite(taken) else SHARDS
        for table in COPIED:
            tell(table.name, done, total)
            for part in given.rows(table):
                add_rows(taken, Insert(table), completed(table, part, shards))
                done += len(part)
                tell(table.name, done, total)
            _expect_equal(table, given.sums(table), _sums(taken, table))
        given.expect_unchanged()
        if not is_sqlite(taken):
            taken.exec_driver_sql("ANALYZE")
    return total


@contextmanager
def _reading(where: Location) -> Iterator[_Source]:
    with _told("from", where):
        expect_fitting(where)
        if not holds_a_venue(where):
            raise UnfitDatabase("holds no venue")
        engine = open_readers(where)
    try:
        with _told("from", where):
            if not is_up_to_date(engine):
                raise UnfitDatabase(
                    "has the schema of another version: if it is older, run `bottrading migrate`"
                )
        with engine.begin() as connection:
            with _told("from", where):
                expect_alone(connection)
                if not is_undivided(connection):
                    raise UnfitDatabase(BECAME_ONE)
            yield _Source(engine, connection, where)
    finally:
        engine.dispose()


@contextmanager
def _filling(where: Location) -> Iterator[Connection]:
    """Open a transaction in which a database has the tables of a venue, all of them empty."""
    with _told("to", where):
        expect_fitting(where)
        was_there = holds_a_venue(where)
        engine = open_owner(where)
        try:
            with engine.begin() as connection:
                expect_alone(connection)
                if was_there:
                    _expect_empty(connection, (users, accounts))
                upgrade(connection)
                _expect_empty(connection, COPIED)
                yield connection
        finally:
            engine.dispose()


def _expect_empty(connection: Connection, expected: Sequence[Table]) -> None:
    for table in expected:
        if connection.execute(select(table.primary_key.columns[0]).limit(1)).first() is not None:
            raise UnfitDatabase(f"holds a venue already: the table {table.name} has rows")


@contextmanager
def _told(option: str, where: Location) -> Iterator[None]:
    """Raise CopyFailed, with one line, for what goes wrong at one end."""
    try:
        yield
    except DatabaseError as error:
        told = translated(error)
        if not isinstance(told, _FAILURES):
            raise
        raise CopyFailed(f"{option}: {where}: {told}") from error
    except _FAILURES as error:
        raise CopyFailed(f"{option}: {where}: {error}") from error


def _commits(connection: Connection) -> list[Row[*tuple[Any, ...]]]:
    return list(connection.execute(select(commits).order_by(*commits.primary_key.columns)))


def _sums(connection: Connection, table: Table) -> Sums:
    """Return the sums of a table's content as the database computes them.

    Two parts of each number are summed apart, because the sum of all may exceed 64 bits.
    """
    rows = content(table).subquery()
    names = [column.name for column in rows.columns if isinstance(column.type, Integer)]
    parts = [
        func.coalesce(func.sum(part), 0)
        for name in names
        for part in (rows.c[name] // _PART, rows.c[name] % _PART)
    ]
    count, *found = connection.execute(select(func.count(), *parts).select_from(rows)).one()
    pairs = zip(names, found[::2], found[1::2], strict=True)
    return {"rows": count, **{name: int(high) * _PART + int(low) for name, high, low in pairs}}


def _expect_equal(table: Table, given: Sums, taken: Sums) -> None:
    for name, value in given.items():
        if taken[name] != value:
            raise CopyFailed(
                f"{table.name}: the copy has {name} = {taken[name]}, and not {value}: nothing was"
                " copied"
            )
