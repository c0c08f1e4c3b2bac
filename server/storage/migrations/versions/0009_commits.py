"""The identity of a database, and how many transactions have written to it."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Give the database an identity and begin to count."""
    op.create_table(
        "commits",
        sa.Column("database_id", sa.String(length=16), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("database_id", name=op.f("pk_commits")),
    )
    if op.get_bind().dialect.name == "sqlite":
        op.execute("INSERT INTO commits VALUES (lower(hex(randomblob(8))), 0)")
    else:
        op.execute(
            "INSERT INTO commits VALUES (right(replace(gen_random_uuid()::text, '-', ''), 16), 0)"
        )
