"""Statements that are not built for each call, because building them costs more than running."""

from server.domain.order_types import Watch
from server.domain.resting import NEAREST_IS_HIGHEST
from server.storage.clock_tables import accruals, participants, replays
from server.storage.engine_tables import commits, trails
from server.storage.sql import (
    Insert,
    Lookup,
    Query,
    Update,
    Upsert,
    divided,
    divided_lookup,
    others,
    stored_as_given,
)
from server.storage.tables import (
    accounts,
    api_usage,
    bars,
    bot_keys,
    equity_curves,
    equity_snapshots,
    events,
    fills,
    orders,
    positions,
    quotes,
    spends,
)

_OWNED = "[[ AND shard = ANY(:shards::integer[])]]"
"""Ends a condition: an engine of PostgreSQL that owns some shards finds only what is in them."""

SELECT_ACCOUNTS = Lookup(
    "SELECT accounts.* FROM {wanted} CROSS JOIN accounts WHERE accounts.id = {0}", ("text",)
)
SELECT_POSITIONS = Lookup(
    "SELECT positions.* FROM {wanted} CROSS JOIN positions"
    " WHERE positions.account_id = {0} AND positions.symbol = {1}",
    ("text", "text"),
)
SELECT_BY_CLIENT_ID = Lookup(
    "SELECT orders.* FROM {wanted} CROSS JOIN orders WHERE orders.account_id = {0}"
    " AND orders.client_order_id = {1} AND orders.client_order_id IS NOT NULL",
    ("text", "text"),
)

# What counts in the margin of an account: positions, and symbols with live orders.
STAKES = (
    "(positions.quantity != 0 OR positions.reserved_quantity > 0"
    " OR positions.open_buy_quantity > 0)"
)
SELECT_STAKES = Lookup(  # Made of our own constants only.
    "SELECT positions.account_id, positions.symbol FROM {wanted}"  # noqa: S608
    f" CROSS JOIN positions WHERE positions.account_id = {{0}} AND {STAKES}",
    ("text",),
)
# Each part is one search in a partial index.
SELECT_AT_RISK = divided(  # Made of our own constants only.
    "SELECT id, max(is_closing) FROM ("  # noqa: S608
    f"SELECT id, 0 AS is_closing FROM accounts WHERE margin_mode = 'MARGIN' AND balance < 0{_OWNED}"
    f" UNION ALL SELECT account_id, 0 FROM positions WHERE quantity < 0{_OWNED}"
    f" UNION ALL SELECT account_id, 1 FROM orders WHERE live = 1 AND bot_key_id = 'VENUE'{_OWNED}"
    ") AS found GROUP BY id"
)
SELECT_SHARDS = Lookup(
    "SELECT accounts.id, accounts.shard FROM {wanted} CROSS JOIN accounts WHERE accounts.id = {0}",
    ("text",),
)

SELECT_LOGS = Lookup(
    "SELECT events.* FROM {wanted} CROSS JOIN events"
    " WHERE events.account_id = {0} AND events.sequence > {1}",
    ("text", "bigint"),
)
SELECT_REVOKED = Lookup(
    "SELECT bot_keys.id FROM {wanted} CROSS JOIN bot_keys"
    " WHERE bot_keys.id = {0} AND bot_keys.revoked_at IS NOT NULL",
    ("text",),
)


def _reached(columns: str) -> Lookup:
    # The quotes are (symbol, bid, ask, bid or NULL, ask or NULL). NULL stands for a side with a
    # displayed size of 0, which fills no order. Orders that wait for their trigger compare with the
    # plain prices, because a trigger takes no size.
    watched = (
        (Watch.ASK_FALLS, ">= {4}"),
        (Watch.ASK_RISES, "<= {2}"),
        (Watch.BID_FALLS, ">= {1}"),
        (Watch.BID_RISES, "<= {3}"),
    )
    text = " UNION ALL ".join(  # Made of our own constants only.
        f"SELECT {columns} FROM {{wanted}} CROSS JOIN orders"  # noqa: S608
        " WHERE orders.live = 1 AND orders.symbol = {0}"
        f" AND orders.watch = '{movement.value}' AND orders.match_price {comparison}{_OWNED}"
        for movement, comparison in watched
    )
    return divided_lookup(text, ("text", "bigint", "bigint", "bigint", "bigint"))


