"""The sign-in tokens that were used, each of which signs in once."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    op.create_table(
        "used_sign_ins",
        sa.Column("token_id", sa.String(36), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("token_id", name="pk_used_sign_ins"),
        sqlite_with_rowid=False,
    )
