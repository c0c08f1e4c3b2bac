"""Order groups: places groups, and finds the orders of a group, within a unit of work."""

from collections.abc import Callable

from server.application.commands import Placed
from server.application.ports import UnitOfWork
from server.domain.changes import changed
from server.domain.errors import Reason, Refusal, Violation, refuse_fields
from server.domain.group_placing import place_group, refuse_group
from server.domain.invariants import BrokenInvariant
from server.domain.margin import MarginBook
from server.domain.market import Market
from server.domain.order import Order, OrderTicket
from server.domain.order_groups import ALONE, Others
from server.domain.risk import Guard


def others_of(order: Order, unit: UnitOfWork) -> Others:
    """Return the other orders of an order's group, as the unit knows them."""
    if order.role is None:
        return ALONE
    parent = order
    if order.role.parent_order_id is not None:
        parent = _member(order, order.role.parent_order_id, unit)
    if parent.role is None:
        raise BrokenInvariant(f"order {parent.id} is the parent of a group and has no role")
    members = {name: _member(order, name, unit) for name in parent.role.leg_order_ids}
    return {it.id: it for it in (parent, *members.values()) if it.id != order.id}


def place(
    ticket: OrderTicket,
    market: Market,
    guard: Guard,
    unit: UnitOfWork,
    new_id: Callable[[], str],
    book: MarginBook | None = None,
) -> Placed | Refusal:
    """Place the orders of a group."""
    account = unit.account(ticket.account_id)
    refusal = _refuse_used_ids(ticket, unit) or refuse_group(ticket, account, market)
    if refusal is not None:
        return refusal
    order_ids = [new_id() for _ in range(1 + len(ticket.exits))]
    decision = place_group(
        ticket,
        order_ids,
        account,
        unit.position(ticket.account_id, ticket.symbol),
        market,
        new_id,
        guard,
        book,
    )
    shown = unit.keep(decision)
    parent, *legs = (decision.orders[name] for name in order_ids if name in decision.orders)
    return Placed(parent, replayed=False, shown=shown.get(parent.id), legs=tuple(legs))


def with_legs(result: Placed | Refusal, unit: UnitOfWork) -> Placed | Refusal:
    """Add the other orders of a group to the answer of a repeated call."""
    if isinstance(result, Refusal) or result.order.role is None:
        return result
    legs = (_member(result.order, name, unit) for name in result.order.role.leg_order_ids)
    return changed(result, legs=tuple(legs))


def _member(order: Order, order_id: str, unit: UnitOfWork) -> Order:
    found = unit.order(order.account_id, order_id)
    if found is None:
        raise BrokenInvariant(f"the group of order {order.id} lacks {order_id}")
    return found


def _refuse_used_ids(ticket: OrderTicket, unit: UnitOfWork) -> Refusal | None:
    for exit_ in ticket.exits:
        name = exit_.client_order_id
        if name is not None and unit.order_by_client_id(ticket.account_id, name) is not None:
            field = f"{exit_.leg.value.lower()}.client_order_id"
            message = f"`{field}` already names an order: send a new one."
            return refuse_fields([Violation(field, Reason.CLIENT_ORDER_ID_REUSED, message)])
    return None
