"""Altered outcomes: the only place that knows how a decision holds what planted bugs change."""

from typing import Any

from server.domain.account import Account, Position
from server.domain.changes import changed
from server.domain.events import Fill
from server.domain.order import Order
from server.domain.posting import Decision
from server.domain.values import Units


def account_of(decision: Decision) -> Account:
    return decision.account


def position_of(decision: Decision) -> Position:
    return decision.position


def order_of(decision: Decision) -> Order:
    return decision.order


def fill_of(decision: Decision) -> Fill:
    """Return the fill that the newest event tells."""
    fill = decision.events[-1].fill
    assert fill is not None, "the newest event tells no fill"
    return fill


def rounding_of(decision: Decision) -> Units:
    """Return what rounding took of the newest fill."""
    rounding = fill_of(decision).rounding
    assert rounding is not None, "the fill tells no rounding"
    return rounding


def with_account(decision: Decision, **changes: Any) -> Decision:
    return changed(decision, account=changed(decision.account, **changes))


def with_position(decision: Decision, **changes: Any) -> Decision:
    return changed(decision, position=changed(decision.position, **changes))


def with_order(decision: Decision, **changes: Any) -> Decision:
    """Change the order of a decision that has no event yet."""
    return changed(decision, order=changed(decision.order, **changes))


def with_event(decision: Decision, **changes: Any) -> Decision:
    """Change the newest event."""
    *before, newest = decision.events
    return changed(decision, events=(*before, changed(newest, **changes)))


def with_told_order(decision: Decision, **changes: Any) -> Decision:
    """Change the order, also as the newest event tells it."""
    decision = with_order(decision, **changes)
    return with_event(decision, order=decision.order)


def with_fill(decision: Decision, **changes: Any) -> Decision:
    """Change the fill that the newest event tells."""
    return with_event(decision, fill=changed(fill_of(decision), **changes))


def joined(first: Decision, later: Decision) -> Decision:
    """Return a later decision with the events of the one that it goes on from."""
    return changed(later, events=(*first.events, *later.events))
