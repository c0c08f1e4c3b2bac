"""Equity snapshots with everything that their account's curve was computed from."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    """Add the columns; for older snapshots it is not known which days counted."""
    for name, kind in (
        ("number", sa.Integer()),
        ("day_counts", sa.Boolean()),
        ("days_skipped", sa.Integer()),
        ("every_day", sa.Boolean()),
    ):
        op.add_column("equity_snapshots", sa.Column(name, kind))
    points = sa.Column("points", sa.Integer(), nullable=False, server_default=sa.text("0"))
    op.add_column("equity_curves", points)
    op.execute(
        "UPDATE equity_curves SET points = (SELECT count(*) FROM equity_snapshots AS taken"
        " WHERE taken.account_id = equity_curves.account_id"
        " AND taken.sequence >= equity_curves.epoch_sequence)"
    )
