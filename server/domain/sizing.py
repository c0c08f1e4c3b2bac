"""Sizing: the quantity that an order for a notional is placed with."""

from server.domain.account import Account
from server.domain.changes import changed
from server.domain.costs import affordable_quantity
from server.domain.errors import Reason, Refusal
from server.domain.instrument import Instrument
from server.domain.invariants import BrokenInvariant
from server.domain.market import Market
from server.domain.order import Order, OrderTicket, OrderType, Side
from server.domain.order_types import phase
from server.domain.trading import drafted
from server.domain.values import SCALE, Money, Price, Quantity, format_money, format_units

SIZED = (
    (OrderType.MARKET, Side.BUY),
    (OrderType.LIMIT, Side.BUY),
    (OrderType.MARKET, Side.SELL),
)
"""The orders that may be placed for a notional."""

QUANTITY_MAX = Quantity(10**10 * SCALE - 1)
"""The largest quantity that a request can name."""


def sized(ticket: OrderTicket, account: Account, market: Market) -> OrderTicket | Refusal:
    """Return a ticket with the quantity for its notional; zero while no price is known.

    A BUY never costs more than its notional, fee included, as long as the price holds. A SELL is
    worth at most its notional, before slippage and fee.
    """
    if ticket.notional is None:
        raise BrokenInvariant("only an order for a notional is sized")
    order = drafted(ticket, account, market, "")
    price = _price(order, market)
    if price is None:
        return ticket
    quantity = _quantity(order, ticket.notional, price, market)
    if not quantity:
        return _too_small(ticket.notional, price, market.instrument)
    return changed(ticket, quantity=quantity)


def _price(order: Order, market: Market) -> Price | None:
    if order.side is Side.BUY:
        return phase(order).worst_price(order, market)
    return None if market.quote is None else market.quote.bid


def _quantity(order: Order, notional: Money, price: Price, market: Market) -> Quantity:
    instrument = market.instrument
    whole = min(notional * SCALE // (price * instrument.multiplier), QUANTITY_MAX)
    quantity = Quantity(whole - whole % instrument.quantity_step)
    if order.side is Side.SELL:
        return quantity
    return affordable_quantity(order, quantity, price, notional, instrument, market.costs)


def _too_small(notional: Money, price: Price, instrument: Instrument) -> Refusal:
    return Refusal(
        reason=Reason.NOTIONAL_TOO_SMALL,
        message=f"`notional` {format_money(notional)} at a price of {format_units(price)} is less"
        f" than the quantity step of {format_units(instrument.quantity_step)} {instrument.symbol}"
        " and its fee: raise it.",
    )