_OVERDUE = f"FROM orders WHERE orders.live = 1 AND orders.expires_at <= :now{_OWNED}"

SELECT_REACHED = _reached("orders.*")
SELECT_OVERDUE = divided(
    f"SELECT orders.* {_OVERDUE}"
    " ORDER BY orders.expires_at, orders.account_id, orders.sequence LIMIT :limit"
)

# Mostly nothing is found, and preparing so many columns costs several times the search.
ANY_REACHED = _reached("1")
ANY_OVERDUE = divided(f"SELECT 1 {_OVERDUE} LIMIT 1")

SELECT_RESTING = divided(
    "SELECT symbol, watch, min(match_price), max(match_price)"  # noqa: S608
    f" FROM orders WHERE live = 1 AND watch IS NOT NULL{_OWNED} GROUP BY symbol, watch"
)


def _nearest(movement: Watch) -> str:
    nearest = "max" if movement in NEAREST_IS_HIGHEST else "min"
    return (  # Made of our own constants only.
        f"(SELECT {nearest}(match_price) FROM orders"  # noqa: S608
        f" WHERE live = 1 AND symbol = :symbol AND watch = '{movement.value}'{_OWNED})"
    )


# One column for each movement, in the order of `Watch`. Each is one search in the index.
SELECT_NEAREST = divided(f"SELECT {', '.join(map(_nearest, Watch))}")
SELECT_NEXT_EXPIRY = divided(
    f"SELECT min(expires_at) FROM orders WHERE live = 1{_OWNED}"  # noqa: S608
)

_TRAILING = f"FROM orders WHERE orders.trail_number IS NOT NULL{_OWNED}"
_SPAN = (
    f"{_TRAILING} AND orders.symbol = :symbol AND orders.side = :side"
    " AND orders.trail_number > :after AND orders.trail_number <= :until"
)
SELECT_TRAILS_REACHED = divided(  # Made of our own constants only.
    f"SELECT orders.* {_SPAN} AND orders.trail_amount <= :amount"
    f" UNION ALL SELECT orders.* {_SPAN} AND orders.trail_percent <= :percent"
)
SELECT_LEAST_AMOUNT = divided(
    f"SELECT trail_amount {_SPAN} AND trail_amount IS NOT NULL ORDER BY trail_amount LIMIT 1"
)
SELECT_LEAST_PERCENT = divided(
    f"SELECT trail_percent {_SPAN} AND trail_percent IS NOT NULL ORDER BY trail_percent LIMIT 1"
)
SELECT_TRAILING = divided(
    "SELECT symbol, side, trail_number, min(watermark), max(watermark), min(trail_amount),"
    f" min(trail_percent), count(*) {_TRAILING}"
    " GROUP BY symbol, side, trail_number ORDER BY symbol, side, trail_number"
)
SELECT_MARKS = Query("SELECT symbol, side, marks FROM trails WHERE marks_id = :marks_id")
# With the whole key of either index, it does not matter which one PostgreSQL searches.
_SAME_ORDER = {"id": "id"}
STORE_MARKS = stored_as_given(trails, "marks")
UPDATE_TRAIL = Update(
    orders,
    ("account_id", "sequence"),
    ("trail_amount", "trail_percent", "watermark", "trail_number"),
    expected=_SAME_ORDER,
)

