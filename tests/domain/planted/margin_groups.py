"""Planted bugs of groups on margin: entries that sell, and exits that buy."""

from collections.abc import Callable
from typing import Any

from server.domain.changes import changed
from server.domain.market import Market
from server.domain.order import Order, OrderTicket, Side
from server.domain.order_groups import Others
from server.domain.posting import Decision
from server.domain.values import Quantity
from tests.domain.planted.planting import bug_in


@bug_in("group_placing._exit_side")
def the_exits_of_an_entry_that_sells_sell(
    exit_side: Callable[[OrderTicket], Side], ticket: OrderTicket
) -> Side:
    return Side.SELL


@bug_in("group_placing._refuse_side")
def any_group_may_begin_with_a_sale(refuse_side: Callable[..., Any], *values: Any) -> None:
    return None


@bug_in("group_placing._crossed")
def the_exits_of_a_short_lie_as_those_of_a_long(
    crossed: Callable[..., Any], side: Side, *prices: Any
) -> Any:
    return crossed(Side.SELL, *prices)


@bug_in("order_groups.waits_for_stop")
def a_short_takes_its_profit_in_a_bar_that_reaches_the_stop(
    waits: Callable[[Order, Others, Market], bool], order: Order, others: Others, market: Market
) -> bool:
    return order.side is Side.SELL and waits(order, others, market)


@bug_in("order_groups.reserve")
def exits_that_buy_count_as_sales(
    reserve: Callable[[Decision, Order, Quantity], Decision],
    decision: Decision,
    exit_: Order,
    quantity: Quantity,
) -> Decision:
    return reserve(decision, changed(exit_, side=Side.SELL), quantity)


@bug_in("order_groups._follow_entry")
def exits_close_what_their_entry_filled(
    follow_entry: Callable[..., Decision], decision: Decision, before: Order, *values: Any
) -> Decision:
    entry = decision.orders[before.id]
    orders = {**decision.orders, entry.id: changed(entry, closed_quantity=Quantity(0))}
    opened = changed(decision, orders=orders)
    found = follow_entry(opened, changed(before, closed_quantity=Quantity(0)), *values)
    return changed(found, orders={**found.orders, entry.id: entry})
