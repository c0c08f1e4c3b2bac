"""Margin mode and interest of accounts, live buys of positions, and what orders closed."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"


def upgrade() -> None:
    """Add the columns; every account is a CASH account, in which each sale closed a position.

    The checks no longer forbid a loan and a short position. Those of before have the name of their
    table twice.
    """
    with op.batch_alter_table("accounts") as accounts:
        accounts.add_column(_new("margin_mode", sa.String(32), "'CASH'"))
        accounts.add_column(_new("interest_paid", sa.BigInteger(), "0"))
        accounts.drop_constraint(op.f("ck_accounts_ck_accounts_money"), type_="check")
        accounts.create_check_constraint(
            op.f("ck_accounts_money"),
            "reserved >= 0 AND (balance >= reserved OR margin_mode = 'MARGIN')",
        )
    without_rowid = {"sqlite_with_rowid": False}
    with op.batch_alter_table("positions", table_kwargs=without_rowid) as positions:
        positions.add_column(_new("open_buy_quantity", sa.BigInteger(), "0"))
        positions.drop_constraint(op.f("ck_positions_ck_positions_quantity"), type_="check")
        positions.create_check_constraint(
            op.f("ck_positions_quantity"), "reserved_quantity >= 0 AND open_buy_quantity >= 0"
        )
    op.add_column("orders", _new("closed_quantity", sa.BigInteger(), "0"))
    op.add_column("orders", _new("reduce_only", sa.Boolean(), "FALSE"))
    op.execute("UPDATE orders SET closed_quantity = filled_quantity WHERE side = 'SELL'")


def _new(name: str, kind: sa.types.TypeEngine[Any], default: str) -> "sa.Column[Any]":
    return sa.Column(name, kind, nullable=False, server_default=sa.text(default))
