"""Requests: the contract's messages to commands, or what is wrong with their fields."""

from bottrading.v1 import bot_trading_pb2 as bot_trading
from bottrading.v1 import key_management_pb2 as key_management
from bottrading.v1 import market_data_pb2 as market_data
from bottrading.v1 import quote_pb2
from server.application.commands import (
    CancelAllOrders,
    CancelOrder,
    CreateBotKey,
    Deposit,
    PublishQuotes,
    ReplaceOrder,
    ResetAccount,
    RevokeBotKey,
    SentQuote,
    SetGuardRails,
    SetTradingState,
)
from server.application.ports import Instruments
from server.domain.account import GuardRails
from server.domain.errors import Reason, Refusal
from server.domain.instrument import AssetType, Instrument
from server.domain.order import OrderTicket, OrderType, TimeInForce
from server.domain.order_types import PRICE_FIELDS, RULES
from server.domain.quote import Quote, QuoteRefusal
from server.domain.trading import Replacement
from server.domain.user import LABEL_LENGTH_MAX, Permissions, Scope, is_valid_label
from server.domain.values import (
    SCALE,
    DecimalError,
    Micros,
    Units,
    format_units,
    normalize_symbol,
    parse_units,
)
from server.wire import enums
from server.wire.bounds import bounds
from server.wire.fields import Fields, is_id

QUOTES_MAX = bounds(market_data.PublishQuotesRequest, "quotes").items_max
SYMBOLS_MAX = bounds(key_management.CreateBotKeyRequest, "allowed_symbols").items_max
POSITION_SHARE_MAX = bounds(key_management.SetGuardRailsRequest, "position_share_max").maximum

_SIDES = enums.members(enums.SIDES)
_ORDER_TYPES = enums.members(enums.ORDER_TYPES)
_TIMES_IN_FORCE = enums.members(enums.TIMES_IN_FORCE)
_ASSET_TYPES = enums.members(enums.ASSET_TYPES)
_SCOPES = enums.members(enums.SCOPES)
_TRADING_STATES = enums.members(enums.TRADING_STATES)

OrderRequest = bot_trading.PlaceOrderRequest | bot_trading.PreviewOrderRequest


