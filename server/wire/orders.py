"""Orders and fills: converts requests to commands and queries, results to answers."""

from bottrading.v1 import bot_trading_pb2 as bot_trading
from bottrading.v1 import bot_trading_pb2 as pb
from server.application.callers import Caller
from server.application.commands import (
    CancelAllOrders,
    Cancelled,
    CancelOrder,
    Placed,
    PlaceOrder,
    Previewed,
    PreviewOrder,
    Replaced,
    ReplaceOrder,
)
from server.application.listings import FillFilter, OneOrder, OrderFilter, OrderWithLegs, PageOf
from server.application.paging import Page
from server.application.refusals import ORDER_NOT_FOUND
from server.domain.errors import Reason, Refusal
from server.domain.events import Fill
from server.domain.instrument import Instrument
from server.domain.order import (
    ExitTicket,
    Order,
    OrderClass,
    OrderTicket,
    OrderType,
    TimeInForce,
)
from server.domain.order_types import PRICE_FIELDS, RULES
from server.domain.trading import Replacement
from server.domain.values import NOTHING, Quantity, format_money
from server.wire import answers, enums, trails
from server.wire.fields import Fields, is_id
from server.wire.notionals import notional_of
from server.wire.order_groups import OrderRequest, check_parent, exits, price, with_legs
from server.wire.rows import Surroundings

_STATUSES = enums.members(enums.ORDER_STATUSES)
_SIDES = enums.members(enums.SIDES)

_ORDER_TYPES = enums.members(enums.ORDER_TYPES)

_ORDER_CLASSES = enums.members(enums.ORDER_CLASSES)

_TIMES_IN_FORCE = enums.members(enums.TIMES_IN_FORCE)

_ASSET_TYPES = enums.members(enums.ASSET_TYPES)


def place_order(
    request: bot_trading.PlaceOrderRequest, caller: Caller, given: Surroundings
) -> PlaceOrder | Refusal:
    """Read an order to place."""
    assert caller.bot_key_id is not None, "the call takes a bot key"
    asked = _asked(request, caller, given)
    return asked if isinstance(asked, Refusal) else PlaceOrder(*asked)


def preview_order(
    request: bot_trading.PreviewOrderRequest, caller: Caller, given: Surroundings
) -> PreviewOrder | Refusal:
    """Read an order to preview."""
    asked = _asked(request, caller, given)
    return asked if isinstance(asked, Refusal) else PreviewOrder(*asked)


def replace_order(
    request: bot_trading.ReplaceOrderRequest, caller: Caller, _: Surroundings
) -> ReplaceOrder | Refusal:
    """Read the new values of an order; whether its instrument allows them is checked later."""
    fields = Fields()
    quantity = limit_price = stop_price = None
    if request.HasField("quantity"):
        quantity = fields.positive("quantity", request.quantity, Quantity)
    if request.HasField("limit_price"):
        limit_price = price(fields, "limit_price", request.limit_price, None)
    if request.HasField("stop_price"):
        stop_price = price(fields, "stop_price", request.stop_price, None)
    trail_amount, trail_percent = trails.trail(fields, request, None)
    refusal = fields.refusal()
    if refusal is not None:
        return refusal
    if not is_id(request.order_id):
        return ORDER_NOT_FOUND
    wanted = Replacement(
        quantity=quantity,
        limit_price=limit_price,
        stop_price=stop_price,
        trail_amount=trail_amount,
        trail_percent=trail_percent,
    )
    return ReplaceOrder(caller.account_id, request.order_id, wanted)


def cancel_order(
    request: bot_trading.CancelOrderRequest, caller: Caller, _: Surroundings
) -> CancelOrder | Refusal:
    """Read which order to cancel."""
    if not is_id(request.order_id):
        return ORDER_NOT_FOUND
    return CancelOrder(caller.account_id, request.order_id)


def cancel_all_orders(
    request: bot_trading.CancelAllOrdersRequest, caller: Caller, given: Surroundings
) -> CancelAllOrders | Refusal:
    """Read which orders to cancel."""
    fields = Fields()
    symbol = None
    if request.HasField("symbol"):
        symbol = fields.known_symbol("symbol", request.symbol, given.instruments)
    return fields.refusal() or CancelAllOrders(caller.account_id, symbol)


def orders(
    request: bot_trading.ListOrdersRequest, caller: Caller, given: Surroundings
) -> PageOf[OrderFilter] | Refusal:
    """Read which orders to list, and how many."""
    fields = Fields()
    wanted = OrderFilter(
        account_id=caller.account_id,
        permissions=caller.permissions,
        status=fields.optional_member("status", request.status, _STATUSES),
        symbol=_symbol(fields, request, given),
        after=fields.moment("after", request.after) if request.HasField("after") else None,
        until=fields.moment("until", request.until) if request.HasField("until") else None,
    )
    limit = fields.limit("limit", request.limit if request.HasField("limit") else None)
    token = fields.page_token("page_token", request.page_token)
    return fields.refusal() or PageOf(wanted, limit, token)


