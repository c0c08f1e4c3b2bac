"""Trailing stops: their distances, and the best prices that they have seen."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    """Add columns, indexes and the table; no older order trails."""
    for name in ("trail_amount", "trail_percent", "watermark", "trail_number"):
        op.add_column("orders", sa.Column(name, sa.BigInteger()))
    for kind in ("amount", "percent"):
        op.create_index(
            f"ix_orders_trail_{kind}",
            "orders",
            ["symbol", "side", f"trail_{kind}", "trail_number"],
            sqlite_where=sa.text("trail_number IS NOT NULL"),
            postgresql_where=sa.text("trail_number IS NOT NULL"),
        )
    op.create_table(
        "trails",
        sa.Column("symbol", sa.String(32), primary_key=True),
        sa.Column("side", sa.String(32), primary_key=True),
        sa.Column("marks", sa.Text(), nullable=False),
    )
