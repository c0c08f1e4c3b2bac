"""Order groups: what a fill, a trigger or the end of an order does to the others of its group.

An exit closes no more than its entry has opened, and is held until the entry opens something. Two
live exits of a group always have the same quantity left, and hold it back once.
"""

from collections.abc import Mapping
from typing import TypeAlias

from server.domain.changes import changed
from server.domain.margin import with_open
from server.domain.market import Market
from server.domain.order import (
    TRANSITIONS,
    Leg,
    Order,
    OrderUpdateType,
    Side,
    StatusReason,
)
from server.domain.order_types import awaited
from server.domain.posting import Decision, end, record
from server.domain.quote import Quote
from server.domain.risk import Rejection
from server.domain.trailing import better, stop_behind, trailed, watched_price
from server.domain.values import Micros, Price, Quantity

Others: TypeAlias = Mapping[str, Order]
"""The other orders of a group by id, live or ended, as they are before a decision."""

ALONE: Others = {}


def live_exits(orders: Others) -> list[Order]:
    """Return the exits that can still change, the take-profit first."""
    return [order for order in orders.values() if order.is_exit and order.status.is_live]


def covered(order: Order, others: Others) -> frozenset[str]:
    """Return the live exits of a group that hold back nothing themselves.

    If both exits are live, the one that a decision is not about holds back the quantity. So both
    are covered, and the last one that ends is not.
    """
    if order.role is None:
        return frozenset()
    exits = live_exits({order.id: order, **others})
    if len(exits) == 1 and not exits[0].is_held:
        return frozenset()
    return frozenset(exit_.id for exit_ in exits)


def waits_for_stop(order: Order, others: Others, market: Market) -> bool:
    """Tell whether a take-profit leaves the quotes of a replayed bar to the stop-loss.

    If the bar still reaches the stop price after this quote, nobody knows which price came first.
    The stop-loss is taken then, which is the worse case.
    """
    quote = market.quote
    if order.role is None or order.role.leg is not Leg.TAKE_PROFIT or quote is None:
        return False
    sells = order.side is Side.SELL
    reaches = quote.falls_to if sells else quote.rises_to
    if reaches is None:
        return False
    waiting = [exit_ for exit_ in live_exits(others) if awaited(exit_) is not None]
    stops = [_stop_before(order, exit_, quote) for exit_ in waiting]
    return any(
        stop is not None and (reaches <= stop if sells else reaches >= stop) for stop in stops
    )


def _stop_before(take_profit: Order, stop_loss: Order, quote: Quote) -> Price | None:
    """Return the stop that a quote's bar may have reached before the take-profit.

    A trail that has seen no better price than the quote's was, before the take-profit was reached,
    at most behind the price of the take-profit.
    """
    best, reached = stop_loss.watermark, take_profit.limit_price
    price = watched_price(stop_loss.side, quote)
    if best is None or reached is None or better(stop_loss.side, best, price) != price:
        return stop_loss.stop_price
    return stop_behind(stop_loss, reached)


def of_leg(rejection: Rejection, order: Order) -> Rejection:
    """Return a rejection that names the leg of a group that it is about."""
    if order.role is None:
        return rejection
    return changed(rejection, message=f"{order.role.leg.value}: {rejection.message}")


def follow(
    decision: Decision, before: Order, others: Others, now: Micros, quote: Quote | None = None
) -> Decision:
    """Add to a decision about an order what follows from it for its group.

    `before` is the order before the decision; a fill is one at the `quote`.
    """
    if before.is_exit:
        return _follow_exit(decision, before, others, now)
    return _follow_entry(decision, before, others, now, quote)


def _follow_entry(
    decision: Decision, before: Order, others: Others, now: Micros, quote: Quote | None
) -> Decision:
    entry = decision.orders[before.id]
    exits = live_exits(others)
    opened = Quantity(entry.opened_quantity - before.opened_quantity)
    if opened and exits:
        decision = reserve(decision, exits[0], opened)
        for exit_ in exits:
            decision = _release(decision, exit_, opened, now, quote)
        return decision
    for exit_ in exits:
        if not exit_.is_held:
            continue
        if not entry.status.is_live:
            decision = end_exit(decision, exit_, StatusReason.ENTRY_ENDED, now)
        elif entry.quantity != before.quantity:
            decision = _resize(decision, exit_, entry.quantity, now)
    return decision


def _follow_exit(decision: Decision, before: Order, others: Others, now: Micros) -> Decision:
    exit_ = decision.orders[before.id]
    closed = Quantity(exit_.filled_quantity - before.filled_quantity)
    if closed or exit_.triggered_at != before.triggered_at:
        decision = end_entry(decision, others, StatusReason.EXIT_FILLED, now)
    if closed:
        for sibling in live_exits(others):
            decision = shrink(decision, sibling, closed, StatusReason.SIBLING_FILLED, now)
    return decision


def end_entry(decision: Decision, others: Others, reason: StatusReason, now: Micros) -> Decision:
    """Cancel what is left of a group's entry, if it is live."""
    for other in others.values():
        if not other.is_exit and other.status.is_live:
            decision = end(_with(decision, other), other.id, reason, now)
    return decision


def end_exit(decision: Decision, exit_: Order, reason: StatusReason, now: Micros) -> Decision:
    """Cancel an exit."""
    return end(_with(decision, exit_), exit_.id, reason, now)


def shrink(
    decision: Decision, exit_: Order, by: Quantity, reason: StatusReason, now: Micros
) -> Decision:
    """Take a quantity from what an exit has left; cancel the exit if that is all of it."""
    if by < exit_.leaves_quantity:
        return _resize(decision, exit_, Quantity(exit_.quantity - by), now)
    return end_exit(decision, exit_, reason, now)


def reserve(decision: Decision, exit_: Order, quantity: Quantity) -> Decision:
    """Hold back a quantity for an exit and its sibling; this adds no event."""
    held = with_open(decision.positions[exit_.symbol], exit_, quantity)
    return changed(decision, positions={**decision.positions, exit_.symbol: held})


def _release(
    decision: Decision, exit_: Order, opened: Quantity, now: Micros, quote: Quote | None
) -> Decision:
    """Let an exit act for what its entry has opened now, too.

    A trail begins at the quote at which the entry opened it.
    """
    if not exit_.is_held:
        return _resize(decision, exit_, Quantity(exit_.quantity + opened), now)
    free = trailed(changed(exit_, role=changed(exit_.role, is_held=False)), quote)
    return _resize(decision, free, opened, now, OrderUpdateType.RELEASED)


def _resize(
    decision: Decision,
    exit_: Order,
    quantity: Quantity,
    now: Micros,
    update: OrderUpdateType = OrderUpdateType.REPLACED,
) -> Decision:
    order = changed(
        exit_, quantity=quantity, status=TRANSITIONS[exit_.status, update], updated_at=now
    )
    return record(decision, order, decision.positions[order.symbol], update, now)


def _with(decision: Decision, order: Order) -> Decision:
    return changed(decision, orders={**decision.orders, order.id: order})
