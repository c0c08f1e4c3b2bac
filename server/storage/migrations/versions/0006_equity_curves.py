"""Equity curves as sums, and what became of the money that an epoch began with."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

UNITS = sa.BigInteger()


def upgrade() -> None:
    """Add the columns; curves are made of the snapshots when they are first needed."""
    for table, name, kind, value in (
        ("accounts", "initial_balance", UNITS, "0"),
        ("accounts", "initial_share", sa.Double(), "1"),
        ("equity_snapshots", "initial_value", sa.Double(), "0"),
    ):
        column = sa.Column(name, kind, nullable=False, server_default=sa.text(value))
        op.add_column(table, column)
    op.execute(
        "UPDATE accounts SET initial_balance = deposits - coalesce((SELECT sum(amount) FROM inflows"
        " WHERE account_id = accounts.id AND sequence > accounts.epoch_sequence), 0)"
    )
    op.execute("UPDATE equity_snapshots SET initial_value = equity")
    _weigh_inflows(op.get_bind())
    op.create_table(
        "equity_curves",
        sa.Column("account_id", sa.String(length=36), nullable=False),
        sa.Column("epoch_sequence", sa.BigInteger(), nullable=False),
        sa.Column("peak", sa.Double(), nullable=False),
        sa.Column("deepest_fall", sa.Double(), nullable=False),
        sa.Column("day", sa.Integer(), nullable=False),
        sa.Column("day_value", sa.Double(), nullable=False),
        sa.Column("closed_value", sa.Double()),
        sa.Column("returns", sa.Integer(), nullable=False),
        sa.Column("mean_return", sa.Double(), nullable=False),
        sa.Column("squares", sa.Double(), nullable=False),
        sa.Column("downside", sa.Double(), nullable=False),
        sa.Column("first_return", sa.Double(), nullable=False),
        sa.Column("returns_alike", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("account_id", name="pk_equity_curves"),
        sqlite_with_rowid=False,
    )


def _weigh_inflows(connection: sa.Connection) -> None:
    """Take deposits out of the values: a deposit buys a share at the equity right before it."""
    inflows = connection.execute(
        sa.text(
            "SELECT account_id, inflows.sequence, amount, equity_before FROM inflows"
            " JOIN accounts ON id = account_id WHERE inflows.sequence > epoch_sequence"
            " ORDER BY account_id, inflows.sequence"
        )
    ).all()
    for account_id, sequence, amount, before in inflows:
        share = {"id": account_id, "share": before / (before + amount)}
        connection.execute(
            sa.text("UPDATE accounts SET initial_share = initial_share * :share WHERE id = :id"),
            share,
        )
        connection.execute(
            sa.text(
                "UPDATE equity_snapshots SET initial_value = initial_value * :share"
                " WHERE account_id = :id AND sequence >= :sequence"
            ),
            {**share, "sequence": sequence},
        )