def order_ticket(
    request: OrderRequest, account_id: str, bot_key_id: str, instruments: Instruments
) -> OrderTicket | Refusal:
    """Read an order to place or to preview."""
    fields = Fields()
    instrument = fields.instrument("symbol", request.symbol, instruments)
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
            "quantity",
            Reason.QUANTITY_OFF_STEP,
            f"quantity must be a multiple of {format_units(instrument.quantity_step)}"
            f" for {instrument.symbol}.",
        )
    limit_price = stop_price = None
    if request.HasField("limit_price"):
        limit_price = _price(fields, "limit_price", request.limit_price, instrument)
    if request.HasField("stop_price"):
        stop_price = _price(fields, "stop_price", request.stop_price, instrument)
    if order_type is not None:
        _check_prices(fields, request, order_type)
        if RULES[order_type].waiting and time_in_force and not time_in_force.rests:
            fields.refuse(
                "time_in_force",
                Reason.TIME_IN_FORCE_NOT_ALLOWED,
                f"{order_type.value} orders wait for their trigger; use GTC or DAY.",
            )
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
    return OrderTicket(
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


def order_warnings(
    request: OrderRequest, ticket: OrderTicket, instruments: Instruments
) -> tuple[str, ...]:
    """Tell what in a request was taken otherwise than it was sent."""
    asset_type = _ASSET_TYPES.get(request.asset_type)
    if asset_type is None:
        return ()
    instrument = instruments.find(ticket.symbol)
    if instrument is None or asset_type is instrument.asset_type:
        return ()
    return (
        f"{instrument.symbol} has asset_type {instrument.asset_type.value},"
        f" not {asset_type.value}; the order is one for {instrument.asset_type.value}.",
    )


def replace_order(
    request: bot_trading.ReplaceOrderRequest, account_id: str, bot_key_id: str
) -> ReplaceOrder | Refusal:
    """Read the new values of an order; what its instrument allows is checked with the order."""
    fields = Fields()
    values = {
        name: fields.positive(name, getattr(request, name))
        for name in ("quantity", "limit_price", "stop_price")
        if request.HasField(name)
    }
    return (
        fields.refusal()
        or order_not_found(request.order_id)
        or ReplaceOrder(account_id, bot_key_id, request.order_id, Replacement(**values))
    )


def cancel_order(
    request: bot_trading.CancelOrderRequest, account_id: str, bot_key_id: str
) -> CancelOrder | Refusal:
    """Read which order to cancel."""
    return order_not_found(request.order_id) or CancelOrder(
        account_id, bot_key_id, request.order_id
    )


def cancel_all_orders(
    request: bot_trading.CancelAllOrdersRequest,
    account_id: str,
    bot_key_id: str,
    instruments: Instruments,
) -> CancelAllOrders | Refusal:
    """Read which orders to cancel."""
    fields = Fields()
    symbol = None
    if request.HasField("symbol"):
        symbol = fields.known_symbol("symbol", request.symbol, instruments)
    return fields.refusal() or CancelAllOrders(account_id, bot_key_id, symbol)


def create_bot_key(
    request: key_management.CreateBotKeyRequest, user_id: str, instruments: Instruments
) -> CreateBotKey | Refusal:
    """Read which key to make."""
    fields = Fields()
    permissions = _permissions(fields, request, instruments)
    if not request.label:
        fields.refuse("label", Reason.FIELD_REQUIRED, "label is required.")
    elif not is_valid_label(request.label):
        fields.refuse(
            "label",
            Reason.FIELD_INVALID,
            f"label must have 1 to {LABEL_LENGTH_MAX} printable characters.",
        )
    refusal = fields.refusal()
    if refusal is not None:
        return refusal
    account_id = request.account_id if request.HasField("account_id") else None
    not_found = account_not_found(account_id) if account_id is not None else None
    return not_found or CreateBotKey(user_id, account_id, request.label, permissions)


def revoke_bot_key(
    request: key_management.RevokeBotKeyRequest, user_id: str
) -> RevokeBotKey | Refusal:
    """Read which key to revoke."""
    if not is_id(request.key_id):
        return Refusal(reason=Reason.BOT_KEY_NOT_FOUND, message="There is no such bot key.")
    return RevokeBotKey(user_id, request.key_id)


def reset_account(
    request: key_management.ResetAccountRequest, user_id: str
) -> ResetAccount | Refusal:
    """Read which account to reset."""
    return account_not_found(request.account_id) or ResetAccount(user_id, request.account_id)


def deposit(request: key_management.DepositRequest) -> Deposit | Refusal:
    """Read how much to add to which account."""
    fields = Fields()
    amount = fields.money("amount", request.amount)
    refusal = fields.refusal() or account_not_found(request.account_id)
    if refusal is not None:
        return refusal
    assert amount is not None
    return Deposit(request.account_id, amount)


def set_trading_state(
    request: key_management.SetTradingStateRequest, user_id: str
) -> SetTradingState | Refusal:
    """Read the new trading state of an account."""
    fields = Fields()
    state = fields.member("trading_state", request.trading_state, _TRADING_STATES)
    refusal = fields.refusal() or account_not_found(request.account_id)
    if refusal is not None:
        return refusal
    assert state is not None
    return SetTradingState(user_id, request.account_id, state)


def set_guard_rails(
    request: key_management.SetGuardRailsRequest, user_id: str
) -> SetGuardRails | Refusal:
    """Read the guard rails of an account."""
    fields = Fields()
    values = {
        name: fields.money(name, getattr(request, name))
        for name in ("order_notional_max", "position_share_max", "daily_loss_max")
        if request.HasField(name)
    }
    if (values.get("position_share_max") or 0) > POSITION_SHARE_MAX * SCALE:
        fields.refuse(
            "position_share_max",
            Reason.FIELD_INVALID,
            f"position_share_max is at most {POSITION_SHARE_MAX} %.",
        )
    return (
        fields.refusal()
        or account_not_found(request.account_id)
        or SetGuardRails(user_id, request.account_id, GuardRails(**values))
    )


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


def account_not_found(account_id: str) -> Refusal | None:
    """Refuse an id that cannot be an account's, in the words used for one that is not there."""
    if is_id(account_id):
        return None
    return Refusal(reason=Reason.ACCOUNT_NOT_FOUND, message="There is no such account.")


def _permissions(
    fields: Fields, request: key_management.CreateBotKeyRequest, instruments: Instruments
) -> Permissions:
    scopes = [fields.member("scopes", number, _SCOPES) for number in request.scopes]
    if len(request.allowed_symbols) > SYMBOLS_MAX:
        fields.refuse(
            "allowed_symbols",
            Reason.FIELD_INVALID,
            f"allowed_symbols has at most {SYMBOLS_MAX} items.",
        )
    symbols = [
        fields.known_symbol("allowed_symbols", symbol, instruments)
        for symbol in request.allowed_symbols[:SYMBOLS_MAX]
    ]
    kinds = [
        fields.member("allowed_asset_types", number, _ASSET_TYPES)
        for number in request.allowed_asset_types
    ]
    limit = None
    if request.HasField("order_notional_max"):
        limit = fields.money("order_notional_max", request.order_notional_max)
    # In one order and once each, so that equal permissions are equal values.
    return Permissions(
        scopes=tuple(scope for scope in Scope if scope in scopes or not scopes),
        symbols=tuple(sorted({symbol for symbol in symbols if symbol is not None})),
        asset_types=tuple(kind for kind in AssetType if kind in kinds),
        order_notional_max=limit,
    )


def _check_asset_type(fields: Fields, number: int, instrument: Instrument) -> None:
    asset_type = fields.optional_member("asset_type", number, _ASSET_TYPES)
    if asset_type is not None and not instrument.may_be_called(asset_type):
        fields.refuse(
            "asset_type",
            Reason.ASSET_TYPE_MISMATCH,
            f"{instrument.symbol} has asset_type {instrument.asset_type.value};"
            " send that or leave it out.",
        )


def _price(fields: Fields, field: str, text: str, instrument: Instrument | None) -> Units | None:
    price = fields.positive(field, text)
    if price and instrument and price % instrument.price_tick:
        fields.refuse(
            field,
            Reason.PRICE_OFF_TICK,
            f"{field} must be a multiple of {format_units(instrument.price_tick)}"
            f" for {instrument.symbol}.",
        )
    return price


def _check_prices(fields: Fields, request: OrderRequest, order_type: OrderType) -> None:
    kind, needed = order_type.value, RULES[order_type].prices
    for name, price in PRICE_FIELDS.items():
        is_given = request.HasField(name)  # type: ignore[arg-type]
        if name in needed and not is_given:
            fields.refuse(name, price.required, f"{name} is required for {kind} orders")
        if is_given and name not in needed:
            fields.refuse(
                name,
                price.not_allowed,
                f"{kind} orders take no {name}; leave it out or use {price.used_by.value}.",
            )


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
        symbol=symbol,
        bid=bid,
        bid_size=bid_size,
        ask=ask,
        ask_size=ask_size,
        last=last,
        time=time,
        sequence=sent.sequence if sent.HasField("sequence") else 0,
    )


def _signed(text: str) -> Units:
    """Read a decimal that may be negative, to tell a negative price from no price at all."""
    return -parse_units(text[1:]) if text.startswith("-") else parse_units(text)
