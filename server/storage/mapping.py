"""Rows of accounts, positions, orders and fills, and their mapping to the tables, both ways."""

from typing import Any

from sqlalchemy import Row

from server.domain.account import (
    Account,
    GuardRails,
    MarginMode,
    Position,
    TradeStatistics,
    TradingState,
)
from server.domain.errors import Reason
from server.domain.events import Fill
from server.domain.instrument import AssetType
from server.domain.order import (
    FROM_THE_FIRST_FILL,
    FeeStart,
    GroupRole,
    Leg,
    Order,
    OrderClass,
    OrderStatus,
    OrderType,
    Side,
    StatusReason,
    TimeInForce,
)
from server.domain.order_types import watched

Values = dict[str, Any]


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
        "margin_mode": account.margin_mode.value,
        "interest_paid": account.interest_paid,
        "had_margin": account.had_margin,
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
        margin_mode=MarginMode(row.margin_mode),
        interest_paid=row.interest_paid,
        had_margin=bool(row.had_margin),
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
        "open_buy_quantity": position.open_buy_quantity,
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
        open_buy_quantity=row.open_buy_quantity,
    )


def order_values(order: Order, trail_number: int | None = None) -> Values:
    """Return the row of an order; it has a number while it trails."""
    live, role = order.status.is_live, order.role
    movement, price = (watched(order) if live else None) or (None, None)
    # Nothing is stored for orders whose quantity was never raised, which are most.
    start = None if order.fee_start == FROM_THE_FIRST_FILL else order.fee_start
    return {
        "account_id": order.account_id,
        "sequence": order.sequence,
        "id": order.id,
        "bot_key_id": order.bot_key_id,
        "client_order_id": order.client_order_id,
        "fingerprint": order.fingerprint,
        "symbol": order.symbol,
        "asset_type": order.asset_type.value,
        "side": order.side.value,
        "order_type": order.order_type.value,
        "quantity": order.quantity,
        "limit_price": order.limit_price,
        "stop_price": order.stop_price,
        "time_in_force": order.time_in_force.value,
        "status": order.status.value,
        "live": live,
        "watch": movement and movement.value,
        "match_price": price,
        "created_at": order.created_at,
        "updated_at": order.updated_at,
        "expires_at": order.expires_at,
        "status_reason": order.status_reason and order.status_reason.value,
        "rejection_reason": order.rejection_reason and order.rejection_reason.value,
        "rejection_message": order.rejection_message,
        "filled_quantity": order.filled_quantity,
        "filled_notional": str(order.filled_notional),
        "fees": order.fees,
        "reserved": order.reserved,
        "realized_pnl": order.realized_pnl,
        "triggered_at": order.triggered_at,
        "fee_start_quantity": start and start.quantity,
        "fee_start_notional": start and str(start.notional),
        "fee_start_fees": start and start.fees,
        "notional": order.notional,
        "order_class": role and role.order_class.value,
        "leg": role and role.leg.value,
        "parent_order_id": role and role.parent_order_id,
        "leg_order_ids": role and " ".join(role.leg_order_ids),
        "held": role and role.is_held,
        "trail_amount": order.trail_amount,
        "trail_percent": order.trail_percent,
        "watermark": order.watermark,
        "trail_number": trail_number,
        "closed_quantity": order.closed_quantity,
        "reduce_only": order.reduce_only,
    }


def order_from(row: Row[Any]) -> Order:
    """Return the order of a row."""
    return Order(
        id=row.id,
        account_id=row.account_id,
        sequence=row.sequence,
        bot_key_id=row.bot_key_id,
        client_order_id=row.client_order_id,
        fingerprint=row.fingerprint,
        symbol=row.symbol,
        asset_type=AssetType(row.asset_type),
        side=Side(row.side),
        order_type=OrderType(row.order_type),
        quantity=row.quantity,
        limit_price=row.limit_price,
        stop_price=row.stop_price,
        time_in_force=TimeInForce(row.time_in_force),
        status=OrderStatus(row.status),
        created_at=row.created_at,
        updated_at=row.updated_at,
        expires_at=row.expires_at,
        status_reason=StatusReason(row.status_reason) if row.status_reason else None,
        rejection_reason=Reason(row.rejection_reason) if row.rejection_reason else None,
        rejection_message=row.rejection_message,
        filled_quantity=row.filled_quantity,
        filled_notional=int(row.filled_notional),
        fees=row.fees,
        reserved=row.reserved,
        realized_pnl=row.realized_pnl,
        triggered_at=row.triggered_at,
        fee_start=FROM_THE_FIRST_FILL
        if row.fee_start_notional is None
        else FeeStart(
            quantity=row.fee_start_quantity,
            notional=int(row.fee_start_notional),
            fees=row.fee_start_fees,
        ),
        notional=row.notional,
        role=None if row.order_class is None else _role_from(row),
        trail_amount=row.trail_amount,
        trail_percent=row.trail_percent,
        watermark=row.watermark,
        closed_quantity=row.closed_quantity,
        reduce_only=bool(row.reduce_only),
    )


def _role_from(row: Row[Any]) -> GroupRole:
    return GroupRole(
        order_class=OrderClass(row.order_class),
        leg=Leg(row.leg),
        parent_order_id=row.parent_order_id,
        leg_order_ids=tuple(row.leg_order_ids.split()),
        is_held=bool(row.held),
    )


def fill_values(fill: Fill) -> Values:
    """Return the row of a fill."""
    return {
        "account_id": fill.account_id,
        "sequence": fill.sequence,
        "id": fill.id,
        "order_id": fill.order_id,
        "bot_key_id": fill.bot_key_id,
        "symbol": fill.symbol,
        "asset_type": fill.asset_type.value,
        "side": fill.side.value,
        "quantity": fill.quantity,
        "price": fill.price,
        "amount": fill.amount,
        "fee": fill.fee,
        "rounding": fill.rounding,
        "realized_pnl": fill.realized_pnl,
        "created_at": fill.created_at,
    }


def fill_from(row: Row[Any]) -> Fill:
    """Return the fill of a row."""
    return Fill(
        id=row.id,
        account_id=row.account_id,
        sequence=row.sequence,
        order_id=row.order_id,
        bot_key_id=row.bot_key_id,
        symbol=row.symbol,
        asset_type=AssetType(row.asset_type),
        side=Side(row.side),
        quantity=row.quantity,
        price=row.price,
        amount=row.amount,
        fee=row.fee,
        rounding=row.rounding,
        realized_pnl=row.realized_pnl,
        created_at=row.created_at,
    )
