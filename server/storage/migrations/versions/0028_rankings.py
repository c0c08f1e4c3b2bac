"""The ranking that all servers of a venue show, as the file that one of them made."""

import sqlalchemy as sa
from alembic import op

revision = "0028"
down_revision = "0025"


def upgrade() -> None:
    """Add an empty table: the first server to start fills it."""
    op.create_table(
        "rankings",
        sa.Column("form", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("part", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("made_at", sa.BigInteger(), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("form", "part", name="pk_rankings"),
    )
