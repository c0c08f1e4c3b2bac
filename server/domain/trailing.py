"""Trailing: the stop price that follows the market behind its best price, and never moves back."""

from server.domain.changes import changed
from server.domain.order import Order, Side
from server.domain.quote import Quote
from server.domain.values import SCALE, Price, Units, divide_up

WHOLE = 100 * SCALE
"""The percentage that is a whole price."""


def trails(order: Order) -> bool:
    """Tell whether the stop of an order follows the market; that of a held order does not yet."""
    if order.trail_amount is None and order.trail_percent is None:
        return False
    return order.triggered_at is None and order.status.is_live and not order.is_held


def watched_price(side: Side, quote: Quote) -> Price:
    """Return the price of a quote that a trail follows: the bid for a SELL, the ask for a BUY."""
    return quote.bid if side is Side.SELL else quote.ask


def better(side: Side, one: Price | None, other: Price | None) -> Price | None:
    """Return the higher price for a SELL and the lower one for a BUY; None counts as none."""
    if one is None or other is None:
        return one if other is None else other
    return max(one, other) if side is Side.SELL else min(one, other)


def stop_behind(order: Order, watermark: Price) -> Price | None:
    """Return the stop of an order behind a best price; None for a SELL that trails by all of it.

    A percentage counts from the best price. The stop is rounded away from the market, so that the
    distance is never less than was asked for.
    """
    sells = order.side is Side.SELL
    if order.trail_amount is not None:
        stop = watermark - order.trail_amount if sells else watermark + order.trail_amount
    else:
        percent: Units = order.trail_percent or 0
        if sells:
            stop = watermark * (WHOLE - percent) // WHOLE
        else:
            stop = divide_up(watermark * (WHOLE + percent), WHOLE)
    return Price(stop) if stop > 0 else None


def moved(order: Order, price: Price | None) -> Order:
    """Return a trailing order that has seen a price of its side; a worse price changes nothing."""
    watermark = better(order.side, order.watermark, price)
    if watermark is None:
        return order
    return changed(order, watermark=watermark, stop_price=stop_behind(order, watermark))


def trailed(order: Order, quote: Quote | None) -> Order:
    """Return an order after a quote of an open session; only a trailing one changes."""
    if quote is None or not trails(order):
        return order
    return moved(order, watched_price(order.side, quote))
