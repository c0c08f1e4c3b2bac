"""Matching: which orders a quote reaches, in which order, and what it fills at which price."""

from dataclasses import dataclass

from server.domain.account import Account, Position
from server.domain.changes import changed, maker
from server.domain.costs import Costs
from server.domain.instrument import Instrument
from server.domain.margin import closable_quantity
from server.domain.market import Market
from server.domain.order import Order, Side
from server.domain.order_types import RULES, Watch, phase
from server.domain.quote import Quote
from server.domain.values import AMOUNT_LIMIT, NOTHING, SCALE, Price, Quantity, Units

_RANKS = {
    Watch.ASK_FALLS: (False, Side.BUY.value, -1),
    Watch.ASK_RISES: (True, Side.BUY.value, 1),
    Watch.BID_FALLS: (True, Side.SELL.value, -1),
    Watch.BID_RISES: (False, Side.SELL.value, 1),
}


@dataclass(frozen=True, slots=True)
class Match:
    """A quantity that a quote fills now, and its price."""

    quantity: Quantity
    price: Price


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """Which live orders a quote reaches: those that watch one of its prices.

    `takers_bid` and `takers_ask` are the prices for orders that do not wait for a trigger. Each
    is None if its side has no quantity to take.
    """

    symbol: str
    bid: Price
    ask: Price
    takers_bid: Price | None
    takers_ask: Price | None


_reach = maker(Reach)


def reach(quote: Quote, instrument: Instrument, costs: Costs) -> Reach:
    """Return which orders a quote reaches while nothing of its sizes is taken."""
    bid, ask = quote.bid, quote.ask
    takers_bid = bid if _fills(quote.bid_size, NOTHING, instrument, costs) else None
    takers_ask = ask if _fills(quote.ask_size, NOTHING, instrument, costs) else None
    return _reach(quote.symbol, bid, ask, takers_bid, takers_ask)


def is_used_up(
    side: Side, position: Position, quote: Quote, instrument: Instrument, costs: Costs
) -> bool:
    """Tell whether an account has taken the whole size against which orders of a side fill."""
    if (position.quote_time, position.quote_sequence) != (quote.time, quote.sequence):
        return False
    if side is Side.BUY:
        return not _fills(quote.ask_size, position.ask_taken, instrument, costs)
    return not _fills(quote.bid_size, position.bid_taken, instrument, costs)


def priority(order: Order) -> tuple[bool, str, Units, int]:
    """Return the sort key for the orders of an account and symbol that a quote reaches.

    Active orders come first, because orders that the quote triggers become active only then. Next
    comes the best price; among stops, the one that the price reached first. The earliest order
    wins a tie.
    """
    movement, price = phase(order).watch(order)
    return (*rank(movement, price), order.sequence)


def rank(movement: Watch, price: Price) -> tuple[bool, str, Units]:
    """Return the part of the priority that depends on the awaited movement and price."""
    awaits_trigger, side, sign = _RANKS[movement]
    return awaits_trigger, side, sign * price


def match(
    order: Order,
    account: Account,
    position: Position,
    market: Market,
    quote: Quote,
    *,
    takes: bool,
) -> Match | None:
    """Return what the quote of a market fills of an order; None when it fills nothing.

    `takes` is true for an order that just arrived, was replaced or was triggered. Such an order
    pays slippage, up to its limit. A resting order fills at the quote. `position` must be as
    `seen` returns it for the quote. An order on margin that only reduces a position fills at most
    what there is to close.
    """
    buys = order.side is Side.BUY
    price = quote.ask if buys else quote.bid
    limit = RULES[order.order_type].active.limit(order)
    if limit is not None and (price > limit if buys else price < limit):
        return None
    size, taken = (
        (quote.ask_size, position.ask_taken) if buys else (quote.bid_size, position.bid_taken)
    )
    available = market.costs.liquidity.available(size, taken)
    quantity = order.leaves_quantity
    on_margin = account.uses_margin and order.is_marginable
    if on_margin and order.reduces_only:
        quantity = min(quantity, closable_quantity(position, order.side))
    if available is not None and available < quantity:
        quantity = Quantity(available - available % market.instrument.quantity_step)
    if quantity <= 0:
        return None
    if takes:
        price = market.costs.slippage.taking_price(
            market.instrument, order.side, price, size=size, taken=taken, quantity=quantity
        )
        if limit is not None:
            price = min(price, limit) if buys else max(price, limit)
    found = Match(quantity, price)
    outgrows = _outgrows_on_margin if on_margin else _outgrows
    return None if outgrows(found, order, account, position, market.instrument) else found


def seen(position: Position, quote: Quote) -> Position:
    """Return the position as of a quote: what was taken of another quote no longer counts."""
    if (position.quote_time, position.quote_sequence) == (quote.time, quote.sequence):
        return position
    return changed(
        position, quote_time=quote.time, quote_sequence=quote.sequence, bid_taken=0, ask_taken=0
    )


def has_seen_later(position: Position, quote: Quote) -> bool:
    """Tell whether the position has seen a quote that is later than this one."""
    return (position.quote_time, position.quote_sequence) > (quote.time, quote.sequence)


def _fills(size: Quantity, taken: Quantity, instrument: Instrument, costs: Costs) -> bool:
    available = costs.liquidity.available(size, taken)
    return available is None or available >= instrument.quantity_step


def _outgrows(
    found: Match, order: Order, account: Account, position: Position, instrument: Instrument
) -> bool:
    """Tell whether a fill would bring money or position to AMOUNT_LIMIT, as absurd quotes can.

    Deposits plus realised P&L equal the balance plus the cost of all positions.
    """
    if order.side is Side.BUY:
        return position.quantity + found.quantity >= AMOUNT_LIMIT
    proceeds = found.quantity * found.price * instrument.multiplier // SCALE
    basis = position.cost_basis * found.quantity // position.quantity
    return account.deposits + account.realized_pnl + proceeds - basis >= AMOUNT_LIMIT


def _outgrows_on_margin(
    found: Match, order: Order, account: Account, position: Position, instrument: Instrument
) -> bool:
    """Tell whether a fill on margin would bring a figure to AMOUNT_LIMIT, with either sign."""
    sign = 1 if order.side is Side.BUY else -1
    worth = found.quantity * found.price * instrument.multiplier // SCALE
    closed = min(found.quantity, closable_quantity(position, order.side))
    pnl = 0
    if closed:
        basis = position.cost_basis * closed // abs(position.quantity)
        pnl = -sign * worth * closed // found.quantity - basis
    figures = (
        position.quantity + sign * found.quantity,
        position.cost_basis + sign * worth,
        account.balance - sign * worth,
        account.deposits + account.realized_pnl + pnl,
    )
    return any(abs(it) >= AMOUNT_LIMIT for it in figures)
