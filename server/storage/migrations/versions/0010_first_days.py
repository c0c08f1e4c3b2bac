"""Returns of first days, in all equity curves."""

from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Drop the sums, which lack those returns; the snapshots give new sums when needed."""
    op.execute("DELETE FROM equity_curves")
