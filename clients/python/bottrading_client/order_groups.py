"""Exits of an order group, as a caller gives them to `place_order`."""

from dataclasses import dataclass
from typing import Any

from bottrading.v1 import bot_trading_pb2 as trading
from bottrading_client.enums import OrderClass, TimeInForce
from bottrading_client.messages import Amount, number, text


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeProfit:
    """An exit at a better price than the entry: it sells higher, or buys a short position lower."""

    limit_price: Amount
    time_in_force: TimeInForce | str = TimeInForce.GTC
    client_order_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StopLoss:
    """An exit at a worse price than the entry; a `limit_price` bounds that price.

    It sells at a lower price, or buys back a short position at a higher one.

    With `trail_amount` or `trail_percent` instead of `stop_price`, the stop follows the market from
    the entry's first fill on.
    """

    stop_price: Amount | None = None
    limit_price: Amount | None = None
    trail_amount: Amount | None = None
    trail_percent: Amount | None = None
    time_in_force: TimeInForce | str = TimeInForce.GTC
    client_order_id: str | None = None


def group_fields(
    order_class: OrderClass | str | None,
    take_profit: TakeProfit | None,
    stop_loss: StopLoss | None,
) -> dict[str, Any]:
    """Return the fields of a request that make an order a group."""
    return {
        "order_class": number(OrderClass, order_class),
        "take_profit": None if take_profit is None else _take_profit(take_profit),
        "stop_loss": None if stop_loss is None else _stop_loss(stop_loss),
    }


def _take_profit(given: TakeProfit) -> trading.TakeProfit:
    return trading.TakeProfit(
        limit_price=text(given.limit_price),
        time_in_force=number(TimeInForce, given.time_in_force),
        client_order_id=given.client_order_id,
    )


def _stop_loss(given: StopLoss) -> trading.StopLoss:
    return trading.StopLoss(
        stop_price=text(given.stop_price),
        limit_price=text(given.limit_price),
        trail_amount=text(given.trail_amount),
        trail_percent=text(given.trail_percent),
        time_in_force=number(TimeInForce, given.time_in_force),
        client_order_id=given.client_order_id,
    )
