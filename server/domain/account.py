"""Accounts and positions: the money and the holdings that decisions read and change."""

from dataclasses import dataclass
from enum import Enum
from math import floor, log10

from server.domain.equity_curve import TradingDays
from server.domain.instrument import AssetType
from server.domain.values import NOTHING, KeyEnum, Micros, Quantity, Units

EQUITY_DIGITS = 13
"""The number of digits of the largest equity in cents."""


class TradingState(Enum):
    """Which orders an account accepts."""

    ACTIVE = "ACTIVE"
    REDUCING = "REDUCING"
    HALTED = "HALTED"


class MarginMode(KeyEnum):
    """Whether an account may borrow money and sell short."""

    CASH = "CASH"
    MARGIN = "MARGIN"


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardRails:
    """Limits that an owner sets on what an account may do; None is no limit.

    `position_share_max` is the largest share of the equity that one position may have, in percent
    with 8 decimals. Once the loss since 00:00 UTC reaches `daily_loss_max`, only orders pass that
    reduce a position.
    """

    order_notional_max: Units | None = None
    position_share_max: Units | None = None
    daily_loss_max: Units | None = None

    @property
    def need_exposure(self) -> bool:
        """Tell whether the limits depend on the account's exposure."""
        return self.position_share_max is not None or self.daily_loss_max is not None


NO_GUARD_RAILS = GuardRails()


@dataclass(frozen=True, slots=True, kw_only=True)
class TradeStatistics:
    """Figures over closed trades.

    A closed trade is an order that reduced a position, or the settlement of an option.
    """

    trades: int = 0
    wins: int = 0
    gross_profit: Units = 0
    gross_loss: Units = 0
    win_streak: int = 0
    loss_streak: int = 0
    longest_win_streak: int = 0
    longest_loss_streak: int = 0

    def book(self, pnl: Units) -> "TradeStatistics":
        """Count one closed trade; a P&L of zero is neither win nor loss and ends both streaks."""
        win_streak = self.win_streak + 1 if pnl > 0 else 0
        loss_streak = self.loss_streak + 1 if pnl < 0 else 0
        return TradeStatistics(
            trades=self.trades + 1,
            wins=self.wins + (pnl > 0),
            gross_profit=self.gross_profit + max(pnl, 0),
            gross_loss=self.gross_loss + max(-pnl, 0),
            win_streak=win_streak,
            loss_streak=loss_streak,
            longest_win_streak=max(self.longest_win_streak, win_streak),
            longest_loss_streak=max(self.longest_loss_streak, loss_streak),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """The money of one account and the end of its log.

    `sequence` is the number of the newest event. `reserved` is the part of `balance` that live BUY
    orders hold back. An account begins an epoch when it is opened and at each reset. The event
    `epoch_sequence` begins it, at `epoch_began_at`, with `initial_balance`. These figures count
    the epoch alone: `deposits` (all money that came in), `fills`, `traded` (asset types),
    `realized_pnl`, `fees_paid` and `statistics`. P&L and fees have 8 decimals, other money is in
    whole cents. `initial_share` is the share of the equity that the initial balance has become.
    A later deposit multiplies it by the equity before it, divided by the equity after it. It is 0
    once the account is bankrupt. `interest_paid` is what the epoch cost in interest and borrow
    fees, in whole cents. `had_margin` tells whether it was a MARGIN account at any time of the
    epoch: it then ranks among those.
    """

    id: str
    user_id: str
    created_at: Micros
    deposits: Units
    balance: Units
    reserved: Units = 0
    sequence: int = 0
    live_orders: int = 0
    fills: int = 0
    traded: frozenset[AssetType] = frozenset()
    realized_pnl: Units = 0
    fees_paid: Units = 0
    trading_state: TradingState = TradingState.ACTIVE
    statistics: TradeStatistics = TradeStatistics()
    guard_rails: GuardRails = NO_GUARD_RAILS
    resets: int = 0
    epoch_sequence: int = 0
    epoch_began_at: Micros = 0
    initial_balance: Units = 0
    initial_share: float = 1.0
    margin_mode: MarginMode = MarginMode.CASH
    interest_paid: Units = 0
    had_margin: bool = False

    @property
    def uses_margin(self) -> bool:
        """Tell whether the account may borrow money and sell short."""
        return self.margin_mode is MarginMode.MARGIN

    @property
    def buying_power(self) -> Units:
        """Return the money that a new order of a CASH account may spend."""
        return self.balance - self.reserved

    def initial_value(self, equity: Units) -> float:
        """Return what the initial balance has become when the account's equity is `equity`.

        A deposit does not change this value, so its growth is the time-weighted return: the
        product of the growth between deposits (D. Spaulding, Investment Performance Measurement).
        The floating-point errors of the product are rounded away. They would look like returns
        of an unchanged account, and ratios of such returns can have any size. An equity below zero
        counts as zero, because nobody can lose more than everything.
        """
        value = max(equity, 0) * self.initial_share
        if self.initial_share == 1.0 or not value:
            return value
        return round(value, EQUITY_DIGITS - 1 - floor(log10(value)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """What an account holds of one symbol, and what it has taken of the last quote that it saw.

    `cost_basis` is the held quantity at the prices of its fills. `buy_fees` are the fees and the
    rounding paid for it. Both have 8 decimals; together they are the money paid for the quantity.
    `average_cost` is the mean of those prices; a sale does not change it. `reserved_quantity` is
    what live SELL orders hold back. `quote_time` and `quote_sequence` name the last quote.
    `bid_taken` and `ask_taken` are the parts of its displayed sizes that the account has taken.

    Only in a MARGIN account, for a STOCK or an ETF: `quantity` and `cost_basis` of a short position
    are negative, and `buy_fees` are the fees of its opening sales. `open_buy_quantity` is what
    live BUY orders have left, and `reserved_quantity` what live SELL orders have left, whether
    the position holds it or not; two exits of a group count once.
    """

    account_id: str
    symbol: str
    quantity: Quantity = NOTHING
    average_cost: Units = 0
    cost_basis: Units = 0
    buy_fees: Units = 0
    reserved_quantity: Quantity = NOTHING
    quote_time: Micros = 0
    quote_sequence: int = 0
    bid_taken: Quantity = NOTHING
    ask_taken: Quantity = NOTHING
    open_buy_quantity: Quantity = NOTHING

    @property
    def free_quantity(self) -> Quantity:
        """Return the quantity that a new SELL order may sell."""
        return Quantity(self.quantity - self.reserved_quantity)


@dataclass(frozen=True, slots=True, kw_only=True)
class Inflow:
    """A deposit during an epoch, and the account's equity right before it.

    `sequence` is that of the deposit's event.
    """

    account_id: str
    sequence: int
    time: Micros
    amount: Units
    equity_before: Units


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """The equity of an account at a moment, when `sequence` was its newest event.

    `initial_value` is what the initial balance had become. `number` counts the snapshots of the
    epoch, from 1. `days` are the trading days that it added to the equity curve.
    """

    account_id: str
    sequence: int
    time: Micros
    equity: Units
    initial_value: float
    number: int
    days: TradingDays


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotFilter:
    """Which equity snapshots to read: the last one of each interval of `width`, before a moment.

    The result is the newest `limit` of them, back to the first one before `since`. With None it
    goes back to the beginning of the epoch.
    """

    since: Micros | None
    before: Micros
    width: Micros
    limit: int
