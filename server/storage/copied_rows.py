"""Rows of a copy: which are read, and what they become in a database with other shards.

What says who serves a database, and how its orders are divided, belongs to that database alone. It
is left out when rows are read and compared, and made anew when they are written.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Select, Table, exists, select

from server.domain.sharding import SHARDS, shard_of
from server.storage.clock_tables import accruals, participants, replays
from server.storage.engine_tables import shards, trails
from server.storage.tables import (
    accounts,
    api_usage,
    bars,
    bot_keys,
    equity_curves,
    equity_snapshots,
    events,
    fills,
    inflows,
    orders,
    positions,
    quotes,
    used_sign_ins,
    users,
)

Rows = Iterable[dict[str, Any]]

OF_ONE_DATABASE = frozenset(
    {"commits", "engines", "published", "rankings", "secrets", "shards", "spends"}
)
"""Tables that tell of their own database. The copy has its own rows, made by the migrations."""

OWN_COLUMNS = frozenset({"shard", "marks_id"})
"""Columns that say how the rows of one database are divided."""

COPIED: Sequence[Table] = (
    users,
    accounts,
    bot_keys,
    used_sign_ins,
    positions,
    orders,
    fills,
    events,
    quotes,
    trails,
    bars,
    equity_snapshots,
    equity_curves,
    inflows,
    api_usage,
    accruals,
    replays,
    participants,
)

BECAME_ONE = (
    "several engines have divided its accounts: start one service alone, stop it, and copy then"
)


def content(table: Table) -> Select[Any]:
    """Return a query of what a copy must hold of a table, each row once."""
    query = select(*(column for column in table.columns if column.name not in OWN_COLUMNS))
    if table is accruals:
        return query.where(accruals.c.shard == 0)
    if table is trails:
        followed = select(shards.c.marks_id).where(shards.c.shard == 0)
        return query.where(trails.c.marks_id.in_(followed))
    return query


def in_order(table: Table) -> Select[Any]:
    """Return the same query in the order of the key, with the owners of rows that need shards."""
    query = content(table).order_by(*table.primary_key.columns)
    if table in {orders, positions}:
        return query.add_columns(accounts.c.user_id).join(
            accounts, accounts.c.id == table.c.account_id
        )
    return query


def is_undivided(connection: Connection) -> bool:
    """Tell whether what is stored for the first shard is right for all shards."""
    followed = select(shards.c.marks_id).where(shards.c.shard < SHARDS).distinct()
    trailing = select(exists().where(orders.c.trail_number.is_not(None)))
    marks = connection.execute(followed).scalars().all()
    if (len(marks) > 1 or None in marks) and connection.execute(trailing).scalar_one():
        return False
    until = (accruals.c.clock, accruals.c.until, accruals.c.charging, accruals.c.after)
    clocks = connection.execute(select(*until).distinct()).all()
    return len({row.clock for row in clocks}) == len(clocks)


def completed(table: Table, rows: Rows, count: int) -> list[dict[str, Any]]:
    """Return rows as they are stored in a database of so many shards."""
    complete = _COMPLETED.get(table.name)
    return list(rows) if complete is None else [it for row in rows for it in complete(row, count)]


def _owned(row: Mapping[str, Any], count: int) -> Rows:
    yield {**row, "shard": shard_of(row["user_id"], count)}


def _followed(row: Mapping[str, Any], _count: int) -> Rows:
    yield {**row, "marks_id": ""}


def _of_each_shard(row: Mapping[str, Any], count: int) -> Rows:
    return ({**row, "shard": shard} for shard in range(count))


_COMPLETED: dict[str, Callable[[Mapping[str, Any], int], Rows]] = {
    accounts.name: _owned,
    orders.name: _owned,
    positions.name: _owned,
    trails.name: _followed,
    accruals.name: _of_each_shard,
}
