"""The distance of a trailing stop in requests: an amount or a percentage."""

from bottrading.v1 import bot_trading_pb2 as pb
from server.domain.errors import Reason
from server.domain.instrument import Instrument
from server.domain.order import OrderType
from server.domain.order_types import RULES
from server.domain.values import SCALE, Price, Units
from server.wire.bounds import bounds
from server.wire.fields import Fields, shown

PERCENT_MAX = bounds(pb.PlaceOrderRequest, "trail_percent").maximum

OrderRequest = pb.PlaceOrderRequest | pb.PreviewOrderRequest | pb.ReplaceOrderRequest
TrailRequest = OrderRequest | pb.StopLoss


def trail(
    fields: Fields, request: TrailRequest, instrument: Instrument | None, path: str = ""
) -> tuple[Price | None, Units | None]:
    """Read the amount or the percentage; the instrument of a replaced order is checked later.

    `path` is what the names of fields begin with.
    """
    amount = percent = None
    if request.HasField("trail_amount"):
        field = f"{path}trail_amount"
        amount = fields.positive(field, request.trail_amount, Price)
        off_tick = amount and instrument and instrument.off_tick(field, amount)
        if off_tick:
            fields.note(off_tick)
    if request.HasField("trail_percent"):
        field = f"{path}trail_percent"
        percent = fields.positive(field, request.trail_percent, Units)
        if percent is not None and percent > PERCENT_MAX * SCALE:
            sent = shown(request.trail_percent)
            message = f"`{field}` must be at most {PERCENT_MAX}, not {sent}."
            fields.refuse(field, Reason.FIELD_INVALID, message)
    if request.HasField("trail_amount") and request.HasField("trail_percent"):
        message = f"Send only one of `{path}trail_amount` and `{path}trail_percent`."
        fields.refuse(f"{path}trail_percent", Reason.TRAIL_NOT_ALLOWED, message)
    return amount, percent


def check_trail(fields: Fields, request: OrderRequest, order_type: OrderType) -> None:
    """Note a trail that is missing, or that the order type does not use."""
    needs = RULES[order_type].trails
    has = request.HasField("trail_amount") or request.HasField("trail_percent")
    if needs and not has:
        message = f"`trail_amount` or `trail_percent` is required for {order_type.value} orders."
        fields.refuse("trail_amount", Reason.TRAIL_REQUIRED, message)
    if has and not needs:
        name = "trail_amount" if request.HasField("trail_amount") else "trail_percent"
        message = f"`{name}` is not used by {order_type.value} orders: leave it out,"
        fields.refuse(name, Reason.TRAIL_NOT_ALLOWED, f"{message} or send TRAILING_STOP.")
