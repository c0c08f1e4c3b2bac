"""Rows of people and their bot keys, both ways."""

import json
from typing import Any

from sqlalchemy import Row

from server.domain.instrument import AssetType
from server.domain.user import (
    EVERYTHING,
    BotKey,
    Identity,
    Permissions,
    Plan,
    Scope,
    User,
)
from server.storage.mapping import Values


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
            issued_at=row.token_issued_at,
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
        "token_issued_at": user.identity.issued_at,
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
