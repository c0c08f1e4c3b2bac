"""Planted bugs of trailing stops: what they follow, where the stop is, and when it triggers."""

from collections.abc import Callable, Sequence
from typing import Any

from server.domain.changes import changed
from server.domain.market import Market
from server.domain.order import Order, OrderTicket, Side
from server.domain.quote import Quote
from server.domain.trading import Replacement
from server.domain.values import Price
from server.domain.watermarks import Reached, Watermarks
from tests.domain.planted.planting import bug_in


@bug_in("trailing.better")
def a_trail_moves_back_with_the_market(
    better: Callable[..., Price | None], side: Side, one: Price | None, other: Price | None
) -> Price | None:
    return one if other is None else other


@bug_in("trailing.watched_price")
def a_buy_trails_the_bid(
    watched_price: Callable[[Side, Quote], Price], side: Side, quote: Quote
) -> Price:
    return quote.bid


@bug_in("trailing.stop_behind")
def a_percentage_trail_is_rounded_towards_the_market(
    stop_behind: Callable[[Order, Price], Price | None], order: Order, watermark: Price
) -> Price | None:
    stop = stop_behind(order, watermark)
    exact = watermark * (order.trail_percent or 0) % (100 * 10**8) == 0
    if stop is None or exact:
        return stop
    return Price(stop + 1 if order.side is Side.SELL else stop - 1)


@bug_in("trading.drafted")
def a_closed_market_moves_a_new_trail(
    drafted: Callable[..., Order], ticket: OrderTicket, account: object, market: Market, *rest: Any
) -> Order:
    return drafted(ticket, account, changed(market, is_open=True), *rest)


@bug_in("trailing.trails")
def a_held_exit_trails(trails: Callable[[Order], bool], order: Order) -> bool:
    role = order.role
    return trails(order if role is None else changed(order, role=changed(role, is_held=False)))


@bug_in("trading.replaced")
def a_replaced_trail_keeps_its_stop(
    replaced: Callable[[Order, Replacement], Order], order: Order, wanted: Replacement
) -> Order:
    draft = replaced(order, wanted)
    return draft if order.trail_amount is None else changed(draft, stop_price=order.stop_price)


@bug_in("watermarks.Watermarks.seeing")
def a_new_best_price_takes_earlier_orders_back(
    seeing: Callable[[Watermarks, Price], Watermarks], marks: Watermarks, price: Price
) -> Watermarks:
    seen = seeing(marks, price)
    if seen is marks:
        return marks
    (*_, newest) = seen.groups
    return changed(seen, groups=(newest,))


@bug_in("watermarks.Watermarks.reached")
def only_the_newest_trails_are_reached(
    reached: Callable[[Watermarks, Price], Sequence[Reached]], marks: Watermarks, price: Price
) -> list[Reached]:
    return list(reached(marks, price))[-1:]
