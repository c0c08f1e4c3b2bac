"""Epochs of accounts, and the deposits during them."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

UNITS = sa.BigInteger()


def upgrade() -> None:
    """Add what resets and deposits need; every account is in the epoch that it opened with."""
    for name, kind, value in (
        ("resets", sa.Integer(), "0"),
        ("epoch_sequence", sa.BigInteger(), "1"),
        ("epoch_began_at", sa.BigInteger(), "0"),
    ):
        column = sa.Column(name, kind, nullable=False, server_default=sa.text(value))
        op.add_column("accounts", column)
    op.execute("UPDATE accounts SET epoch_began_at = created_at")
    op.add_column(
        "equity_snapshots",
        sa.Column("sequence", sa.BigInteger(), nullable=False, server_default=sa.text("1")),
    )
    op.create_table(
        "inflows",
        sa.Column("account_id", sa.String(length=36), nullable=False),
        sa.Column("sequence", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("time", sa.BigInteger(), nullable=False),
        sa.Column("amount", UNITS, nullable=False),
        sa.Column("equity_before", UNITS, nullable=False),
        sa.PrimaryKeyConstraint("account_id", "sequence", name="pk_inflows"),
        sqlite_with_rowid=False,
    )
