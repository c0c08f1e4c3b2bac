"""Planted bugs of order groups: what one of their orders fails to do to the others."""

from collections.abc import Callable
from typing import Any

from server.domain.changes import changed
from server.domain.market import Market
from server.domain.order import Order, OrderUpdateType, StatusReason
from server.domain.order_groups import Others
from server.domain.posting import Decision
from server.domain.quote import Quote
from server.domain.values import Micros, Price, Quantity
from tests.domain.planted.planting import bug_in

Ending = Callable[[Decision, Order, StatusReason, Micros], Decision]
Releasing = Callable[..., Decision]


@bug_in("order_groups.waits_for_stop")
def a_take_profit_fills_in_a_bar_that_reaches_the_stop(
    waits: Callable[[Order, Others, Market], bool], order: Order, others: Others, market: Market
) -> bool:
    return False


@bug_in("order_groups.covered")
def two_exits_reserve_their_quantity_twice(
    covered: Callable[[Order, Others], frozenset[str]], order: Order, others: Others
) -> frozenset[str]:
    return frozenset() if not order.is_held else covered(order, others)


@bug_in("order_groups.end_entry")
def an_entry_goes_on_after_an_exit_acted(
    end_entry: Callable[[Decision, Others, StatusReason, Micros], Decision],
    decision: Decision,
    others: Others,
    reason: StatusReason,
    now: Micros,
) -> Decision:
    return decision


@bug_in("order_groups.shrink")
def an_exit_keeps_what_the_other_one_sold(
    shrink: Callable[..., Decision], decision: Decision, exit_: Order, by: Quantity, *rest: Any
) -> Decision:
    return decision if by < exit_.leaves_quantity else shrink(decision, exit_, by, *rest)


@bug_in("order_groups.end_exit")
def an_exit_outlives_its_entry(
    end_exit: Ending, decision: Decision, exit_: Order, reason: StatusReason, now: Micros
) -> Decision:
    if reason is StatusReason.ENTRY_ENDED:
        return decision
    return end_exit(decision, exit_, reason, now)


@bug_in("order_groups._release")
def an_exit_sells_more_than_its_entry_bought(
    release: Releasing, decision: Decision, exit_: Order, bought: Quantity, *rest: Any
) -> Decision:
    return release(decision, exit_, max(exit_.quantity, bought), *rest)


@bug_in("order_groups._release")
def a_released_trail_begins_only_with_the_next_quote(
    release: Releasing,
    decision: Decision,
    exit_: Order,
    bought: Quantity,
    now: Micros,
    quote: Quote | None,
) -> Decision:
    return release(decision, exit_, bought, now, None)


@bug_in("order_groups._stop_before")
def a_trail_is_compared_with_a_bar_from_its_best_bid_on(
    stop_before: Callable[[Order, Order, Quote], Price | None],
    take_profit: Order,
    stop_loss: Order,
    quote: Quote,
) -> Price | None:
    return stop_loss.stop_price


@bug_in("order_groups.reserve")
def released_exits_reserve_nothing(
    reserve: Callable[[Decision, Order, Quantity], Decision],
    decision: Decision,
    exit_: Order,
    quantity: Quantity,
) -> Decision:
    return decision if quantity > 0 else reserve(decision, exit_, quantity)


@bug_in("order_groups._resize")
def a_released_exit_stays_held(
    resize: Callable[..., Decision],
    decision: Decision,
    exit_: Order,
    quantity: Quantity,
    now: Micros,
    update: OrderUpdateType = OrderUpdateType.REPLACED,
) -> Decision:
    if update is OrderUpdateType.RELEASED:
        exit_ = changed(exit_, role=changed(exit_.role, is_held=True))
    return resize(decision, exit_, quantity, now, update)


@bug_in("group_placing._drafts")
def exits_are_not_held(drafts: Callable[..., list[Order]], *values: Any) -> list[Order]:
    return [changed(it, role=changed(it.role, is_held=False)) for it in drafts(*values)]
