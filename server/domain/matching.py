"""Matching: which quotes an order waits for, how much of it one fills, and at which price."""

from dataclasses import dataclass
from enum import Enum

from server.domain.account import Account, Position
from server.domain.changes import changed
from server.domain.costs import Costs
from server.domain.instrument import Instrument
from server.domain.order import Order, Side
from server.domain.quote import Quote
from server.domain.values import AMOUNT_LIMIT, SCALE, Units

ANY_ASK: Units = 2**62
ANY_BID: Units = 0
"""What a live order without a limit waits for: every quote reaches it."""


class Watch(Enum):
    """Which movement of a quote reaches a live order at its price."""

    ASK_FALLS = "ASK_FALLS"
    ASK_RISES = "ASK_RISES"
    BID_FALLS = "BID_FALLS"
    BID_RISES = "BID_RISES"


_RANKS = {
    Watch.ASK_FALLS: (False, Side.BUY.value, -1),
    Watch.ASK_RISES: (True, Side.BUY.value, 1),
    Watch.BID_FALLS: (True, Side.SELL.value, -1),
    Watch.BID_RISES: (False, Side.SELL.value, 1),
}


@dataclass(frozen=True, slots=True)
class Match:
    """A quantity that a quote fills now, and its price."""

    quantity: Units
    price: Units


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """Which live orders a quote reaches: those that watch one of its prices.

    `takers_bid` and `takers_ask` are the prices for orders that await no trigger; None for a
    side of which nobody can take anything.
    """

    symbol: str
    bid: Units
    ask: Units
    takers_bid: Units | None
    takers_ask: Units | None


def reach(quote: Quote, instrument: Instrument, costs: Costs) -> Reach:
    """Return which orders a quote reaches before anything is taken of it."""
    return Reach(
        symbol=quote.symbol,
        bid=quote.bid,
        ask=quote.ask,
        takers_bid=quote.bid if _fills(quote.bid_size, 0, instrument, costs) else None,
        takers_ask=quote.ask if _fills(quote.ask_size, 0, instrument, costs) else None,
    )


def is_used_up(
    side: Side, position: Position, quote: Quote, instrument: Instrument, costs: Costs
) -> bool:
    """Tell whether an account has taken all that a quote shows to orders of a side."""
    if (position.quote_time, position.quote_sequence) != (quote.time, quote.sequence):
        return False
    if side is Side.BUY:
        return not _fills(quote.ask_size, position.ask_taken, instrument, costs)
    return not _fills(quote.bid_size, position.bid_taken, instrument, costs)


def watch(order: Order) -> tuple[Watch, Units]:
    """Return the movement and the price that a live order waits for.

    An ask of at most the price reaches ASK_FALLS, one of at least it ASK_RISES, and so on.
    """
    buys = order.side is Side.BUY
    if order.awaits_trigger:
        assert order.stop_price is not None
        return Watch.ASK_RISES if buys else Watch.BID_FALLS, order.stop_price
    if buys:
        return Watch.ASK_FALLS, ANY_ASK if order.limit_price is None else order.limit_price
    return Watch.BID_RISES, ANY_BID if order.limit_price is None else order.limit_price


def priority(order: Order) -> tuple[bool, str, Units, int]:
    """Return what orders of one account and symbol are sorted by before a quote is shown to them.

    Active orders come before those that the quote triggers, which were not there yet; then the
    best price, of stops the one that was reached first; then the earliest.
    """
    movement, price = watch(order)
    return (*rank(movement, price), order.sequence)


def rank(movement: Watch, price: Units) -> tuple[bool, str, Units]:
    """Return the part of the priority that what an order waits for gives."""
    awaits_trigger, side, sign = _RANKS[movement]
    return awaits_trigger, side, sign * price


def reaches_stop(order: Order, quote: Quote) -> bool:
    """Tell whether a quote triggers an order that awaits its trigger."""
    assert order.stop_price is not None
    if order.side is Side.BUY:
        return quote.ask >= order.stop_price
    return quote.bid <= order.stop_price


def match(
    order: Order,
    account: Account,
    position: Position,
    instrument: Instrument,
    quote: Quote,
    costs: Costs,
    *,
    takes: bool,
) -> Match | None:
    """Return what a quote fills of an order; None when that is nothing.

    `takes` is true for an order that just arrived, was replaced or triggered: it pays slippage,
    capped by its limit. A resting order fills at the quote. `position` must have seen the quote.
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


def has_seen_later(position: Position, quote: Quote) -> bool:
    """Tell whether something was taken of a quote that came after this one."""
    return (position.quote_time, position.quote_sequence) > (quote.time, quote.sequence)


def _fills(size: Units, taken: Units, instrument: Instrument, costs: Costs) -> bool:
    available = costs.liquidity.available(size, taken)
    return available is None or available >= instrument.quantity_step


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
