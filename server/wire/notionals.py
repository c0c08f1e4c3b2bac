"""The amount of money in requests that stands in for a quantity."""

from bottrading.v1 import bot_trading_pb2 as pb
from server.domain.errors import Reason
from server.domain.order import OrderType, Side
from server.domain.sizing import SIZED
from server.domain.values import Money
from server.wire.fields import Fields


def notional_of(
    fields: Fields,
    request: pb.PlaceOrderRequest | pb.PreviewOrderRequest,
    order_type: OrderType | None,
    side: Side | None,
) -> Money | None:
    """Read the amount that stands in for a quantity."""
    if request.quantity:
        message = "Send exactly one of `quantity` and `notional`."
        fields.refuse("notional", Reason.FIELD_INVALID, message)
    if order_type and side and (order_type, side) not in SIZED:
        fields.refuse(
            "notional",
            Reason.FIELD_INVALID,
            f"`notional` is not used by {order_type.value} orders that {side.value}: send"
            " `quantity` instead.",
        )
    return fields.money("notional", request.notional)
