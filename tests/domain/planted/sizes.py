"""Planted bugs of orders for a notional: the quantity that it gives, and when it is shown."""

from collections.abc import Callable

from server.domain.changes import changed
from server.domain.market import Market
from server.domain.order import Order, Side
from server.domain.trading import Replacement
from server.domain.values import SCALE, Money, Price, Quantity
from tests.domain.planted.planting import bug_in

Sizing = Callable[[Order, Money, Price, Market], Quantity]


@bug_in("sizing._quantity")
def a_notional_leaves_out_the_fee(
    quantity: Sizing, order: Order, notional: Money, price: Price, market: Market
) -> Quantity:
    multiplier, step = market.instrument.multiplier, market.instrument.quantity_step
    whole = notional * SCALE // (price * multiplier)
    return Quantity(min(whole, 10**18 - 1) // step * step)


@bug_in("sizing._price")
def a_notional_leaves_out_slippage(
    price: Callable[[Order, Market], Price | None], order: Order, market: Market
) -> Price | None:
    if order.limit_price is None and order.side is Side.BUY and market.quote is not None:
        return market.quote.ask
    return price(order, market)


@bug_in("sizing._price")
def a_sale_for_a_notional_counts_the_ask(
    price: Callable[[Order, Market], Price | None], order: Order, market: Market
) -> Price | None:
    found = price(order, market)
    sells = order.side is Side.SELL and market.quote is not None
    return market.quote.ask if sells and market.quote is not None else found


@bug_in("sizing._quantity")
def a_notional_forgets_the_multiplier(
    quantity: Sizing, order: Order, notional: Money, price: Price, market: Market
) -> Quantity:
    alone = changed(market, instrument=changed(market.instrument, multiplier=1))
    return quantity(order, notional, price, alone)


@bug_in("trading.replaced")
def a_replaced_order_stays_one_for_its_notional(
    replaced: Callable[[Order, Replacement], Order], order: Order, wanted: Replacement
) -> Order:
    return changed(replaced(order, wanted), notional=order.notional)
