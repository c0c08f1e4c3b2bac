"""Groups for the state machine: makes groups of the orders that it draws."""

from collections.abc import Callable

from bottrading.v1 import bot_trading_pb2 as pb
from bottrading.v1 import order_pb2

Number = Callable[[int], int]
"""Draws a number from 0 to below the given one."""


def make_group(request: pb.PlaceOrderRequest, price: Callable[[int], str], number: Number) -> None:
    """Give an order exits; `price` returns a percentage of the symbol's level as a price.

    A few of the groups are refused, because their prices do not fit together, or because only a
    MARGIN account may be short.
    """
    kind, sells = number(3), request.side == order_pb2.SIDE_SELL
    is_oco = number(4) > 0 if sells else number(8) == 0
    take, loss = 99 + number(9), 93 + number(8)
    if sells != is_oco:
        take, loss = 200 - take, 200 - loss
    if is_oco:
        request.order_class = order_pb2.ORDER_CLASS_OCO
        request.order_type = order_pb2.ORDER_TYPE_LIMIT
        request.time_in_force = order_pb2.TIME_IN_FORCE_GTC
        request.ClearField("limit_price")
        request.ClearField("stop_price")
        kind = 0
    else:
        request.order_class = order_pb2.ORDER_CLASS_OTO if kind else order_pb2.ORDER_CLASS_BRACKET
    lasts = order_pb2.TIME_IN_FORCE_GTC if number(4) else order_pb2.TIME_IN_FORCE_DAY
    if kind != 1:
        request.take_profit.limit_price = price(take)
        request.take_profit.time_in_force = lasts
    if kind != 2 and not number(3):
        if number(2):
            request.stop_loss.trail_percent = ("0.1", "2.5", "4", "99")[number(4)]
        else:
            request.stop_loss.trail_amount = price((1, 2, 5, 110)[number(4)])
    elif kind != 2:
        request.stop_loss.stop_price = price(loss)
        if not number(3):
            request.stop_loss.limit_price = price(92 if loss < 100 else 108)
