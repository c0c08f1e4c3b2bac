"""Rows for an audit, one account after another; each account is read as of one moment."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, func, literal, select

from server.application.ports import StoredEvent
from server.domain.account import Account, Inflow, Position
from server.domain.equity_curve import EquityCurve
from server.domain.events import Fill
from server.domain.order import Order
from server.domain.values import LOST_SEQUENCES, Micros, Units
from server.storage import curve_mapping, mapping
from server.storage.database import is_sqlite
from server.storage.tables import (
    accounts,
    bot_keys,
    equity_curves,
    equity_snapshots,
    events,
    fills,
    inflows,
    orders,
    positions,
    users,
)

ROWS_AT_ONCE = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """An equity snapshot as it is stored.

    Old snapshots have no number: `number` is 0, and which days counted is not known.
    """

    sequence: int
    time: Micros
    equity: Units
    initial_value: float
    number: int
    day_counts: bool
    days_skipped: int
    every_day: bool


def totals(connection: Connection) -> tuple[int, int]:
    """Return the number of accounts and of entries in their logs."""
    entries = func.sum(accounts.c.sequence % LOST_SEQUENCES)
    row = connection.execute(select(func.count(), entries)).one()
    return row[0], int(row[1] or 0)


def account_ids(connection: Connection, after: str, limit: int) -> Sequence[str]:
    """Return the ids of accounts after the id `after`, in order."""
    query = select(accounts.c.id).where(accounts.c.id > after).order_by(accounts.c.id)
    return connection.execute(query.limit(limit)).scalars().all()


def integrity(connection: Connection, limit: int) -> list[str]:
    """Return the findings of SQLite's integrity check, one line each; it reads the whole file.

    PostgreSQL has no such check for everyone; it checks a page whenever it reads one.
    """
    if not is_sqlite(connection):
        return []
    found = connection.exec_driver_sql(f"PRAGMA integrity_check({limit})").scalars()
    lines = [line for part in found for line in part.splitlines() if not line.startswith("***")]
    return [] if lines == ["ok"] else lines


def strays(connection: Connection) -> list[str]:
    """Return the names of tables with rows whose account or person does not exist."""
    known = select(accounts.c.id)
    found = [
        table.name
        for table in (
            bot_keys,
            positions,
            orders,
            fills,
            events,
            equity_snapshots,
            equity_curves,
            inflows,
        )
        if _any(connection, table.c.account_id.not_in(known))
    ]
    if _any(connection, accounts.c.user_id.not_in(select(users.c.id))):
        found.append("accounts")
    if _any(connection, users.c.first_account_id.not_in(known)):
        found.append("users")
    return found


class AccountRows:
    """The stored data of one account, within one transaction."""

    def __init__(self, connection: Connection, account_id: str) -> None:
        self._connection = connection
        self._account_id = account_id

    def account(self) -> Account:
        """Return the account."""
        row = self._connection.execute(
            select(accounts).where(accounts.c.id == self._account_id)
        ).one()
        return mapping.account_from(row)

    def log(self) -> Iterator[StoredEvent]:
        """Return the entries of the log."""
        for row in self._rows(events, "sequence"):
            end = row.transaction_end or row.sequence
            yield StoredEvent(row.account_id, row.sequence, end, row.payload)

    def positions(self) -> Iterator[Position]:
        """Return all positions, empty ones too."""
        return map(mapping.position_from, self._rows(positions, "symbol"))

    def orders(self) -> Iterator[Order]:
        """Return all orders."""
        return map(mapping.order_from, self._rows(orders, "sequence"))

    def fills(self) -> Iterator[Fill]:
        """Return all fills."""
        return map(mapping.fill_from, self._rows(fills, "sequence"))

    def inflows(self) -> Iterator[Inflow]:
        """Return the deposits."""
        return map(curve_mapping.inflow_from, self._rows(inflows, "sequence"))

    def points(self) -> Iterator[Point]:
        """Return all equity snapshots."""
        for row in self._rows(equity_snapshots, "time"):
            yield Point(
                sequence=row.sequence,
                time=row.time,
                equity=row.equity,
                initial_value=row.initial_value,
                number=row.number or 0,
                day_counts=bool(row.day_counts),
                days_skipped=row.days_skipped or 0,
                every_day=bool(row.every_day),
            )

    def curve(self) -> tuple[int, EquityCurve] | None:
        """Return the sums of the equity curve, and the event that began their epoch."""
        query = select(equity_curves).where(equity_curves.c.account_id == self._account_id)
        row = self._connection.execute(query).one_or_none()
        return None if row is None else (row.epoch_sequence, curve_mapping.curve_from(row))

    def _rows(self, table: Any, order: str) -> Iterator[Any]:
        query = select(table).where(table.c.account_id == self._account_id)
        options = {"yield_per": ROWS_AT_ONCE}
        ordered = query.order_by(table.c[order]).execution_options(**options)
        yield from self._connection.execute(ordered)


def _any(connection: Connection, condition: ColumnElement[bool]) -> bool:
    query = select(literal(1)).where(condition).limit(1)
    return connection.execute(query).one_or_none() is not None
