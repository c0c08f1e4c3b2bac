"""Planted bugs of what orders reserve and release."""

from collections.abc import Callable
from typing import Any

from server.domain.account import Account
from server.domain.changes import changed
from server.domain.market import Market
from server.domain.order import Order, OrderUpdateType, Side, StatusReason
from server.domain.order_types import Waiting
from server.domain.posting import Decision
from server.domain.quote import Quote
from server.domain.values import Micros, Units
from tests.domain.planted.outcomes import (
    account_of,
    order_of,
    position_of,
    with_account,
    with_position,
    with_told_order,
)
from tests.domain.planted.planting import bug_in

Holding = Callable[[Decision, str, OrderUpdateType, Market], Decision]
Triggering = Callable[[Decision, str, Market], Decision]
Ending = Callable[[Decision, str, StatusReason, Micros], Decision]


@bug_in("posting.reservation")
def an_order_reserves_nothing(
    reservation: Callable[[Order, Units, Market], Units], order: Order, free: Units, market: Market
) -> Units:
    return 0


@bug_in("order_types._UntilStop.reservation_price")
def a_stop_reserves_without_margin(
    reservation_price: Callable[..., Units], waiting: Waiting, order: Order, quote: Quote | None
) -> Units:
    return max(order.stop_price or 0, 0 if quote is None else quote.ask)


@bug_in("order_types._UntilStop.reservation_price")
def a_stop_behind_the_ask_reserves_its_stop_price(
    reservation_price: Callable[..., Units], waiting: Waiting, order: Order, quote: Quote | None
) -> Units:
    return reservation_price(waiting, order, None)


@bug_in("trading.fill_resting")
def a_later_fill_spends_what_other_orders_hold(
    fill_resting: Callable[..., Decision | None], order: Order, account: Account, *rest: Any
) -> Decision | None:
    others = account.reserved - order.reserved
    decision = fill_resting(order, changed(account, reserved=order.reserved), *rest)
    if decision is None:
        return None
    return with_account(decision, reserved=account_of(decision).reserved + others)


@bug_in("posting.trigger")
def a_trigger_takes_no_free_money(
    trigger: Callable[[Decision, str, Market], Decision],
    decision: Decision,
    order_id: str,
    market: Market,
) -> Decision:
    triggered = trigger(decision, order_id, market)
    more = max(order_of(triggered).reserved - order_of(decision).reserved, 0)
    triggered = with_account(triggered, reserved=account_of(triggered).reserved - more)
    return with_told_order(triggered, reserved=order_of(triggered).reserved - more)


@bug_in("posting.hold")
def a_sale_reserves_nothing(
    hold: Holding, decision: Decision, order_id: str, update: OrderUpdateType, market: Market
) -> Decision:
    held = hold(decision, order_id, update, market)
    if order_of(decision).side is Side.BUY:
        return held
    return with_position(held, reserved_quantity=position_of(decision).reserved_quantity)


@bug_in("posting.end")
def a_cancelled_order_keeps_its_reservation(
    end: Ending, decision: Decision, order_id: str, reason: StatusReason, now: Micros
) -> Decision:
    return with_account(
        end(decision, order_id, reason, now), reserved=account_of(decision).reserved
    )


@bug_in("posting.end")
def a_cancelled_sale_keeps_its_position(
    end: Ending, decision: Decision, order_id: str, reason: StatusReason, now: Micros
) -> Decision:
    reserved_quantity = position_of(decision).reserved_quantity
    return with_position(end(decision, order_id, reason, now), reserved_quantity=reserved_quantity)


@bug_in("posting.release")
def a_replacement_keeps_the_old_reservation_too(
    release: Callable[[Decision, str], Decision], decision: Decision, order_id: str
) -> Decision:
    return with_account(release(decision, order_id), reserved=account_of(decision).reserved)
