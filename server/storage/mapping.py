"""Rows: how domain values are laid out in the tables, both ways."""

import json
from typing import Any

from sqlalchemy import Row

from server.domain.errors import Reason
from server.domain.events import Fill
from server.domain.instrument import AssetType
from server.domain.order import (
    FROM_THE_FIRST_FILL,
    FeeStart,
    Order,
    OrderStatus,
    OrderType,
    Side,
    StatusReason,
    TimeInForce,
)
from server.domain.order_types import phase
from server.domain.user import (
    EVERYTHING,
    BotKey,
    Identity,
    Permissions,
    Plan,
    Scope,
    User,
)

Values = dict[str, Any]


def order_values(order: Order) -> Values:
    """Return the row of an order."""
    live = order.status.is_live
    movement, price = phase(order).watch(order) if live else (None, None)
    # Most orders never had their quantity raised: nothing is stored for them.
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


def key_values(key: BotKey) -> Values:
    """Return the row of a bot key."""
    return {
        "id": key.id,
        "user_id": key.user_id,
        "account_id": key.account_id,
        "label": key.label,
        "prefix": key.prefix,
        "key_hash": key.key_hash,
        "created_at": key.created_at,
        "last_used_at": key.last_used_at,
        "revoked_at": key.revoked_at,
        "permissions": _permissions_text(key.permissions),
    }


def key_from(row: Row[Any]) -> BotKey:
    """Return the bot key of a row."""
    values = dict(row._mapping)
    values["permissions"] = permissions_from(values["permissions"])
    return BotKey(**values)


def permissions_from(text: str | None) -> Permissions:
    """Return what a bot key may do."""
    if text is None:
        return EVERYTHING
    scopes, symbols, asset_types, order_notional_max = json.loads(text)
    return Permissions(
        scopes=tuple(map(Scope, scopes)),
        symbols=tuple(symbols),
        asset_types=tuple(map(AssetType, asset_types)),
        order_notional_max=order_notional_max,
    )


def user_from(row: Row[Any]) -> User:
    """Return the user of a row."""
    return User(
        id=row.id,
        identity=Identity(
            issuer=row.issuer,
            subject=row.subject,
            name=row.name,
            plan=Plan(row.plan),
            is_operator=row.is_operator,
        ),
        created_at=row.created_at,
        account_id=row.first_account_id,
    )


def user_values(user: User) -> Values:
    """Return the row of a user."""
    return {
        "id": user.id,
        "issuer": user.identity.issuer,
        "subject": user.identity.subject,
        "name": user.identity.name,
        "plan": user.identity.plan.value,
        "is_operator": user.identity.is_operator,
        "created_at": user.created_at,
        "first_account_id": user.account_id,
    }


def _permissions_text(permissions: Permissions) -> str | None:
    if permissions == EVERYTHING:
        return None
    return json.dumps(
        [
            [scope.value for scope in permissions.scopes],
            permissions.symbols,
            [asset_type.value for asset_type in permissions.asset_types],
            permissions.order_notional_max,
        ]
    )