UPDATE_ACCOUNT = Update(
    accounts,
    ("id",),
    others(accounts, "id", "user_id", "created_at", "shard"),
    expected={"sequence": "stored_sequence"},
)
# Only columns that can change: naming an indexed column would write its index again.
UPDATE_ORDER = Update(
    orders,
    ("account_id", "sequence"),
    (
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
    ),
    expected=_SAME_ORDER,
)
INSERT_ORDER = Insert(orders)
INSERT_FILL = Insert(fills)
INSERT_EVENT = Insert(events)
STORE_POSITION = stored_as_given(positions, *others(positions, "account_id", "symbol", "shard"))
STORE_QUOTE = stored_as_given(quotes, *others(quotes, "symbol"))
ADD_TO_BAR = Upsert(
    bars,
    {
        "high": "{greatest}(bars.high, excluded.high)",
        "low": "{least}(bars.low, excluded.low)",
        "close": "excluded.close",
    },
)
SELECT_BARS = Query(
    "SELECT start, open, high, low, close FROM bars WHERE symbol = :symbol"
    " AND interval = :interval AND start >= :start AND start < :end"
    " ORDER BY start DESC LIMIT :limit"
)
DROP_MINUTES = Query(
    "DELETE FROM bars WHERE interval = '1M' AND (symbol, start) IN (SELECT symbol, start FROM bars"
    " WHERE interval = '1M' AND start < :before ORDER BY start LIMIT :limit)"
)
STORE_REPLAY = stored_as_given(replays, "time")
STORE_ACCRUAL = stored_as_given(accruals, "until", "charging", "after")
STORE_PARTICIPANT = stored_as_given(participants, "stood", "sequence", "missed")


def _last_snapshot(before: str) -> str:
    # Restricted by time too, so that the many snapshots of earlier epochs are not read.
    return (  # Made of our own constants only.
        "SELECT time FROM equity_snapshots WHERE account_id = :account_id"  # noqa: S608
        f" AND time < {before} AND time >= :epoch_began_at AND sequence >= :epoch_sequence"
        " ORDER BY time DESC LIMIT 1"
    )


def _kept_snapshots(limit_within: str, kept: str) -> str:
    # One search for each span that has snapshots; GROUP BY would read all snapshots.
    return (
        f"WITH RECURSIVE kept (time) AS (SELECT ({_last_snapshot(':before')})"  # noqa: S608
        f" UNION ALL SELECT ({_last_snapshot('kept.time - kept.time % :width')})"
        f" FROM kept WHERE kept.time >= :since{limit_within})"
        f" SELECT sequence, time, equity FROM {kept} JOIN equity_snapshots USING (time)"
        " WHERE account_id = :account_id ORDER BY time"
    )


# SQLite ends the recursion at a LIMIT within it. PostgreSQL permits none there, but computes no
# more rows of a recursion than are taken from it.
SELECT_SNAPSHOTS = Query(
    _kept_snapshots(" LIMIT :limit", "kept CROSS"),
    postgresql=_kept_snapshots("", "(SELECT time FROM kept LIMIT :limit) AS kept"),
)
SELECT_WITH_SNAPSHOT = Lookup(
    "SELECT equity_snapshots.account_id FROM {wanted} CROSS JOIN equity_snapshots"
    " WHERE equity_snapshots.account_id = {0} AND equity_snapshots.time = {1}",
    ("text", "bigint"),
)
SELECT_WITH_SNAPSHOT_SINCE = Lookup(
    "SELECT DISTINCT equity_snapshots.account_id FROM {wanted} CROSS JOIN equity_snapshots"
    " WHERE equity_snapshots.account_id = {0} AND equity_snapshots.time >= {1}",
    ("text", "bigint"),
)
# A lookup for each moment costs the same however many snapshots there are between them.
SELECT_PAST_VALUES = Lookup(
    "SELECT (SELECT initial_value FROM equity_snapshots AS taken"
    " WHERE taken.account_id = {1} AND taken.time <= {2}"
    " AND taken.time >= {3} AND taken.sequence >= {4}"
    " ORDER BY taken.time DESC LIMIT 1) FROM {wanted} ORDER BY {0}",
    ("bigint", "text", "bigint", "bigint", "bigint"),
)
ADD_SNAPSHOT = stored_as_given(equity_snapshots, *others(equity_snapshots, "account_id", "time"))
STORE_CURVE = stored_as_given(equity_curves, *others(equity_curves, "account_id"))
ADD_USAGE = Upsert(api_usage, {"calls": "api_usage.calls + excluded.calls"})
STORE_SPENDS = stored_as_given(spends, "stored_at", "windows")
USE_KEY = Update(bot_keys, ("id",), ("last_used_at",))
NUMBER_COMMIT = Update(commits, ("database_id", "replica_id"), ("number",))
