"""Shards: who owns which accounts, and rows that each engine keeps for itself."""

from collections.abc import Mapping, Sequence
from typing import Any
from zlib import crc32

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"

SHARDS = 64
OWNED = 65
"""The shards and the market."""

SHARDED = ("accounts", "orders", "positions")
LIVE = "live"
TRAILING = "trail_number IS NOT NULL"
INDEXES: tuple[tuple[str, str, tuple[str, ...], str], ...] = (
    ("ix_accounts_loan", "accounts", ("id",), "margin_mode = 'MARGIN' AND balance < 0"),
    ("ix_positions_short", "positions", ("account_id",), "quantity < 0"),
    ("ix_orders_match", "orders", ("symbol", "watch", "match_price"), LIVE),
    ("ix_orders_expiry", "orders", ("expires_at",), LIVE),
    ("ix_orders_venue", "orders", ("account_id",), "live AND bot_key_id = 'VENUE'"),
    (
        "ix_orders_trail_amount",
        "orders",
        ("symbol", "side", "trail_amount", "trail_number"),
        TRAILING,
    ),
    (
        "ix_orders_trail_percent",
        "orders",
        ("symbol", "side", "trail_percent", "trail_number"),
        TRAILING,
    ),
)


def upgrade() -> None:
    """Add the columns and tables; what one engine has stored is its own."""
    for table in SHARDED:
        op.add_column(table, sa.Column("shard", sa.Integer(), nullable=False, server_default="0"))
    is_file = op.get_bind().dialect.name == "sqlite"
    if not is_file:
        _divide()
    _create_tables(is_file=is_file)
    _add_to_keys(is_file=is_file)


def _divide() -> None:
    """Store the shard of each row, and let the indexes end with it."""
    for name, table, _, _ in INDEXES:
        op.drop_index(name, table)
    connection = op.get_bind()
    users = connection.execute(sa.text("SELECT DISTINCT user_id FROM accounts")).scalars().all()
    connection.execute(
        sa.text(
            "UPDATE accounts SET shard = given.shard"
            " FROM unnest(cast(:users AS text[]), cast(:shards AS integer[]))"
            " AS given (user_id, shard) WHERE accounts.user_id = given.user_id"
        ),
        {"users": users, "shards": [crc32(user.encode()) % SHARDS for user in users]},
    )
    for table in ("orders", "positions"):
        op.execute(
            f"UPDATE {table} SET shard = accounts.shard FROM accounts"  # noqa: S608
            f" WHERE accounts.id = {table}.account_id AND accounts.shard != 0"
        )
    for name, table, columns, condition in INDEXES:
        op.create_index(name, table, [*columns, "shard"], postgresql_where=sa.text(condition))


def _create_tables(*, is_file: bool) -> None:
    op.create_table(
        "engines",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.String(32), nullable=False),
        sa.Column("terms", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_engines"),
    )
    shards = op.create_table(
        "shards",
        sa.Column("shard", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("engine_id", sa.String(36)),
        sa.Column("marks_id", sa.String(36)),
        sa.PrimaryKeyConstraint("shard", name="pk_shards"),
    )
    numbers = range(1 if is_file else OWNED)
    op.bulk_insert(
        shards, [{"shard": it, "marks_id": "" if it < SHARDS else None} for it in numbers]
    )


def _add_to_keys(*, is_file: bool) -> None:
    """Make small tables anew, with one more column in their keys."""
    rows = _taken("trails")
    trails = op.create_table(
        "trails",
        sa.Column("marks_id", sa.String(36), nullable=False),
        sa.Column("symbol", sa.String(32), nullable=False),
        sa.Column("side", sa.String(32), nullable=False),
        sa.Column("marks", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("marks_id", "symbol", "side", name="pk_trails"),
    )
    op.bulk_insert(trails, [{"marks_id": "", **row} for row in rows])
    rows = _taken("commits")
    commits = op.create_table(
        "commits",
        sa.Column("database_id", sa.String(16), nullable=False),
        sa.Column("replica_id", sa.String(36), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("database_id", "replica_id", name="pk_commits"),
    )
    op.bulk_insert(commits, [{"replica_id": "", **row} for row in rows])
    rows = _taken("accruals")
    accruals = op.create_table(
        "accruals",
        sa.Column("clock", sa.String(64), nullable=False),
        sa.Column("shard", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=False),
        sa.Column("charging", sa.BigInteger()),
        sa.Column("after", sa.String(36), nullable=False),
        sa.PrimaryKeyConstraint("clock", "shard", name="pk_accruals"),
        sqlite_with_rowid=False,
    )
    numbers = range(1 if is_file else SHARDS)
    op.bulk_insert(accruals, [{"shard": it, **row} for row in rows for it in numbers])


def _taken(table: str) -> Sequence[Mapping[str, Any]]:
    """Return the rows of a table, and drop it."""
    found = op.get_bind().execute(sa.text(f"SELECT * FROM {table}"))  # noqa: S608
    rows = [dict(row) for row in found.mappings()]
    op.drop_table(table)
    return rows
