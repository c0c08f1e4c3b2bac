"""When the token was issued that described a person last, so that no older one describes them."""

import sqlalchemy as sa
from alembic import op

revision = "0029"
down_revision = "0028"


def upgrade() -> None:
    """Add the column; of persons who are known already, any token is newer."""
    op.add_column(
        "users",
        sa.Column("token_issued_at", sa.BigInteger(), nullable=False, server_default="0"),
    )
