"""First accounts of people, as stored facts."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Store each person's oldest account as their first account."""
    column = sa.Column(
        "first_account_id", sa.String(length=36), nullable=False, server_default=sa.text("''")
    )
    op.add_column("users", column)
    op.execute(
        "UPDATE users SET first_account_id = coalesce((SELECT id FROM accounts"
        " WHERE user_id = users.id ORDER BY created_at, id LIMIT 1), '')"
    )
