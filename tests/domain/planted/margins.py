"""Planted bugs of margin accounts: what is bound, signed positions, and orders that close."""

from collections.abc import Callable
from typing import Any

from server.domain.account import Account, Position
from server.domain.changes import changed
from server.domain.margin import MarginBook
from server.domain.matching import Match
from server.domain.order import Order, Side
from server.domain.posting import Decision
from server.domain.values import NOTHING, Micros, Quantity, Units
from tests.domain.planted.planting import bug_in

Filling = Callable[..., tuple[Position, Units | None, Quantity]]


@bug_in("margin.exposed_quantity")
def a_live_sale_binds_nothing(
    exposed_quantity: Callable[[Position], Quantity], position: Position
) -> Quantity:
    return exposed_quantity(changed(position, reserved_quantity=NOTHING))


@bug_in("margin.MarginBook.margin")
def the_margin_forgets_the_money_that_orders_hold_back(
    margin: Callable[[MarginBook, Account], Units], book: MarginBook, account: Account
) -> Units:
    return margin(book, account) - account.reserved


@bug_in("margin.MarginBook.maintenance")
def what_is_paid_in_full_needs_a_part_as_maintenance(
    maintenance: Callable[[MarginBook, Account], Units], book: MarginBook, account: Account
) -> Units:
    kept = {name: it for name, it in book.stakes.items() if it.instrument.is_marginable}
    return maintenance(changed(book, stakes=kept), account)


@bug_in("margin.MarginBook.loan")
def proceeds_of_a_short_sale_pay_the_loan(
    loan: Callable[[MarginBook, Account], Units], book: MarginBook, account: Account
) -> Units:
    return max(-account.balance, 0)


@bug_in("margin.goes_towards_zero")
def an_order_closes_what_another_one_closes(
    goes_towards_zero: Callable[[Order, Position], bool], order: Order, position: Position
) -> bool:
    alone = changed(position, reserved_quantity=NOTHING, open_buy_quantity=NOTHING)
    return goes_towards_zero(order, alone)


@bug_in("margin_risk._slippage")
def an_order_on_margin_does_not_slip(slippage: Callable[..., Units], *arguments: Any) -> Units:
    return 0


@bug_in("signed_positions.filled")
def a_fill_through_zero_pays_its_fee_for_the_closed_part(
    filled: Filling,
    position: Position,
    order: Order,
    found: Match,
    worth: Units,
    fee: Units,
    rounding: Units,
) -> tuple[Position, Units | None, Quantity]:
    after, pnl, closed = filled(position, order, found, worth, fee, rounding)
    if pnl is None or closed == found.quantity:
        return after, pnl, closed
    kept = after.buy_fees
    return changed(after, buy_fees=0), pnl - kept, closed


@bug_in("signed_positions.filled")
def an_opening_sale_is_a_closed_trade(
    filled: Filling,
    position: Position,
    order: Order,
    found: Match,
    worth: Units,
    fee: Units,
    rounding: Units,
) -> tuple[Position, Units | None, Quantity]:
    after, pnl, closed = filled(position, order, found, worth, fee, rounding)
    return after, pnl, found.quantity if order.side is Side.SELL else closed


@bug_in("reducing.shrink_to_position")
def orders_that_close_stay_when_the_position_falls(
    shrink_to_position: Callable[..., Decision], decision: Decision, symbol: str, now: Micros
) -> Decision:
    return decision


@bug_in("closing.closing_side")
def a_short_position_is_closed_by_a_sale(
    closing_side: Callable[[Position], Side], position: Position
) -> Side:
    return Side.SELL


@bug_in("matching._outgrows_on_margin")
def an_absurd_quote_fills_an_order_on_margin(
    outgrows: Callable[..., bool], *arguments: Any
) -> bool:
    return False
