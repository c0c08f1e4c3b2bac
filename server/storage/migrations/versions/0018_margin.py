"""Margin mode and interest of accounts, live buys of positions, and what orders closed."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"


def upgrade() -> None:
    """Add the columns; every account is a CASH account, in which each sale closed a position.

    The checks no longer forbid a loan and a short position.
    """
    with op.batch_alter_table(
        "accounts",
        table_args=(
            sa.CheckConstraint(
                "reserved >= 0 AND (balance >= reserved OR margin_mode = 'MARGIN')",
                name="ck_accounts_money",
            ),
        ),
    ) as accounts:
        accounts.add_column(_new("margin_mode", sa.String(32), "'CASH'"))
        accounts.add_column(_new("interest_paid", sa.BigInteger(), "0"))
    with op.batch_alter_table(
        "positions",
        table_args=(
            sa.CheckConstraint(
                "reserved_quantity >= 0 AND open_buy_quantity >= 0", name="ck_positions_quantity"
            ),
        ),
        table_kwargs={"sqlite_with_rowid": False},
    ) as positions:
        positions.add_column(_new("open_buy_quantity", sa.BigInteger(), "0"))
    op.add_column("orders", _new("closed_quantity", sa.BigInteger(), "0"))
    op.add_column("orders", _new("reduce_only", sa.Boolean(), "0"))
    op.execute("UPDATE orders SET closed_quantity = filled_quantity WHERE side = 'SELL'")


def _new(name: str, kind: sa.types.TypeEngine[Any], default: str) -> "sa.Column[Any]":
    return sa.Column(name, kind, nullable=False, server_default=sa.text(default))
