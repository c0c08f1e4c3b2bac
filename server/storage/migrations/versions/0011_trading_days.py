"""What accounts traded in their epoch, and which days of their equity curves count."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Add the columns; days that have already ended count as before."""
    traded = sa.Column("traded", sa.String(length=64), nullable=False, server_default=sa.text("''"))
    op.add_column("accounts", traded)
    for name, value in (("day_counts", sa.true()), ("every_day", sa.false())):
        column: sa.Column[bool] = sa.Column(
            name, sa.Boolean(), nullable=False, server_default=value
        )
        op.add_column("equity_curves", column)
    connection = op.get_bind()
    traded_by = connection.execute(
        sa.text(
            "SELECT DISTINCT account_id, asset_type FROM fills JOIN accounts"
            " ON accounts.id = account_id WHERE fills.sequence > epoch_sequence"
            " ORDER BY account_id, asset_type"
        )
    ).all()
    kinds: dict[str, list[str]] = {}
    for account_id, asset_type in traded_by:
        kinds.setdefault(account_id, []).append(asset_type)
    for account_id, names in kinds.items():
        connection.execute(
            sa.text("UPDATE accounts SET traded = :traded WHERE id = :id"),
            {"id": account_id, "traded": " ".join(names)},
        )
