"""Risk: what an order may cost, and the rules that reject one, in order of precedence."""

from collections.abc import Callable
from dataclasses import dataclass

from server.domain.account import Account, Position
from server.domain.costs import Costs
from server.domain.errors import Reason
from server.domain.instrument import Instrument
from server.domain.matching import match
from server.domain.order import Order, OrderType, Side, TimeInForce
from server.domain.quote import Quote
from server.domain.values import (
    AMOUNT_LIMIT,
    SCALE,
    Units,
    cents_up,
    divide_up,
    format_money,
    format_units,
)

LIVE_ORDERS_LIMIT = 1_000
MARKET_RESERVATION_PERCENT = 105
"""A waiting MARKET order reserves this share of the ask, since the price may move."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """Everything that decides whether an order is accepted; `quote` is None unless fresh."""

    account: Account
    position: Position
    instrument: Instrument
    quote: Quote | None
    order: Order
    costs: Costs


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why an order is rejected, and a sentence that says what to change."""

    reason: Reason
    message: str


def rejection(situation: Situation) -> Rejection | None:
    """Return the first rule that rejects the order; None when it is accepted."""
    for reason, check in RULES:
        message = check(situation)
        if message is not None:
            return Rejection(reason, message)
    return None


def cost_to_fill(
    order: Order, quantity: Units, price: Units, instrument: Instrument, costs: Costs
) -> Units:
    """Return the money that filling `quantity` more of a BUY order at `price` takes, with fee.

    Money is rounded up on the order's total, so that the sum over its fills never exceeds
    what was reserved for the whole.
    """
    notional = order.filled_notional + price * quantity
    fee = costs.fees.total(instrument, order.filled_quantity + quantity, notional) - order.fees
    return paid(instrument, notional) - paid(instrument, order.filled_notional) + max(fee, 0)


def reservation(
    order: Order, free: Units, quote: Quote | None, instrument: Instrument, costs: Costs
) -> Units:
    """Return the money that a live BUY order holds back, out of `free` money and its own.

    A LIMIT order reserves limit × rest with fee, a MARKET order ask × rest × 1.05 with fee;
    all that is left when that is less.
    """
    price = order.limit_price
    if price is None:
        assert quote is not None, "a MARKET order is accepted against a quote only"
        price = divide_up(quote.ask * MARKET_RESERVATION_PERCENT, 100)
    return min(cost_to_fill(order, order.leaves_quantity, price, instrument, costs), free)


def affordable_quantity(
    order: Order, quantity: Units, price: Units, money: Units, instrument: Instrument, costs: Costs
) -> Units:
    """Return the most of `quantity` that `money` pays for at `price`, floored to the step."""
    if cost_to_fill(order, quantity, price, instrument, costs) <= money:
        return quantity
    step = instrument.quantity_step
    low, high = 0, quantity // step
    while low < high:
        middle = (low + high + 1) // 2
        if cost_to_fill(order, middle * step, price, instrument, costs) <= money:
            low = middle
        else:
            high = middle - 1
    return low * step


def paid(instrument: Instrument, notional: int) -> Units:
    """Return the money for a sum of quantity × price in 10⁻¹⁶, rounded up to cents."""
    return cents_up(notional * instrument.multiplier, SCALE)


def _too_many_open_orders(it: Situation) -> str | None:
    if not it.order.time_in_force.rests or it.account.live_orders < LIVE_ORDERS_LIMIT:
        return None
    return f"The account has {LIVE_ORDERS_LIMIT} live orders; cancel some first."


def _too_large(it: Situation) -> str | None:
    price = _worst_price(it)
    if price is None:
        return None
    notional = price * it.order.quantity * it.instrument.multiplier // SCALE
    cost = 0
    if it.order.side is Side.BUY:
        if it.order.order_type is OrderType.MARKET:
            price = divide_up(price * MARKET_RESERVATION_PERCENT, 100)
        cost = cost_to_fill(it.order, it.order.quantity, price, it.instrument, it.costs)
    if max(notional, cost) < AMOUNT_LIMIT:
        return None
    return f"The order's value must stay below {AMOUNT_LIMIT // SCALE} USD; lower the quantity."


def _insufficient_buying_power(it: Situation) -> str | None:
    if it.order.side is Side.SELL:
        return None
    price = _worst_price(it)
    if price is None:
        return None
    cost = cost_to_fill(it.order, it.order.quantity, price, it.instrument, it.costs)
    if cost <= it.account.buying_power:
        return None
    return (
        f"The order may cost {format_money(cost)} USD and the buying power is"
        f" {format_money(it.account.buying_power)} USD; lower the quantity."
    )


def _insufficient_position(it: Situation) -> str | None:
    if it.order.side is Side.BUY or it.order.quantity <= it.position.free_quantity:
        return None
    return (
        f"{format_units(it.position.free_quantity)} {it.order.symbol} can be sold, the order"
        f" sells {format_units(it.order.quantity)}; lower the quantity."
    )


def _no_quote(it: Situation) -> str | None:
    waits = it.order.order_type is not OrderType.MARKET and it.order.time_in_force.rests
    if waits or it.quote is not None:
        return None
    return f"{it.order.symbol} has no fresh quote; place a resting LIMIT order or try later."


def _not_fillable(it: Situation) -> str | None:
    if it.order.time_in_force is not TimeInForce.FOK:
        return None
    assert it.quote is not None, "a FOK order without a quote is rejected before"
    found = match(it.order, it.account, it.position, it.instrument, it.quote, it.costs, takes=True)
    if found is not None and found.quantity == it.order.quantity:
        return None
    return "The quote does not fill the whole quantity now; lower it or let the order wait."


def _worst_price(it: Situation) -> Units | None:
    if it.order.limit_price is not None:
        return it.order.limit_price
    if it.quote is None:
        return None
    price = it.quote.ask if it.order.side is Side.BUY else it.quote.bid
    return it.costs.slippage.worst_price(it.instrument, it.order.side, price)


RULES: tuple[tuple[Reason, Callable[[Situation], str | None]], ...] = (
    (Reason.TOO_MANY_OPEN_ORDERS, _too_many_open_orders),
    (Reason.ORDER_TOO_LARGE, _too_large),
    (Reason.INSUFFICIENT_BUYING_POWER, _insufficient_buying_power),
    (Reason.INSUFFICIENT_POSITION, _insufficient_position),
    (Reason.NO_QUOTE, _no_quote),
    (Reason.FOK_NOT_FILLABLE, _not_fillable),
)
"""Money before liquidity; the first rule that speaks is told."""
