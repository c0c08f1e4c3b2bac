"""Planted bugs of the life of an order: placing, triggering, replacing and ending it."""

from collections.abc import Callable
from typing import Any

from server.domain.changes import changed
from server.domain.market import Market
from server.domain.matching import Match
from server.domain.order import FROM_THE_FIRST_FILL, FeeStart, Order, OrderUpdateType, StatusReason
from server.domain.posting import Decision
from server.domain.trading import GTC_LIFETIME, Replacement, fill_resting
from server.domain.values import Micros
from tests.domain.planted.outcomes import (
    account_of,
    joined,
    order_of,
    position_of,
    with_order,
    with_told_order,
)
from tests.domain.planted.planting import bug_in

Holding = Callable[[Decision, str, OrderUpdateType, Market], Decision]
Triggering = Callable[[Decision, str, Market], Decision]
Replacing = Callable[[Order, Replacement], Order]


@bug_in("trading.place")
def a_closed_market_fills(place: Callable[..., Decision], *values: Any, **named: Any) -> Decision:
    decision = place(*values, **named)
    market, new_id = values[4], values[5]
    order = order_of(decision)
    if market.is_open or market.quote is None or not order.status.is_live:
        return decision
    opened = changed(market, is_open=True)
    filled = fill_resting(order, account_of(decision), position_of(decision), opened, new_id)
    return decision if filled is None else joined(decision, filled)


@bug_in("posting.end")
def an_IOC_order_rests(  # noqa: N802 - the name is the bug's
    end: Callable[[Decision, str, StatusReason, Micros], Decision],
    decision: Decision,
    order_id: str,
    reason: StatusReason,
    now: Micros,
) -> Decision:
    return (
        decision if reason is StatusReason.IOC_REMAINDER else end(decision, order_id, reason, now)
    )


@bug_in("trading.is_overdue")
def an_overdue_order_fills(
    is_overdue: Callable[[Order, Micros], bool], order: Order, now: Micros
) -> bool:
    return False


@bug_in("posting.trigger")
def a_stop_forgets_that_it_was_triggered(
    trigger: Callable[[Decision, str, Market], Decision],
    decision: Decision,
    order_id: str,
    market: Market,
) -> Decision:
    return with_told_order(trigger(decision, order_id, market), triggered_at=None)


@bug_in("matching.match")
def a_triggered_stop_waits_for_the_next_quote(
    match: Callable[..., Match | None], order: Order, *rest: Any, takes: bool
) -> Match | None:
    triggered_now = order.triggered_at == order.updated_at
    return None if takes and triggered_now else match(order, *rest, takes=takes)


@bug_in("posting.hold")
def a_replacement_moves_the_expiry(
    hold: Holding, decision: Decision, order_id: str, update: OrderUpdateType, market: Market
) -> Decision:
    if update is OrderUpdateType.REPLACED:
        decision = with_order(decision, expires_at=market.now + GTC_LIFETIME)
    return hold(decision, order_id, update, market)


@bug_in("posting.hold")
def a_replacement_loses_what_is_filled(
    hold: Holding, decision: Decision, order_id: str, update: OrderUpdateType, market: Market
) -> Decision:
    if update is OrderUpdateType.REPLACED:
        decision = with_order(decision, filled_quantity=0)
    return hold(decision, order_id, update, market)


@bug_in("trading.replace")
def a_replacement_is_matched_by_the_next_quote_only(
    replace: Callable[..., Any], *values: Any, **named: Any
) -> Any:
    *before, market, new_id = values[:6]
    if market.quote is not None:
        market = changed(market, is_open=False)
    return replace(*before, market, new_id, *values[6:], **named)


@bug_in("trading.replaced")
def a_replacement_begins_the_fee_anew_whenever_it_comes(
    replaced: Replacing, order: Order, wanted: Replacement
) -> Order:
    draft = replaced(order, wanted)
    if draft.quantity == order.quantity:
        return draft
    return changed(draft, fee_start=_fee_begins_anew(order))


@bug_in("trading.replaced")
def a_replacement_goes_on_with_the_fee_of_before(
    replaced: Replacing, order: Order, wanted: Replacement
) -> Order:
    return changed(replaced(order, wanted), fee_start=order.fee_start)


@bug_in("trading.replaced")
def a_raised_quantity_is_charged_for_fees_that_were_paid(
    replaced: Replacing, order: Order, wanted: Replacement
) -> Order:
    draft = replaced(order, wanted)
    if draft.fee_start == order.fee_start:
        return draft
    return changed(draft, fee_start=changed(draft.fee_start, fees=FROM_THE_FIRST_FILL.fees))


def _fee_begins_anew(order: Order) -> FeeStart:
    return FeeStart(quantity=order.filled_quantity, notional=order.filled_notional, fees=order.fees)
