"""Tables: the stored columns, their keys, and the indexes that queries use."""

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Double,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

UNITS = BigInteger()
ID = String(36)
SYMBOL = String(32)
NAME = String(32)
TIME = BigInteger

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _where(condition: str) -> dict[str, Any]:
    return {f"{dialect}_where": text(condition) for dialect in ("sqlite", "postgresql")}


def _shard() -> Column[int]:
    """Return the shard of a row: that of its user. In a file it is always the default."""
    return Column("shard", Integer, nullable=False, server_default="0")


def _sharded(name: str, *columns: str, **conditions: Any) -> tuple[Index, Index]:
    """Return an index that ends with the shard in PostgreSQL.

    So an engine skips the rows of others within the index.
    """
    return (
        Index(name, *columns, **conditions).ddl_if(dialect="sqlite"),
        Index(name, *columns, "shard", **conditions).ddl_if(dialect="postgresql"),
    )


users = Table(
    "users",
    metadata,
    Column("id", ID, primary_key=True),
    Column("issuer", String(255), nullable=False),
    Column("subject", String(255), nullable=False),
    Column("name", String(128), nullable=False),
    Column("plan", NAME, nullable=False),
    Column("is_operator", Boolean, nullable=False),
    Column("created_at", TIME, nullable=False),
    # The account that the first token opened; times may go back, so they cannot identify it.
    Column("first_account_id", ID, nullable=False),
    # Of the token that described the user last, in Unix seconds.
    Column("token_issued_at", BigInteger, nullable=False),
    UniqueConstraint("issuer", "subject"),
)

accounts = Table(
    "accounts",
    metadata,
    Column("id", ID, primary_key=True),
    Column("user_id", ID, nullable=False, index=True),
    Column("created_at", TIME, nullable=False),
    Column("deposits", UNITS, nullable=False),
    Column("balance", UNITS, nullable=False),
    Column("reserved", UNITS, nullable=False),
    Column("sequence", BigInteger, nullable=False),
    Column("live_orders", Integer, nullable=False),
    Column("fills", BigInteger, nullable=False),
    # The asset types of the fills, separated by spaces.
    Column("traded", String(64), nullable=False),
    Column("realized_pnl", UNITS, nullable=False),
    Column("fees_paid", UNITS, nullable=False),
    Column("trading_state", NAME, nullable=False),
    Column("trades", BigInteger, nullable=False),
    Column("wins", BigInteger, nullable=False),
    Column("gross_profit", UNITS, nullable=False),
    Column("gross_loss", UNITS, nullable=False),
    Column("win_streak", BigInteger, nullable=False),
    Column("loss_streak", BigInteger, nullable=False),
    Column("longest_win_streak", BigInteger, nullable=False),
    Column("longest_loss_streak", BigInteger, nullable=False),
    Column("order_notional_max", UNITS),
    Column("position_share_max", UNITS),
    Column("daily_loss_max", UNITS),
    # The figures from deposits to longest_loss_streak are those of the epoch.
    Column("resets", Integer, nullable=False),
    Column("epoch_sequence", BigInteger, nullable=False),
    Column("epoch_began_at", TIME, nullable=False),
    Column("initial_balance", UNITS, nullable=False),
    Column("initial_share", Double, nullable=False),
    Column("margin_mode", NAME, nullable=False),
    Column("interest_paid", UNITS, nullable=False),
    Column("had_margin", Boolean, nullable=False),
    _shard(),
    CheckConstraint(
        "reserved >= 0 AND (balance >= reserved OR margin_mode = 'MARGIN')", name="money"
    ),
    *_sharded("ix_accounts_loan", "id", **_where("margin_mode = 'MARGIN' AND balance < 0")),
)

bot_keys = Table(
    "bot_keys",
    metadata,
    Column("id", ID, primary_key=True),
    Column("user_id", ID, nullable=False, index=True),
    Column("account_id", ID, nullable=False),
    Column("label", String(64), nullable=False),
    Column("prefix", String(8), nullable=False),
    Column("key_hash", LargeBinary(32), nullable=False, unique=True),
    Column("created_at", TIME, nullable=False),
    Column("last_used_at", TIME),
    Column("revoked_at", TIME),
    # JSON; NULL permits everything.
    Column("permissions", Text),
)

# A used token is kept for a while after it has expired, because clocks may go back.
used_sign_ins = Table(
    "used_sign_ins",
    metadata,
    Column("token_id", ID, primary_key=True),
    Column("expires_at", TIME, nullable=False),
    sqlite_with_rowid=False,
)