def one_order(
    request: bot_trading.GetOrderRequest, caller: Caller, _: Surroundings
) -> OneOrder | Refusal:
    """Read which of the two ids of an order is given."""
    fields = Fields()
    client_order_id = ""
    if request.HasField("client_order_id"):
        client_order_id = fields.client_order_id("client_order_id", request.client_order_id)
    if bool(request.order_id) == request.HasField("client_order_id"):
        fields.refuse(
            "order_id",
            Reason.FIELD_INVALID,
            "Send exactly one of `order_id` and `client_order_id`.",
        )
    return fields.refusal() or OneOrder(
        account_id=caller.account_id,
        permissions=caller.permissions,
        order_id=request.order_id,
        client_order_id=client_order_id,
    )


def fills(
    request: bot_trading.ListFillsRequest, caller: Caller, given: Surroundings
) -> PageOf[FillFilter] | Refusal:
    """Read which fills to list, and how many."""
    fields = Fields()
    wanted = FillFilter(
        account_id=caller.account_id,
        permissions=caller.permissions,
        symbol=_symbol(fields, request, given),
        order_id=request.order_id if request.HasField("order_id") else None,
        after=fields.moment("after", request.after) if request.HasField("after") else None,
        until=fields.moment("until", request.until) if request.HasField("until") else None,
    )
    limit = fields.limit("limit", request.limit if request.HasField("limit") else None)
    token = fields.page_token("page_token", request.page_token)
    refusal = fields.refusal()
    if refusal is not None:
        return refusal
    if wanted.order_id is not None and not is_id(wanted.order_id):
        return ORDER_NOT_FOUND
    return PageOf(wanted, limit, token)


def placed(result: Placed) -> pb.PlaceOrderResponse:
    """Answer PlaceOrder."""
    shown = result.shown or answers.order(result.order, replayed=result.replayed)
    answer = pb.PlaceOrderResponse(order=shown)
    answer.order.warnings.extend(result.warnings)
    if result.legs:
        with_legs(answer.order, result.legs)
    return answer


def previewed(result: Previewed) -> pb.PreviewOrderResponse:
    """Answer PreviewOrder."""
    found = result.preview
    order = with_legs(answers.order(found.order), found.legs)
    order.warnings.extend(result.warnings)
    account, book = found.account, found.book
    buying_power = account.buying_power if book is None else book.buying_power(account)
    return pb.PreviewOrderResponse(
        preview=pb.OrderPreview(
            order=order,
            estimated_fees=format_money(found.order.fees),
            buying_power_after=format_money(buying_power),
            rejections=[rejection.message for rejection in found.rejections],
            rejection_reasons=[enums.REASONS[rejection.reason] for rejection in found.rejections],
            margin_after=None if book is None else format_money(book.margin(account)),
            free_margin_after=None if book is None else format_money(book.free(account)),
        )
    )


def replaced(result: Replaced) -> pb.ReplaceOrderResponse:
    """Answer ReplaceOrder."""
    return pb.ReplaceOrderResponse(order=result.shown or answers.order(result.order))


def cancelled(result: Cancelled) -> pb.CancelOrderResponse:
    """Answer CancelOrder."""
    return pb.CancelOrderResponse(order=answers.order(result.orders[0]))


def all_cancelled(result: Cancelled) -> pb.CancelAllOrdersResponse:
    """Answer CancelAllOrders."""
    return pb.CancelAllOrdersResponse(
        orders=map(answers.order, result.orders), skipped_orders=result.skipped
    )


def order_read(found: OrderWithLegs) -> pb.GetOrderResponse:
    """Answer GetOrder."""
    return pb.GetOrderResponse(order=with_legs(answers.order(found.order), found.legs))


def orders_listed(page: Page[Order]) -> pb.ListOrdersResponse:
    """Answer ListOrders."""
    return pb.ListOrdersResponse(
        orders=map(answers.order, page.items), next_page_token=page.next_token
    )


def fills_listed(page: Page[Fill]) -> pb.ListFillsResponse:
    """Answer ListFills."""
    return pb.ListFillsResponse(
        fills=map(answers.fill, page.items), next_page_token=page.next_token
    )


