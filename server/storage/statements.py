"""Statements of the hot path, compiled once, because building them costs more than running them."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

from sqlalchemy import ClauseElement, bindparam, func, insert, update
from sqlalchemy.dialects import sqlite
from sqlalchemy.dialects.sqlite import insert as upsert

from server.domain.order_types import Watch
from server.domain.resting import NEAREST_IS_HIGHEST
from server.storage.margin_tables import accruals
from server.storage.tables import (
    accounts,
    api_usage,
    bars,
    bot_keys,
    commits,
    equity_curves,
    equity_snapshots,
    events,
    fills,
    orders,
    participants,
    positions,
    quotes,
    replays,
    trails,
)


@dataclass(frozen=True, slots=True)
class Bulk:
    """A statement that runs for many rows; `parameters` returns a row's parameters in order.

    With named parameters instead, SQLite would take twice as long.
    """

    text: str
    parameters: Callable[[Mapping[str, Any]], tuple[Any, ...]]


def _bulk(statement: ClauseElement | str) -> Bulk:
    text = statement if isinstance(statement, str) else _compiled(statement)
    return Bulk(re.sub(r":\w+", "?", text), itemgetter(*re.findall(r":(\w+)", text)))


def _compiled(statement: ClauseElement) -> str:
    return str(statement.compile(dialect=sqlite.dialect(paramstyle="named")))


def _upsert(table: Any, *changing: str) -> Bulk:
    statement = upsert(table)
    return _bulk(
        statement.on_conflict_do_update(
            index_elements=list(table.primary_key.columns),
            set_={name: statement.excluded[name] for name in changing},
        )
    )


def _update(table: Any, key: list[str], changing: list[str]) -> Bulk:
    """Return an update by key; its parameters have the names of the columns."""
    values, same_key = ([f"{name} = :{name}" for name in names] for names in (changing, key))
    # Made of our own constants only.
    text = f"UPDATE {table.name} SET {', '.join(values)} WHERE {' AND '.join(same_key)}"  # noqa: S608
    return _bulk(text)


def _others(table: Any, *names: str) -> list[str]:
    return [column.name for column in table.columns if column.name not in names]


# With long IN lists and row-value lists, SQLite does not use the indexes. It does with a JSON array
# that is forced to be the outer loop of a join.
SELECT_ACCOUNTS = (
    "SELECT accounts.* FROM json_each(:json) AS wanted CROSS JOIN accounts"
    " WHERE accounts.id = wanted.value"
)
SELECT_POSITIONS = (
    "SELECT positions.* FROM json_each(:json) AS wanted CROSS JOIN positions"
    " WHERE positions.account_id = wanted.value ->> 0 AND positions.symbol = wanted.value ->> 1"
)
SELECT_BY_CLIENT_ID = (
    "SELECT orders.* FROM json_each(:json) AS wanted CROSS JOIN orders"
    " WHERE orders.account_id = wanted.value ->> 0"
    " AND orders.client_order_id = wanted.value ->> 1 AND orders.client_order_id IS NOT NULL"
)

# What counts in the margin of an account: positions, and symbols with live orders.
STAKES = (
    "(positions.quantity != 0 OR positions.reserved_quantity > 0"
    " OR positions.open_buy_quantity > 0)"
)
SELECT_STAKES = (  # Made of our own constants only.
    "SELECT positions.account_id, positions.symbol FROM json_each(:json) AS wanted"  # noqa: S608
    f" CROSS JOIN positions WHERE positions.account_id = wanted.value AND {STAKES}"
)
# Each part is one search in a partial index.
SELECT_AT_RISK = (
    "SELECT id, max(is_closing) FROM ("
    "SELECT id, 0 AS is_closing FROM accounts WHERE margin_mode = 'MARGIN' AND balance < 0"
    " UNION ALL SELECT account_id, 0 FROM positions WHERE quantity < 0"
    " UNION ALL SELECT account_id, 1 FROM orders WHERE live = 1 AND bot_key_id = 'VENUE'"
    ") GROUP BY id"
)

SELECT_LOGS = (
    "SELECT events.* FROM json_each(:json) AS wanted CROSS JOIN events"
    " WHERE events.account_id = wanted.value ->> 0 AND events.sequence > wanted.value ->> 1"
)
SELECT_REVOKED = (
    "SELECT bot_keys.id FROM json_each(:json) AS wanted CROSS JOIN bot_keys"
    " WHERE bot_keys.id = wanted.value AND bot_keys.revoked_at IS NOT NULL"
)


def _reached(columns: str) -> str:
    # The quotes are (symbol, bid, ask, bid or NULL, ask or NULL). NULL stands for a side with a
    # displayed size of 0, which fills no order. Orders that wait for their trigger compare with the
    # plain prices, because a trigger takes no size.
    watched = (
        (Watch.ASK_FALLS, ">= quote.value ->> 4"),
        (Watch.ASK_RISES, "<= quote.value ->> 2"),
        (Watch.BID_FALLS, ">= quote.value ->> 1"),
        (Watch.BID_RISES, "<= quote.value ->> 3"),
    )
    return " UNION ALL ".join(  # Made of our own constants only.
        f"SELECT {columns} FROM json_each(:json) AS quote CROSS JOIN orders"  # noqa: S608
        " WHERE orders.live = 1 AND orders.symbol = quote.value ->> 0"
        f" AND orders.watch = '{movement.value}' AND orders.match_price {comparison}"
        for movement, comparison in watched
    )


_OVERDUE = "FROM orders WHERE orders.live = 1 AND orders.expires_at <= :now"

SELECT_REACHED = _reached("orders.*")
SELECT_OVERDUE = f"""
    SELECT orders.* {_OVERDUE}
    ORDER BY orders.expires_at, orders.account_id, orders.sequence LIMIT :limit
