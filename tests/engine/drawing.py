"""What the state machine draws: choices from random bytes, prices, trails and replacements."""

from collections.abc import Sequence
from typing import TypeVar

from bottrading.v1 import bot_trading_pb2 as pb
from server.domain.order import Order, OrderType
from server.domain.values import Units, format_units
from tests.engine.traded import level_of, tick_of

T = TypeVar("T")


class Dice:
    """Choices from drawn bytes; zeros choose the first of everything."""

    def __init__(self, drawn: bytes) -> None:
        self._rest = int.from_bytes(drawn, "little")

    def number(self, count: int) -> int:
        """Return a number from 0 to below `count`."""
        self._rest, found = divmod(self._rest, count)
        return found

    def pick(self, options: Sequence[T]) -> T:
        """Return one of some options."""
        return options[self.number(len(options))]


def replacement(order: Order, dice: Dice) -> pb.ReplaceOrderRequest:
    """Return new values for some of the fields of an order."""
    request = pb.ReplaceOrderRequest(order_id=order.id)
    if dice.number(2):
        quantity = order.quantity * dice.pick([100, 50, 90, 130, 400]) // 100
        request.quantity = format_units(max(quantity, 1))
    if dice.number(3) and order.limit_price is not None:
        request.limit_price = price_near(dice, order.symbol)
    if order.order_type is OrderType.TRAILING_STOP:
        if dice.number(2):
            set_trail(request, dice, order.symbol)
    elif dice.number(3) and order.stop_price is not None:
        request.stop_price = price_near(dice, order.symbol)
    return request


def set_trail(
    request: pb.PlaceOrderRequest | pb.ReplaceOrderRequest, dice: Dice, symbol: str
) -> None:
    """Give an order a trail, by percent or by amount; a few are longer than the price."""
    if dice.number(2):
        request.trail_percent = dice.pick(["0.00000001", "0.1", "2.5", "4", "99.99999999"])
    else:
        amount = level_of(symbol) * dice.pick([1, 2, 5, 110]) // 100
        request.trail_amount = format_units(aligned(amount, symbol))


def price_near(dice: Dice, symbol: str) -> str:
    """Return a price near the level of a symbol; one in forty is no multiple of its tick."""
    price = level_of(symbol) * (93 + dice.number(15)) // 100
    return format_units(aligned(price, symbol) + (0 if dice.number(40) else 1))


def price_at(percent: int, symbol: str) -> str:
    """Return a percentage of the level of a symbol as a price."""
    return format_units(aligned(level_of(symbol) * percent // 100, symbol))


def aligned(price: Units, symbol: str) -> Units:
    """Return a price rounded down to a multiple of the symbol's tick."""
    return price - price % tick_of(symbol)
