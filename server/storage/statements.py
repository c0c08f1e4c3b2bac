"""Statements that the unit of work runs for whole batches, built once."""

from typing import Any

from sqlalchemy import bindparam, text, update
from sqlalchemy.dialects.sqlite import insert as upsert

from server.storage.tables import (
    accounts,
    api_usage,
    bot_keys,
    equity_snapshots,
    orders,
    positions,
    quotes,
)


def _upsert(table: Any, *changing: str) -> Any:
    statement = upsert(table)
    return statement.on_conflict_do_update(
        index_elements=list(table.primary_key.columns),
        set_={name: statement.excluded[name] for name in changing},
    )


# Long IN lists and row-value lists leave the indexes on SQLite; a JSON array that is forced
# to be the outer loop of a join stays on them.
SELECT_ACCOUNTS = text(
    "SELECT accounts.* FROM json_each(:json) AS wanted CROSS JOIN accounts"
    " WHERE accounts.id = wanted.value"
).columns(*accounts.c)
SELECT_POSITIONS = text(
    "SELECT positions.* FROM json_each(:json) AS wanted CROSS JOIN positions"
    " WHERE positions.account_id = wanted.value ->> 0 AND positions.symbol = wanted.value ->> 1"
).columns(*positions.c)
SELECT_BY_CLIENT_ID = text(
    "SELECT orders.* FROM json_each(:json) AS wanted CROSS JOIN orders"
    " WHERE orders.account_id = wanted.value ->> 0"
    " AND orders.client_order_id = wanted.value ->> 1 AND orders.client_order_id IS NOT NULL"
).columns(*orders.c)
SELECT_REACHED = text(
    "SELECT orders.* FROM json_each(:json) AS quote CROSS JOIN orders"
    " WHERE orders.live = 1 AND orders.symbol = quote.value ->> 0"
    " AND orders.side = 'BUY' AND orders.match_price >= quote.value ->> 2"
    " UNION ALL "
    "SELECT orders.* FROM json_each(:json) AS quote CROSS JOIN orders"
    " WHERE orders.live = 1 AND orders.symbol = quote.value ->> 0"
    " AND orders.side = 'SELL' AND orders.match_price <= quote.value ->> 1"
).columns(*orders.c)
UPDATE_ACCOUNT = (
    update(accounts)
    .where(accounts.c.id == bindparam("new_id"))
    .values({name: bindparam(f"new_{name}") for name in accounts.c.keys() if name != "id"})
)
_ORDER_KEY = ("account_id", "sequence")
UPDATE_ORDER = (
    update(orders)
    .where(
        orders.c.account_id == bindparam("new_account_id"),
        orders.c.sequence == bindparam("new_sequence"),
    )
    .values({name: bindparam(f"new_{name}") for name in orders.c.keys() if name not in _ORDER_KEY})
)
STORE_POSITION = _upsert(
    positions, *(name for name in positions.c.keys() if name not in ("account_id", "symbol"))
)
STORE_QUOTE = _upsert(quotes, *(name for name in quotes.c.keys() if name != "symbol"))
ADD_SNAPSHOT = _upsert(equity_snapshots, "equity")
_USAGE = upsert(api_usage)
ADD_USAGE = _USAGE.on_conflict_do_update(
    index_elements=[api_usage.c.account_id, api_usage.c.day],
    set_={"calls": api_usage.c.calls + _USAGE.excluded.calls},
)
USE_KEY = (
    update(bot_keys)
    .where(bot_keys.c.id == bindparam("key_id"))
    .values(last_used_at=bindparam("used_at"))
)
