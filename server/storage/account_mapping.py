"""Rows of accounts: money, positions, what came in and equity curves, both ways."""

from typing import Any

from sqlalchemy import Row

from server.domain.account import (
    Account,
    GuardRails,
    Inflow,
    Position,
    Snapshot,
    TradeStatistics,
    TradingState,
)
from server.domain.equity_curve import EquityCurve, Returns
from server.domain.instrument import AssetType
from server.storage.mapping import Values


def account_values(account: Account) -> Values:
    """Return the row of an account."""
    statistics = account.statistics
    return {
        "id": account.id,
        "user_id": account.user_id,
        "created_at": account.created_at,
        "deposits": account.deposits,
        "balance": account.balance,
        "reserved": account.reserved,
        "sequence": account.sequence,
        "live_orders": account.live_orders,
        "fills": account.fills,
        "traded": " ".join(sorted(kind.value for kind in account.traded)),
        "realized_pnl": account.realized_pnl,
        "fees_paid": account.fees_paid,
        "trading_state": account.trading_state.value,
        "trades": statistics.trades,
        "wins": statistics.wins,
        "gross_profit": statistics.gross_profit,
        "gross_loss": statistics.gross_loss,
        "win_streak": statistics.win_streak,
        "loss_streak": statistics.loss_streak,
        "longest_win_streak": statistics.longest_win_streak,
        "longest_loss_streak": statistics.longest_loss_streak,
        "order_notional_max": account.guard_rails.order_notional_max,
        "position_share_max": account.guard_rails.position_share_max,
        "daily_loss_max": account.guard_rails.daily_loss_max,
        "resets": account.resets,
        "epoch_sequence": account.epoch_sequence,
        "epoch_began_at": account.epoch_began_at,
        "initial_balance": account.initial_balance,
        "initial_share": account.initial_share,
    }


def account_from(row: Row[Any]) -> Account:
    """Return the account of a row."""
    return Account(
        id=row.id,
        user_id=row.user_id,
        created_at=row.created_at,
        deposits=row.deposits,
        balance=row.balance,
        reserved=row.reserved,
        sequence=row.sequence,
        live_orders=row.live_orders,
        fills=row.fills,
        traded=frozenset(map(AssetType, row.traded.split())),
        realized_pnl=row.realized_pnl,
        fees_paid=row.fees_paid,
        trading_state=TradingState(row.trading_state),
        statistics=TradeStatistics(
            trades=row.trades,
            wins=row.wins,
            gross_profit=row.gross_profit,
            gross_loss=row.gross_loss,
            win_streak=row.win_streak,
            loss_streak=row.loss_streak,
            longest_win_streak=row.longest_win_streak,
            longest_loss_streak=row.longest_loss_streak,
        ),
        guard_rails=GuardRails(
            order_notional_max=row.order_notional_max,
            position_share_max=row.position_share_max,
            daily_loss_max=row.daily_loss_max,
        ),
        resets=row.resets,
        epoch_sequence=row.epoch_sequence,
        epoch_began_at=row.epoch_began_at,
        initial_balance=row.initial_balance,
        initial_share=row.initial_share,
    )


def inflow_values(inflow: Inflow) -> Values:
    """Return the row of what came in."""
    return {
        "account_id": inflow.account_id,
        "sequence": inflow.sequence,
        "time": inflow.time,
        "amount": inflow.amount,
        "equity_before": inflow.equity_before,
    }


def inflow_from(row: Row[Any]) -> Inflow:
    """Return what came in by a row."""
    return Inflow(**row._mapping)


def snapshot_values(snapshot: Snapshot) -> Values:
    """Return the row of an equity snapshot."""
    return {
        "account_id": snapshot.account_id,
        "sequence": snapshot.sequence,
        "time": snapshot.time,
        "equity": snapshot.equity,
        "initial_value": snapshot.initial_value,
        "number": snapshot.number,
        "day_counts": snapshot.days.counts,
        "days_skipped": snapshot.days.skipped,
        "every_day": snapshot.days.every_day,
    }


def curve_values(account: Account, curve: EquityCurve) -> Values:
    """Return the row of an equity curve that has a point."""
    returns = curve.closed_returns
    return {
        "account_id": account.id,
        "epoch_sequence": account.epoch_sequence,
        "peak": curve.peak,
        "deepest_fall": curve.deepest_fall,
        "day": curve.day,
        "day_value": curve.day_value,
        "closed_value": curve.closed_value,
        "returns": returns.count,
        "mean_return": returns.mean,
        "squares": returns.squares,
        "downside": returns.downside,
        "first_return": returns.first,
        "returns_alike": returns.alike,
        "day_counts": curve.day_counts,
        "every_day": curve.every_day,
        "points": curve.points,
    }


def curve_from(row: Row[Any]) -> EquityCurve:
    """Return the equity curve of a row."""
    return EquityCurve(
        peak=row.peak,
        deepest_fall=row.deepest_fall,
        day=row.day,
        day_value=row.day_value,
        closed_value=row.closed_value,
        closed_returns=Returns(
            count=row.returns,
            mean=row.mean_return,
            squares=row.squares,
            downside=row.downside,
            first=row.first_return,
            alike=bool(row.returns_alike),
        ),
        day_counts=bool(row.day_counts),
        every_day=bool(row.every_day),
        points=row.points,
    )


def position_values(position: Position) -> Values:
    """Return the row of a position."""
    return {
        "account_id": position.account_id,
        "symbol": position.symbol,
        "quantity": position.quantity,
        "average_cost": position.average_cost,
        "cost_basis": position.cost_basis,
        "buy_fees": position.buy_fees,
        "reserved_quantity": position.reserved_quantity,
        "quote_time": position.quote_time,
        "quote_sequence": position.quote_sequence,
        "bid_taken": position.bid_taken,
        "ask_taken": position.ask_taken,
    }


def position_from(row: Row[Any]) -> Position:
    """Return the position of a row."""
    return Position(
        account_id=row.account_id,
        symbol=row.symbol,
        quantity=row.quantity,
        average_cost=row.average_cost,
        cost_basis=row.cost_basis,
        buy_fees=row.buy_fees,
        reserved_quantity=row.reserved_quantity,
        quote_time=row.quote_time,
        quote_sequence=row.quote_sequence,
        bid_taken=row.bid_taken,
        ask_taken=row.ask_taken,
    )
