"""Which events of an account's log were stored together."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add the end of its transaction to each event; older ones count as stored alone."""
    op.add_column("events", sa.Column("transaction_end", sa.BigInteger()))