"""

# Mostly nothing is found, and preparing so many columns costs several times the search.
ANY_REACHED = f"{_reached('1')} LIMIT 1"
ANY_OVERDUE = f"SELECT 1 {_OVERDUE} LIMIT 1"

SELECT_RESTING = (
    "SELECT symbol, watch, min(match_price), max(match_price)"
    " FROM orders WHERE live = 1 AND watch IS NOT NULL GROUP BY symbol, watch"
)


def _nearest(movement: Watch) -> str:
    nearest = "max" if movement in NEAREST_IS_HIGHEST else "min"
    return (  # Made of our own constants only.
        f"(SELECT {nearest}(match_price) FROM orders"  # noqa: S608
        f" WHERE live = 1 AND symbol = :symbol AND watch = '{movement.value}')"
    )


# One column for each movement, in the order of `Watch`. Each is one search in the index.
SELECT_NEAREST = f"SELECT {', '.join(map(_nearest, Watch))}"
SELECT_NEXT_EXPIRY = "SELECT min(expires_at) FROM orders WHERE live = 1"

_TRAILING = "FROM orders WHERE orders.trail_number IS NOT NULL"
_SPAN = (
    f"{_TRAILING} AND orders.symbol = :symbol AND orders.side = :side"
    " AND orders.trail_number > :after AND orders.trail_number <= :until"
)
SELECT_TRAILS_REACHED = (  # Made of our own constants only.
    f"SELECT orders.* {_SPAN} AND orders.trail_amount <= :amount"
    f" UNION ALL SELECT orders.* {_SPAN} AND orders.trail_percent <= :percent"
)
SELECT_LEAST_AMOUNT = (
    f"SELECT trail_amount {_SPAN} AND trail_amount IS NOT NULL ORDER BY trail_amount LIMIT 1"
)
SELECT_LEAST_PERCENT = (
    f"SELECT trail_percent {_SPAN} AND trail_percent IS NOT NULL ORDER BY trail_percent LIMIT 1"
)
SELECT_TRAILING = (
    "SELECT symbol, side, trail_number, min(watermark), max(watermark), min(trail_amount),"
    f" min(trail_percent), count(*) {_TRAILING}"
    " GROUP BY symbol, side, trail_number ORDER BY symbol, side, trail_number"
)
SELECT_MARKS = "SELECT symbol, side, marks FROM trails"
STORE_MARKS = _upsert(trails, "marks")
UPDATE_TRAIL = _update(
    orders,
    ["account_id", "sequence"],
    ["trail_amount", "trail_percent", "watermark", "trail_number"],
)

UPDATE_ACCOUNT = _update(accounts, ["id"], _others(accounts, "id", "user_id", "created_at"))
# Only columns that can change: naming an indexed column would write its index again.
UPDATE_ORDER = _update(
    orders,
    ["account_id", "sequence"],
    [
        "quantity",
        "limit_price",
        "stop_price",
        "status",
        "live",
        "watch",
        "match_price",
        "updated_at",
        "expires_at",
        "status_reason",
        "filled_quantity",
        "filled_notional",
        "fees",
        "reserved",
        "realized_pnl",
        "triggered_at",
        "fee_start_quantity",
        "fee_start_notional",
        "fee_start_fees",
        "notional",
        "held",
        "closed_quantity",
    ],
)
INSERT_ORDER = _bulk(insert(orders))
INSERT_FILL = _bulk(insert(fills))
INSERT_EVENT = _bulk(insert(events))
STORE_POSITION = _upsert(positions, *_others(positions, "account_id", "symbol"))
STORE_QUOTE = _upsert(quotes, *_others(quotes, "symbol"))
_BAR = upsert(bars)
ADD_TO_BAR = _bulk(
    _BAR.on_conflict_do_update(
        index_elements=list(bars.primary_key.columns),
        set_={
            "high": func.max(bars.c.high, _BAR.excluded.high),
            "low": func.min(bars.c.low, _BAR.excluded.low),
            "close": _BAR.excluded.close,
        },
    )
)
SELECT_BARS = (
    "SELECT start, open, high, low, close FROM bars WHERE symbol = :symbol"
    " AND interval = :interval AND start >= :start AND start < :end"
    " ORDER BY start DESC LIMIT :limit"
)
DROP_MINUTES = (
    "DELETE FROM bars WHERE interval = '1M' AND (symbol, start) IN (SELECT symbol, start FROM bars"
    " WHERE interval = '1M' AND start < :before ORDER BY start LIMIT :limit)"
)
STORE_REPLAY = _upsert(replays, "time")
STORE_ACCRUAL = _upsert(accruals, "until", "charging", "after")
STORE_PARTICIPANT = _upsert(participants, "stood", "sequence", "missed")


def _last_snapshot(before: str) -> str:
    # Restricted by time too, so that the many snapshots of earlier epochs are not read.
    return (  # Made of our own constants only.
        "SELECT time FROM equity_snapshots WHERE account_id = :account_id"  # noqa: S608
        f" AND time < {before} AND time >= :epoch_began_at AND sequence >= :epoch_sequence"
        " ORDER BY time DESC LIMIT 1"
    )


# One search for each span that has snapshots; GROUP BY would read all snapshots.
SELECT_SNAPSHOTS = (
    f"WITH RECURSIVE kept (time) AS (SELECT ({_last_snapshot(':before')})"  # noqa: S608
    f" UNION ALL SELECT ({_last_snapshot('kept.time - kept.time % :width')})"
    " FROM kept WHERE kept.time >= :since LIMIT :limit)"
    " SELECT sequence, time, equity FROM kept CROSS JOIN equity_snapshots USING (time)"
    " WHERE account_id = :account_id ORDER BY time"
)
SELECT_WITH_SNAPSHOT = (
    "SELECT account_id FROM json_each(:json) AS wanted CROSS JOIN equity_snapshots"
    " WHERE account_id = wanted.value AND time = :time"
)
ADD_SNAPSHOT = _upsert(equity_snapshots, *_others(equity_snapshots, "account_id", "time"))
STORE_CURVE = _upsert(equity_curves, *_others(equity_curves, "account_id"))
_USAGE = upsert(api_usage)
ADD_USAGE = _bulk(
    _USAGE.on_conflict_do_update(
        index_elements=[api_usage.c.account_id, api_usage.c.day],
        set_={"calls": api_usage.c.calls + _USAGE.excluded.calls},
    )
)
USE_KEY = _bulk(
    update(bot_keys)
    .where(bot_keys.c.id == bindparam("key_id"))
    .values(last_used_at=bindparam("used_at"))
)
NUMBER_COMMIT = _compiled(update(commits).values(number=bindparam("new_number")))
