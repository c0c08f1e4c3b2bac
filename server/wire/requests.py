"""Requests: the contract's messages to commands, or what is wrong with their fields."""

from bottrading.v1 import bot_trading_pb2 as bot_trading
from bottrading.v1 import key_management_pb2 as key_management
from bottrading.v1 import market_data_pb2 as market_data
from bottrading.v1 import quote_pb2
from server.application.commands import (
    CancelAllOrders,
    CancelOrder,
    CreateBotKey,
    PlaceOrder,
    PublishQuotes,
    RevokeBotKey,
    SentQuote,
)
from server.application.ports import Instruments
from server.domain.errors import Reason, Refusal
from server.domain.instrument import Instrument
from server.domain.order import OrderTicket, OrderType, TimeInForce
from server.domain.quote import Quote, QuoteRefusal
from server.domain.user import LABEL_LENGTH_MAX, is_valid_label
from server.domain.values import (
    DecimalError,
    Micros,
    Units,
    format_units,
    normalize_symbol,
    parse_units,
)
from server.wire import enums
from server.wire.fields import Fields, is_id

QUOTES_MAX = 500

_SIDES = enums.members(enums.SIDES)
_ORDER_TYPES = enums.members(enums.ORDER_TYPES)
_TIMES_IN_FORCE = enums.members(enums.TIMES_IN_FORCE)
_ASSET_TYPES = enums.members(enums.ASSET_TYPES)

OrderRequest = bot_trading.PlaceOrderRequest | bot_trading.PreviewOrderRequest


def place_order(
    request: OrderRequest, account_id: str, bot_key_id: str, instruments: Instruments, now: Micros
) -> PlaceOrder | Refusal:
    """Read an order to place."""
    fields = Fields()
    instrument = fields.instrument("symbol", request.symbol, instruments, now)
    if instrument is not None:
        _check_asset_type(fields, request.asset_type, instrument)
    side = fields.member("side", request.side, _SIDES)
    order_type = fields.member("order_type", request.order_type, _ORDER_TYPES, OrderType.MARKET)
    time_in_force = fields.member(
        "time_in_force", request.time_in_force, _TIMES_IN_FORCE, TimeInForce.GTC
    )
    quantity = fields.positive("quantity", request.quantity)
    if quantity and instrument and quantity % instrument.quantity_step:
        fields.refuse(
            "quantity", Reason.QUANTITY_OFF_STEP,
            f"quantity must be a multiple of {format_units(instrument.quantity_step)}"
            f" for {instrument.symbol}.",
        )  # fmt: skip
    limit_price = stop_price = None
    if request.HasField("limit_price"):
        limit_price = _price(fields, "limit_price", request.limit_price, instrument)
    if request.HasField("stop_price"):
        stop_price = _price(fields, "stop_price", request.stop_price, instrument)
    if order_type is not None:
        _check_prices(fields, request, order_type)
        if order_type.takes_stop_price and time_in_force and not time_in_force.rests:
            fields.refuse(
                "time_in_force", Reason.TIME_IN_FORCE_NOT_ALLOWED,
                f"{order_type.value} orders wait for their trigger; use GTC or DAY.",
            )  # fmt: skip
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
    return PlaceOrder(
        OrderTicket(
            account_id=account_id,
            bot_key_id=bot_key_id,
            symbol=instrument.symbol,
            side=side,
            order_type=order_type,
            quantity=quantity,
            limit_price=limit_price,
            stop_price=stop_price,
            time_in_force=time_in_force,
            client_order_id=client_order_id,
        )
    )


def cancel_order(request: bot_trading.CancelOrderRequest, account_id: str) -> CancelOrder | Refusal:
    """Read which order to cancel."""
    return order_not_found(request.order_id) or CancelOrder(account_id, request.order_id)


def cancel_all_orders(
    request: bot_trading.CancelAllOrdersRequest, account_id: str, instruments: Instruments
) -> CancelAllOrders | Refusal:
    """Read which orders to cancel."""
    fields = Fields()
    symbol = None
    if request.HasField("symbol"):
        symbol = fields.known_symbol("symbol", request.symbol, instruments)
    return fields.refusal() or CancelAllOrders(account_id, symbol)


def create_bot_key(
    request: key_management.CreateBotKeyRequest, user_id: str
) -> CreateBotKey | Refusal:
    """Read which key to make."""
    fields = Fields()
    if not request.label:
        fields.refuse("label", Reason.FIELD_REQUIRED, "label is required.")
    elif not is_valid_label(request.label):
        fields.refuse(
            "label", Reason.FIELD_INVALID,
            f"label must have 1 to {LABEL_LENGTH_MAX} printable characters.",
        )  # fmt: skip
    refusal = fields.refusal()
    if refusal is not None:
        return refusal
    account_id = request.account_id if request.HasField("account_id") else None
    if account_id is not None and not is_id(account_id):
        return Refusal(reason=Reason.ACCOUNT_NOT_FOUND, message="There is no such account.")
    return CreateBotKey(user_id, account_id, request.label)


