"""Whether an account was a MARGIN account at any time of its epoch."""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"


def upgrade() -> None:
    """Add the column; who is a MARGIN account now was one in the epoch."""
    op.add_column(
        "accounts", sa.Column("had_margin", sa.Boolean(), nullable=False, server_default=sa.false())
    )
    op.execute(
        sa.text("UPDATE accounts SET had_margin = :yes WHERE margin_mode = 'MARGIN'").bindparams(
            yes=True
        )
    )
