"""Which events of an account's log were stored together."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add to each event the end of its transaction; older events count as stored alone."""
    op.add_column("events", sa.Column("transaction_end", sa.BigInteger()))