positions = Table(
    "positions",
    metadata,
    Column("account_id", ID, primary_key=True),
    Column("symbol", SYMBOL, primary_key=True),
    Column("quantity", UNITS, nullable=False),
    Column("average_cost", UNITS, nullable=False),
    Column("cost_basis", UNITS, nullable=False),
    Column("buy_fees", UNITS, nullable=False),
    Column("reserved_quantity", UNITS, nullable=False),
    Column("quote_time", TIME, nullable=False),
    Column("quote_sequence", BigInteger, nullable=False),
    Column("bid_taken", UNITS, nullable=False),
    Column("ask_taken", UNITS, nullable=False),
    Column("open_buy_quantity", UNITS, nullable=False),
    _shard(),
    CheckConstraint("reserved_quantity >= 0 AND open_buy_quantity >= 0", name="quantity"),
    *_sharded("ix_positions_short", "account_id", **_where("quantity < 0")),
    sqlite_with_rowid=False,
)

# Written as SQLAlchemy writes the condition, so that queries match the indexes.
LIVE: dict[str, Any] = {"sqlite_where": text("live = 1"), "postgresql_where": text("live")}
TRAILING = _where("trail_number IS NOT NULL")

orders = Table(
    "orders",
    metadata,
    Column("account_id", ID, primary_key=True),
    Column("sequence", BigInteger, primary_key=True, autoincrement=False),
    Column("id", ID, nullable=False),
    Column("bot_key_id", ID, nullable=False),
    Column("client_order_id", String(128)),
    Column("fingerprint", String(200), nullable=False),
    Column("symbol", SYMBOL, nullable=False),
    Column("asset_type", NAME, nullable=False),
    Column("side", NAME, nullable=False),
    Column("order_type", NAME, nullable=False),
    Column("quantity", UNITS, nullable=False),
    Column("limit_price", UNITS),
    Column("stop_price", UNITS),
    Column("time_in_force", NAME, nullable=False),
    Column("status", NAME, nullable=False),
    # Derived, for the partial indexes: whether the order is live, which price movement reaches it
    # and at which price.
    Column("live", Boolean, nullable=False),
    Column("watch", NAME),
    Column("match_price", UNITS),
    Column("created_at", TIME, nullable=False),
    Column("updated_at", TIME, nullable=False),
    Column("expires_at", TIME),
    Column("status_reason", NAME),
    Column("rejection_reason", NAME),
    Column("rejection_message", String(500)),
    Column("filled_quantity", UNITS, nullable=False),
    # Text, because the number can exceed 64 bits.
    Column("filled_notional", String(40), nullable=False),
    Column("fees", UNITS, nullable=False),
    Column("reserved", UNITS, nullable=False),
    Column("realized_pnl", UNITS, nullable=False),
    Column("triggered_at", TIME),
    Column("fee_start_quantity", UNITS),
    Column("fee_start_notional", String(40)),
    Column("fee_start_fees", UNITS),
    Column("notional", UNITS),
    # NULL for orders that stand alone. The legs are ids, separated by spaces.
    Column("order_class", NAME),
    Column("leg", NAME),
    Column("parent_order_id", ID),
    Column("leg_order_ids", String(80)),
    Column("held", Boolean),
    Column("trail_amount", UNITS),
    Column("trail_percent", UNITS),
    # The best price that the order had seen at its last event; a later one is among the `trails`,
    # under this number. NULL once the order no longer trails.
    Column("watermark", UNITS),
    Column("trail_number", BigInteger),
    Column("closed_quantity", UNITS, nullable=False),
    Column("reduce_only", Boolean, nullable=False),
    _shard(),
    CheckConstraint("filled_quantity <= quantity", name="filled"),
    UniqueConstraint("account_id", "id"),
    Index(
        "uq_orders_client_order_id",
        "account_id",
        "client_order_id",
        unique=True,
        sqlite_where=text("client_order_id IS NOT NULL"),
        postgresql_where=text("client_order_id IS NOT NULL"),
    ),
    *_sharded("ix_orders_match", "symbol", "watch", "match_price", **LIVE),
    Index("ix_orders_live", "account_id", "symbol", **LIVE),
    *_sharded("ix_orders_expiry", "expires_at", **LIVE),
    # The bot key is that of orders of margin calls.
    *_sharded(
        "ix_orders_venue",
        "account_id",
        sqlite_where=text("live = 1 AND bot_key_id = 'VENUE'"),
        postgresql_where=text("live AND bot_key_id = 'VENUE'"),
    ),
    *_sharded(
        "ix_orders_trail_amount", "symbol", "side", "trail_amount", "trail_number", **TRAILING
    ),
    *_sharded(
        "ix_orders_trail_percent", "symbol", "side", "trail_percent", "trail_number", **TRAILING
    ),
    sqlite_with_rowid=False,
)

