"""The writing session: what a unit of work needs of the one connection that writes."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Protocol

from sqlalchemy import ColumnElement, Connection, Table

from server.storage.sql import Bulk, Lookup, Query

Values = Mapping[str, Any]


class Session(Protocol):
    """One connection that writes; nobody else writes what belongs to its shards.

    SQLAlchemy runs rare statements on `connection`, within the same transaction. Frequent ones run
    on the `driver`: SQLAlchemy takes several times as long for the same.
    """

    connection: Connection
    driver: Any
    shards: int
    """How many shards the venue has."""

    @property
    def owned(self) -> Collection[int] | None:
        """Return the shards whose rows searches find; None if these are all."""

    @property
    def has_written(self) -> bool:
        """Tell whether anything was written since the last commit."""

    def begin(self) -> None:
        """Begin a transaction."""

    def commit(self) -> None:
        """Commit the transaction; when this returns, it is stored."""

    def rollback(self) -> None:
        """Drop the transaction, if there is one."""

    def rows(self, lookup: Lookup, keys: Sequence[tuple[Any, ...]]) -> Iterable[Any]:
        """Return the rows for keys; their columns are attributes."""

    def found(self, query: Query, values: Values) -> Iterable[Any]:
        """Return the rows of a query; their columns are attributes.

        With `shards` among the values, a query that can be divided finds only rows of these.
        """

    def all(self, query: Query, values: Values | None = None) -> list[tuple[Any, ...]]:
        """Return the rows of a query as tuples."""

    def has_any(self, query: Query, values: Values) -> bool:
        """Tell whether a query finds anything."""

    def has_any_for(self, lookup: Lookup, keys: Sequence[tuple[Any, ...]]) -> bool:
        """Tell whether anything is found for keys."""

    def bulk(self, statement: Bulk, rows: Sequence[Values]) -> None:
        """Run a statement for all rows, if there are any."""

    def run(self, statement: Query, values: Values) -> None:
        """Run a statement that writes."""

    def failure(self, error: Exception) -> Exception:
        """Return the error in `ports.py` for a driver's error; for a bug, the error itself."""

    def close(self) -> None:
        """Close the connection."""


def of_owned(table: Table, session: Session) -> list[ColumnElement[bool]]:
    """Return the condition that rows are of owned shards; none if all are."""
    return [] if session.owned is None else [table.c.shard.in_(sorted(session.owned))]
