"""The accounts for which the clock of a lock-step replay waits."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    op.create_table(
        "participants",
        sa.Column("account_id", sa.String(36), nullable=False),
        sa.Column("stood", sa.BigInteger(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("missed", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("account_id", name="pk_participants"),
        sqlite_with_rowid=False,
    )
