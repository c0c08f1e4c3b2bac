"""Until when interest is charged, and indexes that find the accounts at risk."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"


def upgrade() -> None:
    """Add the table and the indexes; no older account is at risk."""
    op.create_table(
        "accruals",
        sa.Column("clock", sa.String(64), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=False),
        sa.Column("charging", sa.BigInteger()),
        sa.Column("after", sa.String(36), nullable=False),
        sa.PrimaryKeyConstraint("clock", name="pk_accruals"),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "ix_accounts_loan",
        "accounts",
        ["id"],
        **_where("margin_mode = 'MARGIN' AND balance < 0"),
    )
    op.create_index("ix_positions_short", "positions", ["account_id"], **_where("quantity < 0"))
    op.create_index(
        "ix_orders_venue",
        "orders",
        ["account_id"],
        sqlite_where=sa.text("live = 1 AND bot_key_id = 'VENUE'"),
        postgresql_where=sa.text("live AND bot_key_id = 'VENUE'"),
    )


def _where(condition: str) -> dict[str, Any]:
    return {f"{dialect}_where": sa.text(condition) for dialect in ("sqlite", "postgresql")}
