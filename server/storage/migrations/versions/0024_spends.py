"""The spends of the last minute, for whoever owns their accounts next."""

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0021"


def upgrade() -> None:
    """Add an empty table: nobody has stored spends before."""
    op.create_table(
        "spends",
        sa.Column("spender_id", sa.String(36), nullable=False),
        sa.Column("stored_at", sa.BigInteger(), nullable=False),
        sa.Column("windows", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("spender_id", name="pk_spends"),
        sqlite_with_rowid=False,
    )
