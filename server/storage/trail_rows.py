"""Orders of rows as callers see them: a trailing stop shows where the stored prices put it."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, select

from server.domain.order import Order, Side
from server.domain.trailing import moved
from server.storage import mapping
from server.storage.engine_tables import shards, trails
from server.storage.trails import marks_from


def orders_from(rows: Sequence[Any], connection: Connection) -> list[Order]:
    """Return the orders of rows; a query more only if some of them trail."""
    found = [mapping.order_from(row) for row in rows]
    symbols = {row.symbol for row in rows if row.trail_number is not None}
    if not symbols:
        return found
    query = (
        select(shards.c.shard, trails)
        .join(trails, trails.c.marks_id == shards.c.marks_id)
        .where(shards.c.shard.in_({row.shard for row in rows}), trails.c.symbol.in_(symbols))
    )
    marks = {
        (row.shard, row.symbol, row.side): marks_from(Side(row.side), row.marks)
        for row in connection.execute(query)
    }
    shown = []
    for row, order in zip(rows, found, strict=True):
        trails_now = row.trail_number is not None
        seen = marks.get((row.shard, row.symbol, row.side)) if trails_now else None
        shown.append(order if seen is None else moved(order, seen.best(row.trail_number)))
    return shown
