"""What the service answers, as values.

Fields are named as in the contract, which explains them. Amounts are exact, in US dollars unless
they are quantities; times are in UTC; None is what the contract calls null.
"""

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from bottrading_client.enums import (
    AccountStatus,
    AccountUpdateType,
    AssetType,
    Environment,
    ErrorReason,
    KeyScope,
    MarginMode,
    OrderClass,
    OrderLeg,
    OrderStatus,
    OrderType,
    OrderUpdateType,
    PlacedBy,
    Side,
    StatusReason,
    TimeInForce,
    TradingState,
    UserType,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """The account that a bot trades on."""

    bot_user_id: str
    display_name: str
    balance: Decimal
    user_type: UserType
    status: AccountStatus
    created_at: datetime
    api_calls_used: int
    api_calls_limit: int
    plan: str
    bot_keys_used: int
    bot_keys_limit: int
    buying_power: Decimal
    environment: Environment
    trading_state: TradingState
    resets: int
    epoch_began_at: datetime
    margin_mode: MarginMode = MarginMode.CASH


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One order and its state.

    REJECTED is an outcome and raises no exception: check `status` and `rejection_reason`.
    """

    id: str
    symbol: str
    side: Side
    order_type: OrderType
    quantity: Decimal
    limit_price: Decimal | None
    stop_price: Decimal | None
    status: OrderStatus
    filled_quantity: Decimal
    filled_price: Decimal | None
    created_at: datetime
    rejection_reason: ErrorReason | None
    asset_type: AssetType
    time_in_force: TimeInForce
    client_order_id: str | None
    bot_key_id: str
    updated_at: datetime
    status_reason: StatusReason | None
    rejection_message: str | None
    fees: Decimal
    reserved: Decimal
    expires_at: datetime | None
    replayed: bool
    triggered_at: datetime | None
    warnings: tuple[str, ...] = ()
    notional: Decimal | None = None
    order_class: OrderClass | None = None
    leg: OrderLeg | None = None
    parent_order_id: str | None = None
    held: bool = False
    legs: tuple["Order", ...] = ()
    trail_amount: Decimal | None = None
    trail_percent: Decimal | None = None
    placed_by: PlacedBy = PlacedBy.BOT
    reduce_only: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderPreview:
    """What an order would do now; `order.id` is empty."""

    order: Order
    estimated_fees: Decimal
    buying_power_after: Decimal
    rejections: tuple[str, ...]
    rejection_reasons: tuple[ErrorReason, ...]
    margin_after: Decimal | None = None
    free_margin_after: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Fill:
    """One execution of an order, in whole or in part."""

    id: str
    order_id: str
    symbol: str
    asset_type: AssetType
    side: Side
    quantity: Decimal
    price: Decimal
    amount: Decimal
    fee: Decimal
    rounding: Decimal | None
    realized_pnl: Decimal | None
    bot_key_id: str
    created_at: datetime
    placed_by: PlacedBy = PlacedBy.BOT


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """What an account holds of one instrument; the quantity of a short position is negative."""

    symbol: str
    asset_type: AssetType
    quantity: Decimal
    avg_cost: Decimal
    current_price: Decimal | None
    market_value: Decimal
    unrealized_pnl: Decimal
    unrealized_pnl_pct: Decimal
    reserved_quantity: Decimal
    open_buy_quantity: Decimal = Decimal(0)
    margin: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Portfolio:
    """Money and positions of an account at one moment; the margins are None in a CASH account."""

    balance: Decimal
    total_equity: Decimal
    positions: tuple[Position, ...]
    total_unrealized_pnl: Decimal
    buying_power: Decimal
    reserved: Decimal
    realized_pnl: Decimal
    fees_paid: Decimal
    environment: Environment
    margin_mode: MarginMode = MarginMode.CASH
    margin: Decimal | None = None
    maintenance_margin: Decimal | None = None
    free_margin: Decimal | None = None
    loan: Decimal = Decimal(0)
    interest_paid: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class EquityPoint:
    """The equity of an account at one moment, and the deposits since the point before."""

    time: datetime
    equity: Decimal
    deposits: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class TradingKpi:
    """The performance of an account; 12.5 means 12.5 %, and None means undefined."""

    total_return_pct: float | None
    sharpe_ratio: float | None
    win_rate: float | None
    profit_factor: float | None
    max_drawdown: float | None
    total_trades: int
    sortino_ratio: float | None
    expectancy: float | None
    consecutive_wins: int
    consecutive_losses: int
    rank: int | None
    rank_total: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReturnPoint:
    """The return of an account from the beginning of a period to a moment."""

    time: datetime
    return_pct: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaderboardEntry:
    """One row of the leaderboard; `return_curve` is empty unless it was asked for."""

    rank: int
    display_name: str
    badge: str
    return_pct: float
    win_rate: float | None
    trades: int
    sharpe_ratio: float | None
    max_drawdown: float | None
    was_reset: bool
    own: bool
    return_curve: tuple[ReturnPoint, ...]
    margin_mode: MarginMode = MarginMode.CASH


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaderboard:
    """Some rows of the leaderboard, and the caller's own; `next_page_token` is empty at its end."""

    entries: tuple[LeaderboardEntry, ...]
    own_entry: LeaderboardEntry | None
    rank_total: int
    next_page_token: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardRails:
    """Limits that the owner sets on an account; None is no limit."""

    order_notional_max: Decimal | None
    position_share_max: Decimal | None
    daily_loss_max: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class BotKey:
    """A bot key without its secret."""

    id: str
    label: str
    prefix: str
    account_id: str
    created_at: datetime
    last_used_at: datetime | None
    revoked_at: datetime | None
    scopes: tuple[KeyScope, ...]
    allowed_symbols: tuple[str, ...]
    allowed_asset_types: tuple[AssetType, ...]
    order_notional_max: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewBotKey:
    """A bot key at its creation; only this object holds its secret, `key`."""

    id: str
    label: str
    key: str = field(repr=False)
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A person's session; its token is accepted wherever the person's token is."""

    session_token: str = field(repr=False)
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamTicket:
    """A ticket that opens streams in a browser in place of a key."""

    ticket: str = field(repr=False)
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """The cash settlement of an expired option."""

    symbol: str
    quantity: Decimal
    price: Decimal
    amount: Decimal
    realized_pnl: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderUpdate:
    """One change of an order, with the order as it was right after the change."""

    sequence: int
    type: OrderUpdateType
    order: Order
    fill: Fill | None
    transaction_end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Interest:
    """What a MARGIN account pays for borrowed money and shares."""

    loan_interest: Decimal
    borrow_fee: Decimal
    nights: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MarginCall:
    """Why a margin call began."""

    equity: Decimal
    maintenance_margin: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountUpdate:
    """One change of the account."""

    sequence: int
    type: AccountUpdateType
    amount: Decimal | None
    balance: Decimal
    trading_state: TradingState
    settlement: Settlement | None
    time: datetime
    transaction_end: int
    missed_steps: int | None
    margin_mode: MarginMode = MarginMode.CASH
    interest: Interest | None = None
    margin_call: MarginCall | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockAdvance:
    """Where the clock of a lock-step replay stands, and what happened on the account meanwhile.

    `events` are the first 100 entries of the log from `first_sequence` on. Both sequences are 0 if
    nothing happened.
    """

    time: datetime
    ended: bool
    first_sequence: int
    last_sequence: int
    events: tuple[OrderUpdate | AccountUpdate, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotOrder:
    """A live order of a stream's snapshot, as of a sequence."""

    sequence: int
    order: Order