fills = Table(
    "fills",
    metadata,
    Column("account_id", ID, primary_key=True),
    Column("sequence", BigInteger, primary_key=True, autoincrement=False),
    Column("id", ID, nullable=False),
    Column("order_id", ID, nullable=False),
    Column("bot_key_id", ID, nullable=False),
    Column("symbol", SYMBOL, nullable=False),
    Column("asset_type", NAME, nullable=False),
    Column("side", NAME, nullable=False),
    Column("quantity", UNITS, nullable=False),
    Column("price", UNITS, nullable=False),
    Column("amount", UNITS, nullable=False),
    Column("fee", UNITS, nullable=False),
    # NULL for old fills, whose rounding was not recorded.
    Column("rounding", UNITS),
    Column("realized_pnl", UNITS),
    Column("created_at", TIME, nullable=False),
    Index("ix_fills_order", "account_id", "order_id"),
    sqlite_with_rowid=False,
)

events = Table(
    "events",
    metadata,
    Column("account_id", ID, primary_key=True),
    Column("sequence", BigInteger, primary_key=True, autoincrement=False),
    Column("payload", LargeBinary, nullable=False),
    # Sequence of the last event of the same transaction; NULL means its own.
    Column("transaction_end", BigInteger),
    sqlite_with_rowid=False,
)

quotes = Table(
    "quotes",
    metadata,
    Column("symbol", SYMBOL, primary_key=True),
    Column("bid", UNITS, nullable=False),
    Column("bid_size", UNITS, nullable=False),
    Column("ask", UNITS, nullable=False),
    Column("ask_size", UNITS, nullable=False),
    Column("last", UNITS, nullable=False),
    Column("time", TIME, nullable=False),
    Column("sequence", BigInteger, nullable=False),
    # The bar of the running minute: it starts with the minute of `time` and closes at `last`.
    Column("minute_open", UNITS, nullable=False),
    Column("minute_high", UNITS, nullable=False),
    Column("minute_low", UNITS, nullable=False),
)

bars = Table(
    "bars",
    metadata,
    Column("symbol", SYMBOL, primary_key=True),
    Column("interval", NAME, primary_key=True),
    Column("start", TIME, primary_key=True, autoincrement=False),
    Column("open", UNITS, nullable=False),
    Column("high", UNITS, nullable=False),
    Column("low", UNITS, nullable=False),
    Column("close", UNITS, nullable=False),
    # For dropping the oldest minutes, including those of symbols without new quotes.
    Index(
        "ix_bars_minutes",
        "start",
        sqlite_where=text("interval = '1M'"),
        postgresql_where=text("interval = '1M'"),
    ),
    sqlite_with_rowid=False,
)

equity_snapshots = Table(
    "equity_snapshots",
    metadata,
    Column("account_id", ID, primary_key=True),
    Column("time", TIME, primary_key=True, autoincrement=False),
    Column("equity", UNITS, nullable=False),
    # The account's newest event at that time; times may go back, and several events can share one.
    Column("sequence", BigInteger, nullable=False),
    Column("initial_value", Double, nullable=False),
    # Its number within the epoch, and its trading days; NULL for old snapshots without them.
    Column("number", Integer),
    Column("day_counts", Boolean),
    Column("days_skipped", Integer),
    Column("every_day", Boolean),
    sqlite_with_rowid=False,
)

# The sums over the snapshots of an account's epoch, so that no call reads all of them.
equity_curves = Table(
    "equity_curves",
    metadata,
    Column("account_id", ID, primary_key=True),
    Column("epoch_sequence", BigInteger, nullable=False),
    Column("peak", Double, nullable=False),
    Column("deepest_fall", Double, nullable=False),
    Column("day", Integer, nullable=False),
    Column("day_value", Double, nullable=False),
    Column("closed_value", Double),
    Column("returns", Integer, nullable=False),
    Column("mean_return", Double, nullable=False),
    Column("squares", Double, nullable=False),
    Column("downside", Double, nullable=False),
    Column("first_return", Double, nullable=False),
    Column("returns_alike", Boolean, nullable=False),
    Column("day_counts", Boolean, nullable=False),
    Column("every_day", Boolean, nullable=False),
    Column("points", Integer, nullable=False),
    sqlite_with_rowid=False,
)

# Deposits after the beginning of an epoch, and the equity right before each.
inflows = Table(
    "inflows",
    metadata,
    Column("account_id", ID, primary_key=True),
    Column("sequence", BigInteger, primary_key=True, autoincrement=False),
    Column("time", TIME, nullable=False),
    Column("amount", UNITS, nullable=False),
    Column("equity_before", UNITS, nullable=False),
    sqlite_with_rowid=False,
)

api_usage = Table(
    "api_usage",
    metadata,
    Column("account_id", ID, primary_key=True),
    Column("day", Integer, primary_key=True, autoincrement=False),
    Column("calls", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

# What accounts and persons spent within a minute before the row was stored, and what may have
# followed; JSON. Only the engines of a venue on PostgreSQL store it.
spends = Table(
    "spends",
    metadata,
    Column("spender_id", ID, primary_key=True),
    Column("stored_at", TIME, nullable=False),
    Column("windows", Text, nullable=False),
    sqlite_with_rowid=False,
)
