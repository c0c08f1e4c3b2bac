"""Order groups: reads which exits an order asks for, and shows the orders of a group together."""

from collections.abc import Iterable

from bottrading.v1 import bot_trading_pb2, order_pb2
from server.domain.errors import Reason
from server.domain.instrument import Instrument
from server.domain.order import ExitTicket, Leg, Order, OrderClass, OrderType, TimeInForce
from server.domain.values import Price
from server.wire import answers, enums, trails
from server.wire.fields import Fields

OrderRequest = bot_trading_pb2.PlaceOrderRequest | bot_trading_pb2.PreviewOrderRequest
ExitRequest = bot_trading_pb2.TakeProfit | bot_trading_pb2.StopLoss

_EXITS = {OrderClass.SIMPLE: (0, 0), OrderClass.OTO: (1, 1)}
"""The fewest and the most exits of a class; the other classes have two."""

_TIMES_IN_FORCE = enums.members(enums.TIMES_IN_FORCE)


def exits(
    fields: Fields, request: OrderRequest, order_class: OrderClass, instrument: Instrument | None
) -> tuple[ExitTicket, ...]:
    """Read the exits of an order, the take-profit first, and check that its class has them."""
    fewest, most = _EXITS.get(order_class, (2, 2))
    given = request.HasField("take_profit") + request.HasField("stop_loss")
    kind = order_class.value
    for name in ("take_profit", "stop_loss"):
        is_given = request.HasField(name)
        if most == 0 and is_given:
            fields.refuse(
                name,
                Reason.FIELD_INVALID,
                f"`{name}` is not used by {kind} orders: leave it out, or send order_class"
                " BRACKET, OTO or OCO.",
            )
        elif fewest == 2 and not is_given:
            fields.refuse(name, Reason.FIELD_REQUIRED, f"`{name}` is required for {kind} orders.")
    if order_class is OrderClass.OTO and given != 1:
        fields.refuse(
            "order_class",
            Reason.FIELD_INVALID,
            "OTO orders have one exit: send either `take_profit` or `stop_loss`, or send"
            " order_class BRACKET for both.",
        )
    usual = TimeInForce.GTC
    if order_class is OrderClass.OCO and request.time_in_force:
        usual = _TIMES_IN_FORCE.get(request.time_in_force, TimeInForce.GTC)
    found = []
    if request.HasField("take_profit"):
        found.append(_take_profit(fields, request.take_profit, usual, instrument))
    if request.HasField("stop_loss"):
        found.append(_stop_loss(fields, request.stop_loss, usual, instrument))
    ids = [it.client_order_id for it in found if it.client_order_id is not None]
    if len({request.client_order_id, *ids}) <= len(ids):
        fields.refuse(
            "client_order_id",
            Reason.FIELD_INVALID,
            "Each order of a group needs a `client_order_id` of its own, or none.",
        )
    return tuple(found)


def check_parent(fields: Fields, request: OrderRequest, order_class: OrderClass) -> None:
    """Check the fields of a group's own order."""
    if order_class is not OrderClass.OCO:
        return
    if request.order_type not in (0, enums.ORDER_TYPES[OrderType.LIMIT]):
        fields.refuse(
            "order_type",
            Reason.FIELD_INVALID,
            "`order_type` of OCO orders must be LIMIT, or left out.",
        )
    if request.HasField("notional"):
        fields.refuse(
            "notional",
            Reason.FIELD_INVALID,
            "`notional` is not used by OCO orders: send the `quantity` to close.",
        )
    for name in ("limit_price", "stop_price"):
        if request.HasField(name):
            fields.refuse(
                name,
                Reason.FIELD_INVALID,
                f"`{name}` is not used by OCO orders: send the prices in `take_profit` and"
                " `stop_loss`.",
            )
    if request.take_profit.HasField("client_order_id"):
        fields.refuse(
            "take_profit.client_order_id",
            Reason.FIELD_INVALID,
            "`client_order_id` names the take-profit of an OCO order: leave this one out.",
        )


