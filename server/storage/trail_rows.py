"""Orders of rows as callers see them: a trailing stop shows where the stored prices put it."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, select

from server.domain.order import Order, Side
from server.domain.trailing import moved
from server.storage import mapping
from server.storage.tables import trails
from server.storage.trails import marks_from


def orders_from(rows: Sequence[Any], connection: Connection) -> list[Order]:
    """Return the orders of rows; a query more only if some of them trail."""
    found = [mapping.order_from(row) for row in rows]
    symbols = {row.symbol for row in rows if row.trail_number is not None}
    if not symbols:
        return found
    stored = connection.execute(select(trails).where(trails.c.symbol.in_(symbols)))
    marks = {(row.symbol, row.side): marks_from(Side(row.side), row.marks) for row in stored}
    shown = []
    for row, order in zip(rows, found, strict=True):
        seen = marks.get((row.symbol, row.side)) if row.trail_number is not None else None
        shown.append(order if seen is None else moved(order, seen.best(row.trail_number)))
    return shown
