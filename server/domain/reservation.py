"""Reservations: what an order may cost, what it holds back, and what money pays for."""

from server.domain.costs import Costs
from server.domain.instrument import Instrument
from server.domain.order import Order
from server.domain.quote import Quote
from server.domain.values import SCALE, Units, cents_up, divide_up

MARGIN_PERCENT = 105
"""An order that fills at any price reserves this share of the ask, since the price may move."""


def with_margin(price: Units) -> Units:
    """Return a price with the margin of an order whose price may move."""
    return divide_up(price * MARGIN_PERCENT, 100)


def paid(instrument: Instrument, notional: int) -> Units:
    """Return the money for a sum of quantity × price in 10⁻¹⁶, rounded up to cents."""
    return cents_up(notional * instrument.multiplier, SCALE)


def fee_due(
    order: Order, quantity: Units, notional: int, instrument: Instrument, costs: Costs
) -> Units:
    """Return the fee that brings an order to cumulative figures, besides what it was charged.

    `quantity` and `notional` are those of all its fills. Minimum and cap count from the order's
    `fee_start`.
    """
    start = order.fee_start
    total = costs.fees.total(instrument, quantity - start.quantity, notional - start.notional)
    return max(total - (order.fees - start.fees), 0)


def cost_to_fill(
    order: Order, quantity: Units, price: Units, instrument: Instrument, costs: Costs
) -> Units:
    """Return the money that filling `quantity` more of a BUY order at `price` takes, with fee.

    Money is rounded up on the order's total, so that the sum over its fills never exceeds
    what was reserved for the whole.
    """
    notional = order.filled_notional + price * quantity
    fee = fee_due(order, order.filled_quantity + quantity, notional, instrument, costs)
    return paid(instrument, notional) - paid(instrument, order.filled_notional) + fee


def reservation(
    order: Order, free: Units, quote: Quote | None, instrument: Instrument, costs: Costs
) -> Units:
    """Return the money that a live BUY order holds back, out of `free` money and its own.

    It is what the rest costs with fee, all that is left when that is less: at the limit; for a
    STOP at the higher of stop price and ask, × 1.05; for what takes any price at the ask × 1.05.
    Nothing for the latter before the first quote, which it waits for while the market is closed.
    """
    price = order.limit_price
    if price is None:
        ask = 0 if quote is None else quote.ask
        stop = order.stop_price if order.awaits_trigger else None
        if quote is None and stop is None:
            return 0
        price = with_margin(max(stop or 0, ask))
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
