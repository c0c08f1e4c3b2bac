"""Answers: converts values of the domain to the messages of answers and streams."""

from google.protobuf.timestamp_pb2 import Timestamp

from bottrading.v1 import (
    account_pb2,
    bar_pb2,
    bot_key_pb2,
    fill_pb2,
    instrument_pb2,
    order_pb2,
    order_update_pb2,
    portfolio_pb2,
    quote_pb2,
)
from server.domain.account import GuardRails
from server.domain.bar import Bar
from server.domain.events import (
    AccountUpdated,
    Event,
    Fill,
    Interest,
    MarginCall,
    OrderUpdated,
    Settlement,
)
from server.domain.instrument import Instrument
from server.domain.order import THE_VENUE, Order
from server.domain.quote import Quote
from server.domain.user import BotKey
from server.domain.valuation import ValuedPosition
from server.domain.values import (
    SCALE,
    Micros,
    Units,
    format_money,
    format_to_the_cent,
    format_units,
)
from server.wire import enums


def timestamp(moment: Micros) -> Timestamp:
    """Return a moment as the contract's time."""
    seconds, micros = divmod(moment, 1_000_000)
    return Timestamp(seconds=seconds, nanos=micros * 1_000)


def optional_timestamp(moment: Micros | None) -> Timestamp | None:
    """Return a moment as the contract's time, None for None."""
    return None if moment is None else timestamp(moment)


def optional_money(value: Units | None) -> str | None:
    """Return an amount with 2 decimals, None for None."""
    return None if value is None else format_money(value)


def order(value: Order, *, replayed: bool = False) -> order_pb2.Order:
    """Return an order as the contract shows it."""
    price, limit, stop = value.average_price, value.limit_price, value.stop_price
    role = value.role
    return order_pb2.Order(
        id=value.id,
        symbol=value.symbol,
        side=enums.SIDES[value.side],
        order_type=enums.ORDER_TYPES[value.order_type],
        quantity=format_units(value.quantity),
        limit_price=None if limit is None else format_units(limit),
        stop_price=None if stop is None else format_units(stop),
        status=enums.ORDER_STATUSES[value.status],
        filled_quantity=format_units(value.filled_quantity),
        filled_price=None if price is None else format_units(price),
        created_at=timestamp(value.created_at),
        rejection_reason=value.rejection_reason and enums.REASONS[value.rejection_reason],
        asset_type=enums.ASSET_TYPES[value.asset_type],
        time_in_force=enums.TIMES_IN_FORCE[value.time_in_force],
        client_order_id=value.client_order_id,
        bot_key_id="" if value.bot_key_id == THE_VENUE else value.bot_key_id,
        updated_at=timestamp(value.updated_at),
        status_reason=value.status_reason and enums.STATUS_REASONS[value.status_reason],
        rejection_message=value.rejection_message,
        fees=format_money(value.fees),
        reserved=format_money(value.reserved),
        expires_at=optional_timestamp(value.expires_at),
        replayed=replayed,
        triggered_at=optional_timestamp(value.triggered_at),
        notional=None if value.notional is None else format_money(value.notional),
        order_class=None if role is None else enums.ORDER_CLASSES[role.order_class],
        leg=None if role is None else enums.LEGS[role.leg],
        parent_order_id=None if role is None else role.parent_order_id,
        held=value.is_held,
        trail_amount=None if value.trail_amount is None else format_units(value.trail_amount),
        trail_percent=None if value.trail_percent is None else format_units(value.trail_percent),
        placed_by=enums.PLACED_BY[value.placed_by],
        reduce_only=value.reduces_only,
    )


def fill(value: Fill) -> fill_pb2.Fill:
    """Return a fill as the contract shows it."""
    return fill_pb2.Fill(
        id=value.id,
        order_id=value.order_id,
        symbol=value.symbol,
        asset_type=enums.ASSET_TYPES[value.asset_type],
        side=enums.SIDES[value.side],
        quantity=format_units(value.quantity),
        price=format_units(value.price),
        amount=format_money(value.amount),
        fee=format_money(value.fee),
        rounding=None if value.rounding is None else format_units(value.rounding),
        realized_pnl=None if value.realized_pnl is None else format_to_the_cent(value.realized_pnl),
        bot_key_id="" if value.bot_key_id == THE_VENUE else value.bot_key_id,
        created_at=timestamp(value.created_at),
        placed_by=enums.PLACED_BY[value.placed_by],
    )


def encode_event(value: Event) -> tuple[bytes, order_pb2.Order | None]:
    """Return an event as it is stored, and the message of its order, if it has one.

    Building that message is a fifth of the work of placing an order, so the answer to the call
    reuses it.
    """
    shown = order(value.order) if isinstance(value, OrderUpdated) else None
    return event(value, shown).SerializeToString(), shown


