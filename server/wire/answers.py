"""Answers: domain values to the contract's messages."""

from collections.abc import Sequence

from google.protobuf.timestamp_pb2 import Timestamp

from bottrading.v1 import (
    account_pb2,
    bar_pb2,
    bot_key_pb2,
    bot_trading_pb2,
    fill_pb2,
    instrument_pb2,
    leaderboard_pb2,
    market_clock_pb2,
    order_pb2,
    order_update_pb2,
    portfolio_pb2,
    quote_pb2,
)
from server.application.equity_history import EquityPoint
from server.application.leaderboard import Board, Place
from server.application.ports import MarketHours
from server.domain import performance
from server.domain.account import GuardRails
from server.domain.bar import Bar
from server.domain.events import AccountUpdated, Event, Fill, OrderUpdated, Settlement
from server.domain.instrument import AssetType, Instrument
from server.domain.order import Order
from server.domain.quote import Quote
from server.domain.trading import Preview
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

BOT_BADGE = "🤖"
"""What all ranked accounts have: orders come by bot keys only."""


def timestamp(moment: Micros) -> Timestamp:
    """Return a moment as the contract's time."""
    seconds, micros = divmod(moment, 1_000_000)
    return Timestamp(seconds=seconds, nanos=micros * 1_000)


def optional_timestamp(moment: Micros | None) -> Timestamp | None:
    """Return a moment as the contract's time, None for none."""
    return None if moment is None else timestamp(moment)


def order(value: Order, *, replayed: bool = False) -> order_pb2.Order:
    """Return an order as the contract shows it."""
    price, limit, stop = value.average_price, value.limit_price, value.stop_price
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
        bot_key_id=value.bot_key_id,
        updated_at=timestamp(value.updated_at),
        status_reason=value.status_reason and enums.STATUS_REASONS[value.status_reason],
        rejection_message=value.rejection_message,
        fees=format_money(value.fees),
        reserved=format_money(value.reserved),
        expires_at=optional_timestamp(value.expires_at),
        replayed=replayed,
        triggered_at=optional_timestamp(value.triggered_at),
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
        bot_key_id=value.bot_key_id,
        created_at=timestamp(value.created_at),
    )


class Events:
    """Encodes entries of accounts' logs as they are stored.

    The message of each order is kept until `forget`: a batch shows it in its event and in the
    answer to the call, and building it is a fifth of the work of placing an order.
    """

    def __init__(self) -> None:
        self._orders: dict[int, tuple[Order, order_pb2.Order]] = {}

    def encode(self, value: Event) -> bytes:
        """Return an event as bytes."""
        shown = None
        if isinstance(value, OrderUpdated):
            shown = order(value.order)
            self._orders[id(value.order)] = (value.order, shown)
        return event(value, shown).SerializeToString()

    def order(self, value: Order, *, replayed: bool) -> order_pb2.Order:
        """Return the message of an order."""
        kept = self._orders.get(id(value))
        return order(value, replayed=replayed) if kept is None or replayed else kept[1]

    def forget(self) -> None:
        """Drop the messages of a batch."""
        self._orders.clear()


def event(value: Event, shown: order_pb2.Order | None = None) -> order_update_pb2.AccountEvent:
    """Return an entry of an account's log; `shown` is its order's message, if there is one."""
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
        order_notional_max=_optional_money(may.order_notional_max),
    )


def guard_rails(value: GuardRails) -> account_pb2.GuardRails:
    """Return the limits that an owner set on an account."""
    return account_pb2.GuardRails(
        order_notional_max=_optional_money(value.order_notional_max),
        position_share_max=_optional_money(value.position_share_max),
        daily_loss_max=_optional_money(value.daily_loss_max),
    )


def preview(value: Preview) -> bot_trading_pb2.OrderPreview:
    """Return what an order would do."""
    return bot_trading_pb2.OrderPreview(
        order=order(value.order),
        estimated_fees=format_money(value.order.fees),
        buying_power_after=format_money(value.account.buying_power),
        rejections=[rejection.message for rejection in value.rejections],
        rejection_reasons=[enums.REASONS[rejection.reason] for rejection in value.rejections],
    )


def market_clock(
    now: Micros, hours: Sequence[tuple[AssetType, MarketHours]]
) -> market_clock_pb2.MarketClock:
    """Return the hours of all markets at a moment."""
    return market_clock_pb2.MarketClock(
        time=timestamp(now),
        sessions=[
            market_clock_pb2.MarketSession(
                asset_type=enums.ASSET_TYPES[kind],
                open=market.is_open,
                next_open=optional_timestamp(market.next_open),
                next_close=optional_timestamp(market.next_close),
            )
            for kind, market in hours
        ],
    )


def position(value: ValuedPosition) -> portfolio_pb2.Position:
    """Return a position and its worth."""
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
    )


def equity_points(values: Sequence[EquityPoint]) -> list[portfolio_pb2.EquityPoint]:
    """Return the points of an equity curve."""
    return [
        portfolio_pb2.EquityPoint(
            time=timestamp(value.time),
            equity=format_money(value.equity),
            deposits=format_money(value.deposits),
        )
        for value in values
    ]


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
    )
    if value.option is not None:
        shown.underlying = value.option.underlying
        shown.strike = format_units(value.option.strike)
        shown.expiry = value.option.expiry
        shown.option_right = enums.OPTION_RIGHTS[value.option.right]
    return shown


def orders(values: Sequence[Order]) -> list[order_pb2.Order]:
    """Return orders as the contract shows them."""
    return [order(value) for value in values]


def _settlement(value: Settlement) -> order_update_pb2.Settlement:
    return order_update_pb2.Settlement(
        symbol=value.symbol,
        quantity=format_units(value.quantity),
        price=format_units(value.price),
        amount=format_money(value.amount),
        realized_pnl=format_to_the_cent(value.realized_pnl),
    )


def _optional_money(value: Units | None) -> str | None:
    return None if value is None else format_money(value)


def leaderboard(board: Board, account_id: str) -> bot_trading_pb2.GetLeaderboardResponse:
    """Return a page of the leaderboard for an account."""
    return bot_trading_pb2.GetLeaderboardResponse(
        entries=[_leaderboard_entry(place, account_id) for place in board.items],
        own_entry=None if board.own is None else _leaderboard_entry(board.own, account_id),
        rank_total=board.total,
        next_page_token=board.next_token,
    )


def _leaderboard_entry(place: Place, account_id: str) -> leaderboard_pb2.LeaderboardEntry:
    return leaderboard_pb2.LeaderboardEntry(
        rank=place.rank,
        display_name=place.display_name,
        badge=BOT_BADGE,
        return_pct=place.return_pct,
        win_rate=performance.win_rate(place.statistics),
        trades=place.statistics.trades,
        sharpe_ratio=place.curve.sharpe_ratio,
        max_drawdown=place.curve.max_drawdown_pct,
        was_reset=place.was_reset,
        own=place.account_id == account_id,
    )
