"""The first schema."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

UNITS = sa.BigInteger()


def upgrade() -> None:
    """Create all tables."""
    op.create_table(
        "accounts",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("user_id", sa.String(length=36), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("deposits", UNITS, nullable=False),
        sa.Column("balance", UNITS, nullable=False),
        sa.Column("reserved", UNITS, nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("live_orders", sa.Integer(), nullable=False),
        sa.Column("fills", sa.BigInteger(), nullable=False),
        sa.Column("realized_pnl", UNITS, nullable=False),
        sa.Column("fees_paid", UNITS, nullable=False),
        sa.Column("trading_state", sa.String(length=32), nullable=False),
        sa.Column("trades", sa.BigInteger(), nullable=False),
        sa.Column("wins", sa.BigInteger(), nullable=False),
        sa.Column("gross_profit", UNITS, nullable=False),
        sa.Column("gross_loss", UNITS, nullable=False),
        sa.Column("win_streak", sa.BigInteger(), nullable=False),
        sa.Column("loss_streak", sa.BigInteger(), nullable=False),
        sa.Column("longest_win_streak", sa.BigInteger(), nullable=False),
        sa.Column("longest_loss_streak", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("balance >= reserved AND reserved >= 0", name="ck_accounts_money"),
        sa.PrimaryKeyConstraint("id", name="pk_accounts"),
    )
    op.create_index("ix_accounts_user_id", "accounts", ["user_id"], unique=False)
    op.create_table(
        "api_usage",
        sa.Column("account_id", sa.String(length=36), nullable=False),
        sa.Column("day", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("calls", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("account_id", "day", name="pk_api_usage"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "bot_keys",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("user_id", sa.String(length=36), nullable=False),
        sa.Column("account_id", sa.String(length=36), nullable=False),
        sa.Column("label", sa.String(length=64), nullable=False),
        sa.Column("prefix", sa.String(length=8), nullable=False),
        sa.Column("key_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("last_used_at", sa.BigInteger(), nullable=True),
        sa.Column("revoked_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_bot_keys"),
        sa.UniqueConstraint("key_hash", name="uq_bot_keys_key_hash"),
    )
    op.create_index("ix_bot_keys_user_id", "bot_keys", ["user_id"], unique=False)
    op.create_table(
        "equity_snapshots",
        sa.Column("account_id", sa.String(length=36), nullable=False),
        sa.Column("time", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("equity", UNITS, nullable=False),
        sa.PrimaryKeyConstraint("account_id", "time", name="pk_equity_snapshots"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "events",
        sa.Column("account_id", sa.String(length=36), nullable=False),
        sa.Column("sequence", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("account_id", "sequence", name="pk_events"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "fills",
        sa.Column("account_id", sa.String(length=36), nullable=False),
        sa.Column("sequence", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("order_id", sa.String(length=36), nullable=False),
        sa.Column("bot_key_id", sa.String(length=36), nullable=False),
        sa.Column("symbol", sa.String(length=32), nullable=False),
        sa.Column("asset_type", sa.String(length=32), nullable=False),
        sa.Column("side", sa.String(length=32), nullable=False),
        sa.Column("quantity", UNITS, nullable=False),
        sa.Column("price", UNITS, nullable=False),
        sa.Column("amount", UNITS, nullable=False),
        sa.Column("fee", UNITS, nullable=False),
        sa.Column("realized_pnl", UNITS, nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("account_id", "sequence", name="pk_fills"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_fills_order", "fills", ["account_id", "order_id"], unique=False)
    op.create_table(
        "orders",
        sa.Column("account_id", sa.String(length=36), nullable=False),
        sa.Column("sequence", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("bot_key_id", sa.String(length=36), nullable=False),
        sa.Column("client_order_id", sa.String(length=128), nullable=True),
        sa.Column("fingerprint", sa.String(length=200), nullable=False),
        sa.Column("symbol", sa.String(length=32), nullable=False),
        sa.Column("asset_type", sa.String(length=32), nullable=False),
        sa.Column("side", sa.String(length=32), nullable=False),
        sa.Column("order_type", sa.String(length=32), nullable=False),
        sa.Column("quantity", UNITS, nullable=False),
        sa.Column("limit_price", UNITS, nullable=True),
        sa.Column("stop_price", UNITS, nullable=True),
        sa.Column("time_in_force", sa.String(length=32), nullable=False),
        sa.Column("status", sa.String(length=32), nullable=False),
        sa.Column("live", sa.Boolean(), nullable=False),
        sa.Column("match_price", UNITS, nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=True),
        sa.Column("status_reason", sa.String(length=32), nullable=True),
        sa.Column("rejection_reason", sa.String(length=32), nullable=True),
        sa.Column("rejection_message", sa.String(length=500), nullable=True),
        sa.Column("filled_quantity", UNITS, nullable=False),
        sa.Column("filled_notional", sa.String(length=40), nullable=False),
        sa.Column("fees", UNITS, nullable=False),
        sa.Column("reserved", UNITS, nullable=False),
        sa.Column("realized_pnl", UNITS, nullable=False),
        sa.CheckConstraint("filled_quantity <= quantity", name="ck_orders_filled"),
        sa.PrimaryKeyConstraint("account_id", "sequence", name="pk_orders"),
        sa.UniqueConstraint("account_id", "id", name="uq_orders_account_id_id"),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "ix_orders_expiry",
        "orders",
        ["expires_at"],
        unique=False,
        sqlite_where=sa.text("live = 1"),
        postgresql_where=sa.text("live"),
    )
    op.create_index(
        "ix_orders_live",
        "orders",
        ["account_id", "symbol"],
        unique=False,
        sqlite_where=sa.text("live = 1"),
        postgresql_where=sa.text("live"),
    )
    op.create_index(
        "ix_orders_match",
        "orders",
        ["symbol", "side", "match_price"],
        unique=False,
        sqlite_where=sa.text("live = 1"),
        postgresql_where=sa.text("live"),
    )
    op.create_index(
        "uq_orders_client_order_id",
        "orders",
        ["account_id", "client_order_id"],
        unique=True,
        sqlite_where=sa.text("client_order_id IS NOT NULL"),
        postgresql_where=sa.text("client_order_id IS NOT NULL"),
    )
    op.create_table(
        "positions",
        sa.Column("account_id", sa.String(length=36), nullable=False),
        sa.Column("symbol", sa.String(length=32), nullable=False),
        sa.Column("quantity", UNITS, nullable=False),
        sa.Column("cost_basis", UNITS, nullable=False),
        sa.Column("buy_fees", UNITS, nullable=False),
        sa.Column("reserved_quantity", UNITS, nullable=False),
        sa.Column("quote_time", sa.BigInteger(), nullable=False),
        sa.Column("quote_sequence", sa.BigInteger(), nullable=False),
        sa.Column("bid_taken", UNITS, nullable=False),
        sa.Column("ask_taken", UNITS, nullable=False),
        sa.CheckConstraint(
            "quantity >= reserved_quantity AND reserved_quantity >= 0", name="ck_positions_quantity"
        ),
        sa.PrimaryKeyConstraint("account_id", "symbol", name="pk_positions"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "quotes",
        sa.Column("symbol", sa.String(length=32), nullable=False),
        sa.Column("bid", UNITS, nullable=False),
        sa.Column("bid_size", UNITS, nullable=False),
        sa.Column("ask", UNITS, nullable=False),
        sa.Column("ask_size", UNITS, nullable=False),
        sa.Column("last", UNITS, nullable=False),
        sa.Column("time", sa.BigInteger(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("symbol", name="pk_quotes"),
    )
    op.create_table(
        "users",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("issuer", sa.String(length=255), nullable=False),
        sa.Column("subject", sa.String(length=255), nullable=False),
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("plan", sa.String(length=32), nullable=False),
        sa.Column("is_operator", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_users"),
        sa.UniqueConstraint("issuer", "subject", name="uq_users_issuer_subject"),
    )
