"""The notional that an order was placed for instead of a quantity."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    """Add the column; older orders were placed for a quantity."""
    op.add_column("orders", sa.Column("notional", sa.BigInteger()))
