"""The place of orders in their groups."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    for column in (
        sa.Column("order_class", sa.String(32)),
        sa.Column("leg", sa.String(32)),
        sa.Column("parent_order_id", sa.String(36)),
        sa.Column("leg_order_ids", sa.String(80)),
        sa.Column("held", sa.Boolean()),
    ):
        op.add_column("orders", column)
