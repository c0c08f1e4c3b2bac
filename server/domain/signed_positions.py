"""Signed positions: how a fill on margin changes a position that can be long or short."""

from server.domain.account import Position
from server.domain.changes import changed
from server.domain.margin import closable_quantity, with_open
from server.domain.matching import Match
from server.domain.order import Order, Side
from server.domain.values import AMOUNT_LIMIT, NOTHING, Quantity, Units, divide_half_even


def filled(
    position: Position, order: Order, found: Match, worth: Units, fee: Units, rounding: Units
) -> tuple[Position, Units | None, Quantity]:
    """Return the position after a fill, its realised P&L, and how much of it closed.

    A fill through zero closes the position and opens the opposite one. Its worth, fee and rounding
    are shared by quantity, half to even. The P&L is None if nothing closed.
    """
    closed = Quantity(min(found.quantity, closable_quantity(position, order.side)))
    position = _taken(with_open(position, order, -found.quantity), order, found)
    if not closed:
        return _opened(position, order, found, worth, fee + rounding), None, NOTHING
    shares = [divide_half_even(it * closed, found.quantity) for it in (worth, fee, rounding)]
    of_worth, of_fee, of_rounding = shares
    costs = of_fee + of_rounding
    rest, pnl = _closed(position, order, closed, of_worth, costs)
    opened = Quantity(found.quantity - closed)
    if opened:
        match = Match(opened, found.price)
        rest = _opened(rest, order, match, worth - of_worth, fee + rounding - costs)
    return rest, pnl, closed


def _taken(position: Position, order: Order, found: Match) -> Position:
    # What is taken stops at the limit: no quote displays a larger size.
    if order.side is Side.BUY:
        return changed(position, ask_taken=min(position.ask_taken + found.quantity, AMOUNT_LIMIT))
    return changed(position, bid_taken=min(position.bid_taken + found.quantity, AMOUNT_LIMIT))


def _closed(
    position: Position, order: Order, quantity: Quantity, worth: Units, costs: Units
) -> tuple[Position, Units]:
    """Return the position without a part of it, and the P&L of that part.

    The basis of a short is negative: it is the money that its opening sale brought.
    """
    held = abs(position.quantity)
    basis = divide_half_even(position.cost_basis * quantity, held)
    opening_fees = divide_half_even(position.buy_fees * quantity, held)
    sells = order.side is Side.SELL
    rest = changed(
        position,
        quantity=position.quantity + (-quantity if sells else quantity),
        average_cost=position.average_cost if quantity < held else 0,
        cost_basis=position.cost_basis - basis,
        buy_fees=position.buy_fees - opening_fees,
    )
    return rest, (worth if sells else -worth) - costs - basis - opening_fees


def _opened(position: Position, order: Order, found: Match, worth: Units, costs: Units) -> Position:
    held, sign = abs(position.quantity), -1 if order.side is Side.SELL else 1
    price_of_all = position.average_cost * held + found.price * found.quantity
    return changed(
        position,
        quantity=position.quantity + sign * found.quantity,
        average_cost=divide_half_even(price_of_all, held + found.quantity),
        cost_basis=position.cost_basis + sign * worth,
        buy_fees=position.buy_fees + costs,
    )
