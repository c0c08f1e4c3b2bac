"""Stops, replaced orders, guard rails, permissions of keys, and the progress of a replay."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

UNITS = sa.BigInteger()


def upgrade() -> None:
    """Add the columns and tables that the new trading rules need."""
    op.add_column("accounts", sa.Column("order_notional_max", UNITS))
    op.add_column("accounts", sa.Column("position_share_max", UNITS))
    op.add_column("accounts", sa.Column("daily_loss_max", UNITS))
    op.add_column("bot_keys", sa.Column("permissions", sa.Text()))
    op.add_column("orders", sa.Column("watch", sa.String(length=32)))
    op.add_column("orders", sa.Column("triggered_at", sa.BigInteger()))
    op.add_column("orders", sa.Column("fee_start_quantity", UNITS))
    op.add_column("orders", sa.Column("fee_start_notional", sa.String(length=40)))
    op.add_column("orders", sa.Column("fee_start_fees", UNITS))
    op.execute(
        "UPDATE orders SET watch = CASE side WHEN 'BUY' THEN 'ASK_FALLS' ELSE 'BID_RISES' END"
        " WHERE match_price IS NOT NULL"
    )
    op.drop_index("ix_orders_match", table_name="orders")
    op.create_index(
        "ix_orders_match",
        "orders",
        ["symbol", "watch", "match_price"],
        sqlite_where=sa.text("live = 1"),
        postgresql_where=sa.text("live"),
    )
    op.create_table(
        "replays",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("time", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_replays")),
    )
