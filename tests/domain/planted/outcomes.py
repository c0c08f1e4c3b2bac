"""Altered outcomes: the only place that knows the inside of a decision for planted bugs."""

from typing import Any

from server.domain.account import Account, Position
from server.domain.changes import changed
from server.domain.events import Fill, OrderUpdated
from server.domain.order import Order
from server.domain.posting import Decision
from server.domain.values import Units


def account_of(decision: Decision) -> Account:
    return decision.account


def position_of(decision: Decision) -> Position:
    (position,) = decision.positions.values()
    return position


def order_of(decision: Decision) -> Order:
    """Return the newest order; a close also has the orders that it cancels."""
    *_, order = decision.orders.values()
    return order


def fill_of(decision: Decision) -> Fill:
    """Return the fill that the newest event tells."""
    event = decision.events[-1]
    assert isinstance(event, OrderUpdated), "the newest event is not about an order"
    assert event.fill is not None, "the newest event tells no fill"
    return event.fill


def rounding_of(decision: Decision) -> Units:
    """Return what rounding took of the newest fill."""
    rounding = fill_of(decision).rounding
    assert rounding is not None, "the fill tells no rounding"
    return rounding


def with_account(decision: Decision, **changes: Any) -> Decision:
    return changed(decision, account=changed(decision.account, **changes))


def with_position(decision: Decision, **changes: Any) -> Decision:
    position = changed(position_of(decision), **changes)
    return changed(decision, positions={position.symbol: position})


def with_order(decision: Decision, **changes: Any) -> Decision:
    """Change the order of a decision that has no event yet."""
    order = changed(order_of(decision), **changes)
    return changed(decision, orders={**decision.orders, order.id: order})


def with_event(decision: Decision, **changes: Any) -> Decision:
    """Change the newest event."""
    *before, newest = decision.events
    return changed(decision, events=(*before, changed(newest, **changes)))


def with_told_order(decision: Decision, **changes: Any) -> Decision:
    """Change the order, also as the newest event tells it."""
    decision = with_order(decision, **changes)
    return with_event(decision, order=order_of(decision))


def with_fill(decision: Decision, **changes: Any) -> Decision:
    """Change the fill that the newest event tells."""
    return with_event(decision, fill=changed(fill_of(decision), **changes))


def joined(first: Decision, later: Decision) -> Decision:
    """Return a later decision with the events of the one that it goes on from."""
    events = (*first.events, *later.events)
    return changed(later, new_orders=first.new_orders, events=events)