def with_legs(parent: order_pb2.Order, legs: Iterable[Order]) -> order_pb2.Order:
    """Add the other orders of a group to the message of its parent."""
    parent.legs.extend(map(answers.order, legs))
    return parent


def price(fields: Fields, field: str, text: str, instrument: Instrument | None) -> Price | None:
    """Read a price, which must be on the instrument's tick."""
    found = fields.positive(field, text, Price)
    if found and instrument and (off_tick := instrument.off_tick(field, found)) is not None:
        fields.note(off_tick)
    return found


def _take_profit(
    fields: Fields,
    asked: bot_trading_pb2.TakeProfit,
    usual: TimeInForce,
    instrument: Instrument | None,
) -> ExitTicket:
    return ExitTicket(
        leg=Leg.TAKE_PROFIT,
        order_type=OrderType.LIMIT,
        limit_price=price(fields, "take_profit.limit_price", asked.limit_price, instrument),
        stop_price=None,
        time_in_force=_time_in_force(fields, "take_profit", asked, usual),
        client_order_id=_client_order_id(fields, "take_profit", asked),
    )


def _stop_loss(
    fields: Fields,
    asked: bot_trading_pb2.StopLoss,
    usual: TimeInForce,
    instrument: Instrument | None,
) -> ExitTicket:
    limit_price = stop_price = None
    if asked.HasField("limit_price"):
        limit_price = price(fields, "stop_loss.limit_price", asked.limit_price, instrument)
    if asked.HasField("stop_price"):
        stop_price = price(fields, "stop_loss.stop_price", asked.stop_price, instrument)
    amount, percent = trails.trail(fields, asked, instrument, "stop_loss.")
    order_type = OrderType.STOP if limit_price is None else OrderType.STOP_LIMIT
    if asked.HasField("trail_amount") or asked.HasField("trail_percent"):
        order_type = OrderType.TRAILING_STOP
        _check_trail_alone(fields, asked)
    elif not asked.HasField("stop_price"):
        fields.refuse(
            "stop_loss.stop_price",
            Reason.FIELD_REQUIRED,
            "Send exactly one of `stop_loss.stop_price`, `stop_loss.trail_amount` and"
            " `stop_loss.trail_percent`.",
        )
    return ExitTicket(
        leg=Leg.STOP_LOSS,
        order_type=order_type,
        limit_price=limit_price,
        stop_price=stop_price,
        trail_amount=amount,
        trail_percent=percent,
        time_in_force=_time_in_force(fields, "stop_loss", asked, usual),
        client_order_id=_client_order_id(fields, "stop_loss", asked),
    )


def _check_trail_alone(fields: Fields, asked: bot_trading_pb2.StopLoss) -> None:
    for name, reason in (
        ("stop_price", Reason.STOP_PRICE_NOT_ALLOWED),
        ("limit_price", Reason.LIMIT_PRICE_NOT_ALLOWED),
    ):
        if asked.HasField(name):  # type: ignore[arg-type]
            fields.refuse(
                f"stop_loss.{name}",
                reason,
                f"`stop_loss.{name}` is not used by TRAILING_STOP orders: leave it out, or send no"
                " trail.",
            )


def _time_in_force(
    fields: Fields, name: str, asked: ExitRequest, usual: TimeInForce
) -> TimeInForce:
    field = f"{name}.time_in_force"
    found = fields.member(field, asked.time_in_force, _TIMES_IN_FORCE, usual)
    if found is not None and not found.rests:
        fields.refuse(
            field,
            Reason.TIME_IN_FORCE_NOT_ALLOWED,
            f"`{field}` must be GTC or DAY, because an exit waits.",
        )
    return found or usual


def _client_order_id(fields: Fields, name: str, asked: ExitRequest) -> str | None:
    if not asked.HasField("client_order_id"):
        return None
    return fields.client_order_id(f"{name}.client_order_id", asked.client_order_id)