def event(value: Event, shown: order_pb2.Order | None = None) -> order_update_pb2.AccountEvent:
    """Return an entry of an account's log; `shown` is the message of its order, if it has one."""
    if isinstance(value, AccountUpdated):
        return order_update_pb2.AccountEvent(
            sequence=value.sequence,
            time=timestamp(value.time),
            account_update=order_update_pb2.AccountUpdate(
                type=enums.ACCOUNT_UPDATE_TYPES[value.type],
                amount=None if value.amount is None else format_money(value.amount),
                balance=format_money(value.balance),
                trading_state=enums.TRADING_STATES[value.trading_state],
                settlement=None if value.settlement is None else _settlement(value.settlement),
                missed_steps=value.missed_steps,
                margin_mode=enums.MARGIN_MODES[value.margin_mode],
                interest=None if value.interest is None else _interest(value.interest),
                margin_call=None if value.margin_call is None else _margin_call(value.margin_call),
            ),
        )
    return order_update_pb2.AccountEvent(
        sequence=value.sequence,
        time=timestamp(value.time),
        order_update=order_update_pb2.OrderUpdate(
            type=enums.UPDATE_TYPES[value.type],
            order=shown or order(value.order),
            fill=None if value.fill is None else fill(value.fill),
        ),
    )


def bot_key(value: BotKey) -> bot_key_pb2.BotKey:
    """Return a bot key without its secret."""
    may = value.permissions
    return bot_key_pb2.BotKey(
        id=value.id,
        label=value.label,
        prefix=value.prefix,
        account_id=value.account_id,
        created_at=timestamp(value.created_at),
        last_used_at=optional_timestamp(value.last_used_at),
        revoked_at=optional_timestamp(value.revoked_at),
        scopes=[enums.SCOPES[scope] for scope in may.scopes],
        allowed_symbols=may.symbols,
        allowed_asset_types=[enums.ASSET_TYPES[kind] for kind in may.asset_types],
        order_notional_max=optional_money(may.order_notional_max),
    )


def guard_rails(value: GuardRails) -> account_pb2.GuardRails:
    """Return the limits that an owner set on an account."""
    return account_pb2.GuardRails(
        order_notional_max=optional_money(value.order_notional_max),
        position_share_max=optional_money(value.position_share_max),
        daily_loss_max=optional_money(value.daily_loss_max),
    )


def position(value: ValuedPosition) -> portfolio_pb2.Position:
    """Return a position with its values."""
    held, price = value.position, value.current_price
    return portfolio_pb2.Position(
        symbol=held.symbol,
        asset_type=enums.ASSET_TYPES[value.instrument.asset_type],
        quantity=format_units(held.quantity),
        avg_cost=format_units(held.average_cost),
        current_price=None if price is None else format_units(price),
        market_value=format_units(value.market_value),
        unrealized_pnl=format_money(value.unrealized_pnl),
        unrealized_pnl_pct=format_money(value.unrealized_pnl_percent),
        reserved_quantity=format_units(held.reserved_quantity),
        open_buy_quantity=format_units(held.open_buy_quantity),
        margin=None if value.margin is None else format_money(value.margin),
    )


def quote(value: Quote, *, stale: bool) -> quote_pb2.Quote:
    """Return a quote as the contract shows it."""
    return quote_pb2.Quote(
        symbol=value.symbol,
        bid=format_units(value.bid),
        bid_size=format_units(value.bid_size),
        ask=format_units(value.ask),
        ask_size=format_units(value.ask_size),
        last=format_units(value.last),
        time=timestamp(value.time),
        sequence=value.sequence,
        stale=stale,
        indicative=value.is_indicative,
    )


def bar(value: Bar, *, complete: bool) -> bar_pb2.Bar:
    """Return a bar as the contract shows it."""
    return bar_pb2.Bar(
        symbol=value.symbol,
        start=timestamp(value.start),
        open=format_units(value.open),
        high=format_units(value.high),
        low=format_units(value.low),
        close=format_units(value.close),
        complete=complete,
    )


def instrument(value: Instrument) -> instrument_pb2.Instrument:
    """Return an instrument as the contract shows it."""
    shown = instrument_pb2.Instrument(
        symbol=value.symbol,
        name=value.name,
        asset_type=enums.ASSET_TYPES[value.asset_type],
        price_tick=format_units(value.price_tick),
        quantity_step=format_units(value.quantity_step),
        multiplier=format_units(value.multiplier * SCALE),
        liquidity_class=enums.LIQUIDITY_CLASSES[value.liquidity_class],
        currency="USD",
        quote_currency=value.quote_currency,
        marginable=value.is_marginable,
    )
    if value.option is not None:
        shown.underlying = value.option.underlying
        shown.strike = format_units(value.option.strike)
        shown.expiry = value.option.expiry
        shown.option_right = enums.OPTION_RIGHTS[value.option.right]
    return shown


def _settlement(value: Settlement) -> order_update_pb2.Settlement:
    return order_update_pb2.Settlement(
        symbol=value.symbol,
        quantity=format_units(value.quantity),
        price=format_units(value.price),
        amount=format_money(value.amount),
        realized_pnl=format_to_the_cent(value.realized_pnl),
    )


def _interest(value: Interest) -> order_update_pb2.Interest:
    return order_update_pb2.Interest(
        loan_interest=format_money(value.loan_interest),
        borrow_fee=format_money(value.borrow_fee),
        nights=value.nights,
    )


def _margin_call(value: MarginCall) -> order_update_pb2.MarginCall:
    return order_update_pb2.MarginCall(
        equity=format_money(value.equity),
        maintenance_margin=format_money(value.maintenance_margin),
    )
