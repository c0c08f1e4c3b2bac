"""Bars, and the bar of the running minute, stored with the newest quote of each symbol."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

UNITS = sa.BigInteger()
MINUTE = ("minute_open", "minute_high", "minute_low")


def upgrade() -> None:
    """Add the bars; of the running minute only the newest quote's price is known."""
    op.create_table(
        "bars",
        sa.Column("symbol", sa.String(length=32), nullable=False),
        sa.Column("interval", sa.String(length=32), nullable=False),
        sa.Column("start", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("open", UNITS, nullable=False),
        sa.Column("high", UNITS, nullable=False),
        sa.Column("low", UNITS, nullable=False),
        sa.Column("close", UNITS, nullable=False),
        sa.PrimaryKeyConstraint("symbol", "interval", "start", name="pk_bars"),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "ix_bars_minutes",
        "bars",
        ["start"],
        sqlite_where=sa.text("interval = '1M'"),
        postgresql_where=sa.text("interval = '1M'"),
    )
    for name in MINUTE:
        op.add_column("quotes", sa.Column(name, UNITS))
    op.execute("UPDATE quotes SET minute_open = last, minute_high = last, minute_low = last")
    with op.batch_alter_table("quotes") as quotes:
        for name in MINUTE:
            quotes.alter_column(name, existing_type=UNITS, nullable=False)
