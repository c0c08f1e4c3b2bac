"""Accounts and positions: the money and the holdings that decisions read and change."""

from dataclasses import dataclass
from enum import Enum
from math import floor, log10

from server.domain.equity_curve import TradingDays
from server.domain.instrument import AssetType
from server.domain.values import Micros, Units

EQUITY_DIGITS = 13
"""The largest equity has so many, in cents."""


class TradingState(Enum):
    """Which orders an account accepts."""

    ACTIVE = "ACTIVE"
    REDUCING = "REDUCING"
    HALTED = "HALTED"


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardRails:
    """Limits that an owner sets on what an account may do; None is no limit.

    `position_share_max` is the share of the equity that one position may have, in percent with
    8 decimals; `daily_loss_max` the loss since 00:00 UTC after which only sales pass.
    """

    order_notional_max: Units | None = None
    position_share_max: Units | None = None
    daily_loss_max: Units | None = None

    @property
    def need_exposure(self) -> bool:
        """Tell whether the limits depend on what the account holds."""
        return self.position_share_max is not None or self.daily_loss_max is not None


NO_GUARD_RAILS = GuardRails()


@dataclass(frozen=True, slots=True, kw_only=True)
class TradeStatistics:
    """Figures over closed trades.

    A closed trade is a SELL order that filled anything, or the settlement of an option.
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
        """Count one closed trade; zero is neither win nor loss and ends both streaks."""
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

    `sequence` is the number of the newest event, `reserved` what live BUY orders hold back of
    `balance`. An account begins an epoch when it is opened and whenever it is reset: with the
    event `epoch_sequence`, at `epoch_began_at`, and with `initial_balance`. Of the epoch alone
    are `deposits`, all money that came in, `fills`, the asset types that were `traded`,
    `realized_pnl`, `fees_paid` and `statistics`; P&L and fees have 8 decimals, other money whole
    cents. `initial_share` is the part of the account that its initial balance makes up: what came
    in later bought the rest, at the value of then.
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

    @property
    def buying_power(self) -> Units:
        """Return the money that a new order may spend."""
        return self.balance - self.reserved

    def initial_value(self, equity: Units) -> float:
        """Return what became of the initial balance when the account is worth `equity`.

        Money that comes in does not move it, so its growth is the time-weighted return, the
        product of the growth between deposits (D. Spaulding, Investment Performance Measurement).
        The product's own errors are rounded away: they would make returns of what did not
        change, and ratios of such returns are of any size.
        """
        value = equity * self.initial_share
        if self.initial_share == 1.0 or not value:
            return value
        return round(value, EQUITY_DIGITS - 1 - floor(log10(value)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """What an account holds of one symbol, and what it took of the newest quote.

    `cost_basis` is what was bought at the prices of its fills and `buy_fees` what else was paid,
    both for what is still held and with 8 decimals; together they are the money paid for it.
    `average_cost` is the mean of those prices; a sale does not move it. `reserved_quantity` is
    what live SELL orders hold back. `quote_time` and `quote_sequence` name the quote of which
    `bid_taken` and `ask_taken` are gone.
    """

    account_id: str
    symbol: str
    quantity: Units = 0
    average_cost: Units = 0
    cost_basis: Units = 0
    buy_fees: Units = 0
    reserved_quantity: Units = 0
    quote_time: Micros = 0
    quote_sequence: int = 0
    bid_taken: Units = 0
    ask_taken: Units = 0

    @property
    def free_quantity(self) -> Units:
        """Return what a new SELL order may sell."""
        return self.quantity - self.reserved_quantity


@dataclass(frozen=True, slots=True, kw_only=True)
class Inflow:
    """Money that came in during an epoch, and what the account was worth right before it.

    `sequence` is that of its event.
    """

    account_id: str
    sequence: int
    time: Micros
    amount: Units
    equity_before: Units


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """What an account was worth at a moment, when `sequence` was its newest event.

    `initial_value` is what had become of the initial balance. `number` counts the snapshots of
    the epoch, from 1; `days` are those that the equity curve was told with it.
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
    """Which equity snapshots to read: the last one of each span of `width`, before a moment.

    They are the newest `limit` down to the first one before `since`; None is the beginning.
    """

    since: Micros | None
    before: Micros
    width: Micros
    limit: int
