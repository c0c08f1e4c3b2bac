"""Margin risk: the free equity that an order on margin needs to be accepted."""

from server.domain.account import Account, Position
from server.domain.changes import changed
from server.domain.costs import fee_due, paid
from server.domain.margin import MarginBook, exposed_quantity, with_open
from server.domain.market import Market
from server.domain.order import Order, Side
from server.domain.order_types import awaited
from server.domain.trailing import trailed
from server.domain.values import Price, Quantity, Units


def needed(
    order: Order,
    account: Account,
    position: Position,
    market: Market,
    book: MarginBook,
    worst_price: Price | None,
) -> Units:
    """Return the free equity that an order on margin needs: margin, worst slippage and fee.

    `position` and `book` do not count the order yet. Without any price of the symbol, the worst
    price of the order is its mark price.
    """
    stake = changed(book.stakes[order.symbol], position=position)
    if not stake.mark and worst_price is not None:
        stake = changed(stake, mark=worst_price)
    before = book.including(stake)
    after = before.with_(with_open(position, order, order.leaves_quantity))
    more = max(after.margin(account) - before.margin(account), 0)
    price = stake.mark if worst_price is None else worst_price
    notional = order.filled_notional + price * order.leaves_quantity
    fee = fee_due(order, order.quantity, notional, market.instrument, market.costs)
    return more + _slippage(order, market, stake.mark, price) + fee


def share_at_stake(order: Order, position: Position, book: MarginBook, price: Price) -> Units:
    """Return the value of the largest position that an order on margin can lead to.

    It is at the mark price, or at `price` without any price of the symbol.
    """
    stake = book.stakes[order.symbol]
    if not stake.mark:
        stake = changed(stake, mark=price)
    quantity = exposed_quantity(with_open(position, order, order.leaves_quantity))
    return stake.worth(quantity)


def _slippage(order: Order, market: Market, mark: Price, worst: Price) -> Units:
    """Return what the rest of an order may cost against the mark, or against its stop price."""
    expected = mark
    if awaited(order) is not None:
        seen = order if market.quote is None else trailed(order, market.quote)
        expected = seen.stop_price or mark
    worse = worst - expected if order.side is Side.BUY else expected - worst
    return paid(market.instrument, max(worse, 0) * Quantity(order.leaves_quantity))