def revoke_bot_key(
    request: key_management.RevokeBotKeyRequest, user_id: str
) -> RevokeBotKey | Refusal:
    """Read which key to revoke."""
    if not is_id(request.key_id):
        return Refusal(reason=Reason.BOT_KEY_NOT_FOUND, message="There is no such bot key.")
    return RevokeBotKey(user_id, request.key_id)


def publish_quotes(
    request: market_data.PublishQuotesRequest, now: Micros
) -> PublishQuotes | Refusal:
    """Read the quotes of a feed; a quote that is wrong by itself is kept with its refusal."""
    fields = Fields()
    if not 1 <= len(request.quotes) <= QUOTES_MAX:
        fields.refuse("quotes", Reason.FIELD_INVALID, f"quotes must have 1 to {QUOTES_MAX} items.")
    refusal = fields.refusal()
    if refusal is not None:
        return refusal
    return PublishQuotes(
        tuple(SentQuote(sent.symbol, _sent_quote(sent, now)) for sent in request.quotes)
    )


def order_not_found(order_id: str) -> Refusal | None:
    """Refuse an id that cannot be an order's, in the words used for one that is not there."""
    if is_id(order_id):
        return None
    return Refusal(reason=Reason.ORDER_NOT_FOUND, message="There is no such order.")


def _check_asset_type(fields: Fields, number: int, instrument: Instrument) -> None:
    asset_type = fields.optional_member("asset_type", number, _ASSET_TYPES)
    if asset_type not in (None, instrument.asset_type):
        fields.refuse(
            "asset_type", Reason.ASSET_TYPE_MISMATCH,
            f"{instrument.symbol} has asset_type {instrument.asset_type.value};"
            " send that or leave it out.",
        )  # fmt: skip


def _price(fields: Fields, field: str, text: str, instrument: Instrument | None) -> Units | None:
    price = fields.positive(field, text)
    if price and instrument and price % instrument.price_tick:
        fields.refuse(
            field, Reason.PRICE_OFF_TICK,
            f"{field} must be a multiple of {format_units(instrument.price_tick)}"
            f" for {instrument.symbol}.",
        )  # fmt: skip
    return price


def _check_prices(fields: Fields, request: OrderRequest, order_type: OrderType) -> None:
    kind = order_type.value
    has_limit, has_stop = request.HasField("limit_price"), request.HasField("stop_price")
    if order_type.takes_limit_price and not has_limit:
        fields.refuse(
            "limit_price", Reason.LIMIT_PRICE_REQUIRED,
            f"limit_price is required for {kind} orders",
        )  # fmt: skip
    if order_type.takes_stop_price and not has_stop:
        fields.refuse(
            "stop_price", Reason.STOP_PRICE_REQUIRED, f"stop_price is required for {kind} orders"
        )
    if has_limit and not order_type.takes_limit_price:
        fields.refuse(
            "limit_price", Reason.LIMIT_PRICE_NOT_ALLOWED,
            f"{kind} orders take no limit_price; leave it out or use LIMIT.",
        )  # fmt: skip
    if has_stop and not order_type.takes_stop_price:
        fields.refuse(
            "stop_price", Reason.STOP_PRICE_NOT_ALLOWED,
            f"{kind} orders take no stop_price; leave it out or use STOP.",
        )  # fmt: skip


def _sent_quote(sent: quote_pb2.PublishedQuote, now: Micros) -> Quote | QuoteRefusal:
    symbol = normalize_symbol(sent.symbol)
    if symbol is None:
        return QuoteRefusal.SYMBOL_UNKNOWN
    try:
        bid, bid_size = _signed(sent.bid), _signed(sent.bid_size)
        ask, ask_size = _signed(sent.ask), _signed(sent.ask_size)
        last = _signed(sent.last) if sent.HasField("last") else (bid + ask) // 2
    except DecimalError:
        return QuoteRefusal.DECIMAL_INVALID
    time = now
    if sent.HasField("time"):
        fields = Fields()
        time = fields.moment("time", sent.time)
        if fields.refusal() is not None:
            return QuoteRefusal.TIME_INVALID
    return Quote(
        symbol=symbol, bid=bid, bid_size=bid_size, ask=ask, ask_size=ask_size, last=last,
        time=time, sequence=sent.sequence if sent.HasField("sequence") else 0,
    )  # fmt: skip


def _signed(text: str) -> Units:
    """Read a decimal that may be negative, to tell a negative price from no price at all."""
    return -parse_units(text[1:]) if text.startswith("-") else parse_units(text)
