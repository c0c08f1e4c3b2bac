"""Reached orders: waiting orders by priority; a row is mapped only when its order is decided."""

from collections.abc import Callable
from functools import partial
from typing import Any, TypeAlias

from server.application.ports import ReachedOrder
from server.domain.matching import priority, rank
from server.domain.order import Order, Side
from server.domain.order_types import Watch, awaited

_WATCHES = {movement.value: movement for movement in Watch}
_SIDES = {side.value: side for side in Side}

Ranked: TypeAlias = tuple[tuple[object, ...], ReachedOrder]
"""A reached order with its sort key: account, symbol and priority."""


def reached_row(row: Any, load: Callable[[Any], Order]) -> Ranked:
    """Return the order of a row; `load` maps the row on demand, because most are never decided."""
    awaits_trigger, side, price = rank(_WATCHES[row.watch], row.match_price)
    key = (row.account_id, row.symbol, awaits_trigger, side, price, row.sequence)
    reached = ReachedOrder(
        row.account_id, row.symbol, _SIDES[side], awaits_trigger, partial(load, row)
    )
    return key, reached


def reached_order(order: Order, load: Callable[[Order], Order]) -> Ranked:
    """Return an order that is known already; `load` returns its current state."""
    key = (order.account_id, order.symbol, *priority(order))
    return key, ReachedOrder(
        order.account_id, order.symbol, order.side, awaited(order) is not None, partial(load, order)
    )
