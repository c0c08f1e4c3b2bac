"""Reducing: on margin, orders that only close follow the position, so that none can open one."""

from collections.abc import Iterator

from server.domain.changes import changed
from server.domain.events import OrderUpdated
from server.domain.margin import closable_quantity
from server.domain.order import Order, Side, StatusReason
from server.domain.order_groups import end_entry, reserve, shrink
from server.domain.posting import Decision
from server.domain.values import Micros, Quantity


def shrink_to_position(decision: Decision, symbol: str, now: Micros) -> Decision:
    """Bring live orders that only close down to what is left to close, after a fill on margin.

    They are replaced, or end if nothing is left. Then what is left of their entry ends too, because
    nothing would close what it opens. The two exits of a group stay equal and count once.
    """
    book = decision.book
    if book is None or not book.stakes[symbol].instrument.is_marginable:
        return decision
    if not any(isinstance(it, OrderUpdated) and it.fill for it in decision.events):
        return decision
    position = decision.positions[symbol]
    live = {Side.SELL: position.reserved_quantity, Side.BUY: position.open_buy_quantity}
    if all(live[side] <= closable_quantity(position, side) for side in Side):
        return decision
    stored = {order.id: order for order in book.live_orders(symbol)}
    groups: dict[str, list[Order]] = {}
    for order in _reducers(stored, decision, symbol):
        groups.setdefault(_group(order), []).append(order)
    for members in groups.values():
        decision = _shrink(decision, members, stored, now)
    return decision


def _reducers(stored: dict[str, Order], decision: Decision, symbol: str) -> Iterator[Order]:
    for order in ({**stored, **decision.orders}).values():
        acts = order.status.is_live and not order.is_held
        if order.symbol == symbol and acts and order.reduces_only:
            yield order


def _group(order: Order) -> str:
    """Return the name that the exits of a group share, and no other order has."""
    return order.id if order.role is None else order.role.parent_order_id or order.id


def _shrink(
    decision: Decision, members: list[Order], stored: dict[str, Order], now: Micros
) -> Decision:
    """Shrink an order, or the exits of a group, which have the same quantity left."""
    first = members[0]
    closable = closable_quantity(decision.positions[first.symbol], first.side)
    by = Quantity(min(first.leaves_quantity - closable, first.leaves_quantity))
    if by <= 0:
        return decision
    decision = reserve(decision, first, Quantity(-by))
    decision = changed(decision, covered=frozenset(order.id for order in members))
    if not closable and first.role is not None:
        others = {**stored, **decision.orders}
        entry = {it.id: it for it in others.values() if _group(it) == _group(first)}
        decision = end_entry(decision, entry, StatusReason.POSITION_CLOSED, now)
    for order in members:
        decision = shrink(decision, order, by, StatusReason.POSITION_CLOSED, now)
    return decision