def _asked(
    request: OrderRequest, caller: Caller, given: Surroundings
) -> tuple[OrderTicket, tuple[str, ...]] | Refusal:
    """Read an order; add warnings where it is understood differently from what was sent."""
    fields = Fields()
    instrument = fields.instrument("symbol", request.symbol, given.instruments)
    warnings: tuple[str, ...] = ()
    if instrument is not None and request.asset_type:
        warnings = _asset_type(fields, request.asset_type, instrument)
    side = fields.member("side", request.side, _SIDES)
    order_type = fields.member("order_type", request.order_type, _ORDER_TYPES, OrderType.MARKET)
    time_in_force = fields.member(
        "time_in_force", request.time_in_force, _TIMES_IN_FORCE, TimeInForce.GTC
    )
    notional, quantity = None, None
    if request.HasField("notional"):
        notional, quantity = notional_of(fields, request, order_type, side), NOTHING
    else:
        quantity = fields.positive("quantity", request.quantity, Quantity)
    if quantity and instrument and (off_step := instrument.off_step(quantity)) is not None:
        fields.note(off_step)
    limit_price = stop_price = None
    if request.HasField("limit_price"):
        limit_price = price(fields, "limit_price", request.limit_price, instrument)
    if request.HasField("stop_price"):
        stop_price = price(fields, "stop_price", request.stop_price, instrument)
    trail_amount = trail_percent = None
    if request.HasField("trail_amount") or request.HasField("trail_percent"):
        trail_amount, trail_percent = trails.trail(fields, request, instrument)
    order_class, legs = OrderClass.SIMPLE, tuple[ExitTicket, ...]()
    if request.order_class or request.HasField("take_profit") or request.HasField("stop_loss"):
        order_class, legs = _group(fields, request, instrument)
    if order_class is OrderClass.OCO:
        # The order itself is the take-profit; the stop-loss is its only leg.
        order_type = OrderType.LIMIT
        trails.check_trail(fields, request, order_type)
        limit_price, time_in_force = legs[0].limit_price, legs[0].time_in_force
        legs = legs[1:]
    elif order_type is not None:
        _check_type(fields, request, order_type, time_in_force)
    client_order_id = None
    if request.HasField("client_order_id"):
        client_order_id = fields.client_order_id("client_order_id", request.client_order_id)
    refusal = fields.refusal()
    if refusal is not None:
        return refusal
    assert instrument is not None
    assert side is not None
    assert order_type is not None
    assert time_in_force is not None
    assert quantity is not None
    ticket = OrderTicket(
        account_id=caller.account_id,
        # Empty for a person, whose ticket is only previewed.
        bot_key_id=caller.bot_key_id or "",
        symbol=instrument.symbol,
        side=side,
        order_type=order_type,
        quantity=quantity,
        limit_price=limit_price,
        stop_price=stop_price,
        time_in_force=time_in_force,
        client_order_id=client_order_id,
        notional=notional,
        order_class=order_class,
        exits=legs,
        trail_amount=trail_amount,
        trail_percent=trail_percent,
    )
    return ticket, warnings


def _group(
    fields: Fields, request: OrderRequest, instrument: Instrument | None
) -> tuple[OrderClass, tuple[ExitTicket, ...]]:
    """Read the class of a group and its exits."""
    order_class = fields.member(
        "order_class", request.order_class, _ORDER_CLASSES, OrderClass.SIMPLE
    )
    if order_class is None:
        return OrderClass.SIMPLE, ()
    legs = exits(fields, request, order_class, instrument)
    if order_class is not OrderClass.SIMPLE:
        check_parent(fields, request, order_class)
    # What is missing is refused; the rest of the fields is still read.
    return (order_class, legs) if legs else (OrderClass.SIMPLE, ())


def _asset_type(fields: Fields, number: int, instrument: Instrument) -> tuple[str, ...]:
    """Check an asset type; return a warning if it differs from the instrument's but is accepted."""
    asset_type = fields.member("asset_type", number, _ASSET_TYPES)
    if asset_type is None or asset_type is instrument.asset_type:
        return ()
    if instrument.may_be_called(asset_type):
        return (
            f"{instrument.symbol} has asset_type {instrument.asset_type.value},"
            f" not {asset_type.value}; the order uses {instrument.asset_type.value}.",
        )
    fields.refuse(
        "asset_type",
        Reason.ASSET_TYPE_MISMATCH,
        f"`asset_type` of {instrument.symbol} is {instrument.asset_type.value}:"
        " send that or leave it out.",
    )
    return ()


def _check_type(
    fields: Fields,
    request: OrderRequest,
    order_type: OrderType,
    time_in_force: TimeInForce | None,
) -> None:
    """Note which prices, trails and times in force do not go with the type of an order."""
    kind, needed = order_type.value, RULES[order_type].prices
    for name, field in PRICE_FIELDS.items():
        is_given = request.HasField(name)  # type: ignore[arg-type]
        if name in needed and not is_given:
            fields.refuse(name, field.required, f"{name} is required for {kind} orders")
        if is_given and name not in needed:
            fields.refuse(
                name,
                field.not_allowed,
                f"`{name}` is not used by {kind} orders: leave it out,"
                f" or send {field.used_by.value}.",
            )
    rules = RULES[order_type]
    if rules.trails or request.HasField("trail_amount") or request.HasField("trail_percent"):
        trails.check_trail(fields, request, order_type)
    if rules.waiting and time_in_force and not time_in_force.rests:
        fields.refuse(
            "time_in_force",
            Reason.TIME_IN_FORCE_NOT_ALLOWED,
            f"`time_in_force` of {kind} orders must be GTC or DAY, to wait.",
        )


def _symbol(
    fields: Fields,
    request: bot_trading.ListOrdersRequest | bot_trading.ListFillsRequest,
    given: Surroundings,
) -> str | None:
    if not request.HasField("symbol"):
        return None
    return fields.known_symbol("symbol", request.symbol, given.instruments)
