"""Rows of listings: orders and fills by filters; a page searches a bounded number of rows."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Dialect,
    Engine,
    FromClause,
    Select,
    Subquery,
    Table,
    select,
    text,
)

from server.application.listings import FillFilter, Found, OrderFilter
from server.domain.events import Fill
from server.domain.order import Order, OrderStatus
from server.storage import mapping
from server.storage.database import snapshot
from server.storage.tables import fills, orders
from server.storage.trail_rows import orders_from

ROWS_LOOKED_AT_MAX = 10_000
"""The most rows that a page searches; few accounts have more.

For those few, indexes for all filters would slow down every order.
"""


# Unless the index is named, SQLite uses the primary key and reads all rows of the account.
_LIVE = text(
    "SELECT * FROM orders INDEXED BY ix_orders_live WHERE account_id = :account_id AND live = 1"
).columns(*orders.c)
_OF_ORDER = text(
    "SELECT * FROM fills INDEXED BY ix_fills_order"
    " WHERE account_id = :account_id AND order_id = :order_id"
).columns(*fills.c)


def live_of_account(account_id: str, dialect: Dialect) -> Subquery:
    """Return the live orders of an account, which are always few."""
    if dialect.name == "sqlite":
        return _LIVE.bindparams(account_id=account_id).subquery()
    return select(orders).where(orders.c.account_id == account_id, orders.c.live).subquery()


def _of_order(account_id: str, order_id: str, dialect: Dialect) -> Subquery:
    if dialect.name == "sqlite":
        return _OF_ORDER.bindparams(account_id=account_id, order_id=order_id).subquery()
    same = fills.c.account_id == account_id, fills.c.order_id == order_id
    return select(fills).where(*same).subquery()


class ListingRows:
    """Reads pages of listings, newest first."""

    _engine: Engine

    def orders(self, wanted: OrderFilter, before: int | None, limit: int) -> Found[Order]:
        if wanted.status is OrderStatus.OPEN:
            live = live_of_account(wanted.account_id, self._engine.dialect)
            query = select(live).where(*_conditions(live, wanted))
            rows = self._rows(_newest_first(query, live, before).limit(limit))
            return Found(self._orders(rows))
        conditions = _conditions(orders, wanted)
        if wanted.status is not None:
            conditions.append(orders.c.status == wanted.status.value)
        rows, edge = self._newest(orders, wanted.account_id, conditions, before, limit)
        return Found(self._orders(rows), edge)

    def fills(self, wanted: FillFilter, before: int | None, limit: int) -> Found[Fill]:
        if wanted.order_id is not None:
            of_order = _of_order(wanted.account_id, wanted.order_id, self._engine.dialect)
            query = select(of_order).where(*_conditions(of_order, wanted))
            rows = self._rows(_newest_first(query, of_order, before).limit(limit))
            return Found([mapping.fill_from(row) for row in rows])
        conditions = _conditions(fills, wanted)
        rows, edge = self._newest(fills, wanted.account_id, conditions, before, limit)
        return Found([mapping.fill_from(row) for row in rows], edge)

    def _orders(self, rows: list[Any]) -> list[Order]:
        if all(row.trail_number is None for row in rows):
            return [mapping.order_from(row) for row in rows]
        with snapshot(self._engine) as connection:
            return orders_from(rows, connection)

    def _newest(
        self,
        table: Table,
        account_id: str,
        conditions: Sequence[ColumnElement[bool]],
        before: int | None,
        limit: int,
    ) -> tuple[list[Any], int | None]:
        """Return the rows that a search finds, and the sequence at which it ends if rows are left.

        New rows have higher sequences only, so both queries need not see the same snapshot.
        """
        query = select(table).where(table.c.account_id == account_id, *conditions)
        edge = self._edge(table, account_id, before) if conditions else None
        if edge is not None:
            query = query.where(table.c.sequence >= edge)
        found = self._rows(_newest_first(query, table, before).limit(limit))
        return found, None if len(found) == limit else edge

    def _edge(self, table: Table, account_id: str, before: int | None) -> int | None:
        """Return the sequence of the last row to search; None if no row is older."""
        rows = select(table.c.sequence).where(table.c.account_id == account_id)
        last = self._rows(
            _newest_first(rows, table, before).offset(ROWS_LOOKED_AT_MAX - 1).limit(2)
        )
        return last[0].sequence if len(last) == 2 else None

    def _rows(self, query: Select[Any]) -> list[Any]:
        with snapshot(self._engine) as connection:
            return list(connection.execute(query))


def _newest_first(query: Select[Any], table: FromClause, before: int | None) -> Select[Any]:
    if before is not None:
        query = query.where(table.c.sequence < before)
    return query.order_by(table.c.sequence.desc())


def _conditions(table: FromClause, wanted: OrderFilter | FillFilter) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    permitted = wanted.permissions
    if permitted.symbols:
        conditions.append(table.c.symbol.in_(permitted.symbols))
    if permitted.asset_types:
        kinds = [kind.value for kind in permitted.asset_types]
        conditions.append(table.c.asset_type.in_(kinds))
    if wanted.symbol is not None:
        conditions.append(table.c.symbol == wanted.symbol)
    if wanted.after is not None:
        conditions.append(table.c.created_at > wanted.after)
    if wanted.until is not None:
        conditions.append(table.c.created_at <= wanted.until)
    return conditions
