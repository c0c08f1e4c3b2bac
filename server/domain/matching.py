"""Matching: how much of an order a quote fills, and at which price."""

from dataclasses import dataclass

from server.domain.account import Account, Position
from server.domain.changes import changed
from server.domain.costs import Costs
from server.domain.instrument import Instrument
from server.domain.order import Order, Side
from server.domain.quote import Quote
from server.domain.values import AMOUNT_LIMIT, SCALE, Units


@dataclass(frozen=True, slots=True)
class Match:
    """A quantity that a quote fills now, and its price."""

    quantity: Units
    price: Units


def match(
    order: Order, account: Account, position: Position, instrument: Instrument, quote: Quote,
    costs: Costs, *, takes: bool,
) -> Match | None:  # fmt: skip
    """Return what a quote fills of an order; None when that is nothing.

    `takes` is true for an order that just arrived: it pays slippage, capped by its limit.
    A resting order fills at the quote. `position` must have seen the quote.
    """
    buys = order.side is Side.BUY
    price = quote.ask if buys else quote.bid
    limit = order.limit_price
    if limit is not None and (price > limit if buys else price < limit):
        return None
    size, taken = (
        (quote.ask_size, position.ask_taken) if buys else (quote.bid_size, position.bid_taken)
    )
    available = costs.liquidity.available(size, taken)
    quantity = order.leaves_quantity
    if available is not None and available < quantity:
        quantity = available - available % instrument.quantity_step
    if quantity <= 0:
        return None
    if takes:
        price = costs.slippage.taking_price(
            instrument, order.side, price, size=size, taken=taken, quantity=quantity
        )
        if limit is not None:
            price = min(price, limit) if buys else max(price, limit)
    found = Match(quantity, price)
    return None if _outgrows(found, order, account, position, instrument) else found


def seen(position: Position, quote: Quote) -> Position:
    """Return the position as of a quote: what was taken of an earlier one no longer counts."""
    if (position.quote_time, position.quote_sequence) == (quote.time, quote.sequence):
        return position
    return changed(
        position, quote_time=quote.time, quote_sequence=quote.sequence, bid_taken=0, ask_taken=0
    )


def _outgrows(
    found: Match, order: Order, account: Account, position: Position, instrument: Instrument
) -> bool:
    """Tell whether a fill would bring money or position to AMOUNT_LIMIT, as absurd quotes can.

    Deposits and realised P&L are together the balance and what all positions cost.
    """
    if order.side is Side.BUY:
        return position.quantity + found.quantity >= AMOUNT_LIMIT
    proceeds = found.quantity * found.price * instrument.multiplier // SCALE
    basis = position.cost_basis * found.quantity // position.quantity
    return account.deposits + account.realized_pnl + proceeds - basis >= AMOUNT_LIMIT
