"""The schema: migrations and tables agree, and queries use indexes."""

import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine

from server.storage import migrate, statements
from server.storage.migrate import NEWEST_REVISION, bring_up_to_date
from server.storage.sql import Lookup, Query
from server.storage.sqlite import lookup_text
from server.storage.tables import metadata, orders
from tests.support.databases import fitting


@pytest.fixture
def connection(empty_database: Path) -> Iterator[sqlite3.Connection]:
    opened = sqlite3.connect(empty_database)
    yield opened
    opened.close()


def test_the_migrations_make_what_the_tables_say(empty_database: Path) -> None:
    engine = create_engine(f"sqlite:///{empty_database}")
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), fitting("sqlite")) == []
    engine.dispose()


def test_indexes_of_the_migrations_have_the_conditions_of_the_tables(
    connection: sqlite3.Connection, tmp_path: Path
) -> None:
    engine = create_engine(f"sqlite:///{tmp_path / 'made.sqlite'}")
    metadata.create_all(engine)
    engine.dispose()
    made = sqlite3.connect(tmp_path / "made.sqlite")
    query = "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
    try:
        assert dict(connection.execute(query)) == dict(made.execute(query))
    finally:
        made.close()


def test_the_checks_of_the_migrations_are_those_of_the_tables(
    connection: sqlite3.Connection, tmp_path: Path
) -> None:
    """Their names may differ. One that stays would refuse rows that the tables allow."""
    engine = create_engine(f"sqlite:///{tmp_path / 'made.sqlite'}")
    metadata.create_all(engine)
    engine.dispose()
    made = sqlite3.connect(tmp_path / "made.sqlite")
    try:
        assert _checks(connection) == _checks(made) | {"alembic_version": []}
    finally:
        made.close()


def _checks(connection: sqlite3.Connection) -> dict[str, list[str]]:
    tables = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'table'")
    return {name: sorted(re.findall(r"CHECK \((.*)\)", sql)) for name, sql in tables}


def test_migrating_again_changes_nothing(empty_database: Path) -> None:
    before = empty_database.read_bytes()

    assert bring_up_to_date(empty_database) == NEWEST_REVISION
    assert empty_database.read_bytes() == before


def test_a_quote_of_an_older_schema_is_all_that_is_known_of_its_minute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "old.sqlite"
    with monkeypatch.context() as patch:
        patch.setattr(migrate, "NEWEST_REVISION", "0003")
        bring_up_to_date(path)
    connection = sqlite3.connect(path)
    connection.execute("INSERT INTO quotes VALUES ('AAPL', 1, 2, 3, 4, 5, 6, 7)")
    connection.commit()
    bring_up_to_date(path)
    rows = connection.execute("SELECT * FROM quotes").fetchall()
    connection.close()

    assert rows == [("AAPL", 1, 2, 3, 4, 5, 6, 7, 5, 5, 5)]


def test_the_oldest_account_of_an_older_schema_is_the_first_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "old.sqlite"
    with monkeypatch.context() as patch:
        patch.setattr(migrate, "NEWEST_REVISION", "0006")
        bring_up_to_date(path)
    connection = sqlite3.connect(path)
    columns = [row[1] for row in connection.execute("PRAGMA table_info(accounts)")]
    made = (("b", "ada", 2), ("d", "ada", 1), ("c", "ada", 1), ("a", "ada", 3), ("e", "bob", 9))
    for name, owner, created_at in made:
        given = {"id": name, "user_id": owner, "created_at": created_at, "trading_state": "ACTIVE"}
        row = [given.get(column, 0) for column in columns]
        connection.execute(f"INSERT INTO accounts VALUES ({', '.join('?' * len(row))})", row)
    for owner in ("ada", "bob"):
        connection.execute("INSERT INTO users VALUES (?, 'i', ?, 'n', 'Free', 0, 1)", [owner] * 2)
    connection.commit()
    bring_up_to_date(path)
    rows = connection.execute("SELECT id, first_account_id FROM users ORDER BY id").fetchall()
    connection.close()

    assert rows == [("ada", "c"), ("bob", "e")]


PAGE = "SELECT * FROM orders WHERE account_id = ? AND sequence < ? ORDER BY sequence DESC LIMIT 20"
MATCH = "orders USING INDEX ix_orders_match (symbol=? AND watch=? AND match_price"
REACHED = (f"{MATCH}>?)", f"{MATCH}<?)", f"{MATCH}>?)", f"{MATCH}<?)")
OVERDUE = ("orders USING INDEX ix_orders_expiry (expires_at<?)",)
SEARCHES: dict[str | Query | Lookup, tuple[str, ...]] = {
    statements.SELECT_ACCOUNTS: ("accounts USING INDEX sqlite_autoindex_accounts_1 (id=?)",),
    statements.SELECT_POSITIONS: ("positions USING PRIMARY KEY (account_id=? AND symbol=?)",),
    statements.SELECT_BY_CLIENT_ID: (
        "orders USING INDEX uq_orders_client_order_id (account_id=? AND client_order_id=?)",
    ),
    statements.SELECT_REACHED: REACHED,
    statements.ANY_REACHED: REACHED,
    statements.SELECT_LOGS: ("events USING PRIMARY KEY (account_id=? AND sequence>?)",),
    statements.SELECT_REVOKED: ("bot_keys USING INDEX sqlite_autoindex_bot_keys_1 (id=?)",),
    PAGE: ("orders USING PRIMARY KEY (account_id=? AND sequence<?)",),
    statements.SELECT_BARS: (
        "bars USING PRIMARY KEY (symbol=? AND interval=? AND start>? AND start<?)",
    ),
    statements.DROP_MINUTES: (
        "bars USING COVERING INDEX ix_bars_minutes (start=? AND symbol=? AND interval=?)",
        "bars USING COVERING INDEX ix_bars_minutes (start<?)",
    ),
    statements.SELECT_OVERDUE: OVERDUE,
    statements.ANY_OVERDUE: OVERDUE,
    "SELECT * FROM accounts WHERE id > ? AND fills > 0 ORDER BY id LIMIT ?": (
        "accounts USING INDEX sqlite_autoindex_accounts_1 (id>?)",
    ),
    "SELECT time, initial_value FROM equity_snapshots WHERE account_id = ? AND time >= ?"
    " AND sequence >= ?": ("equity_snapshots USING PRIMARY KEY (account_id=? AND time>?)",),
    "SELECT * FROM orders WHERE account_id = ? AND id = ?": (
        "orders USING INDEX sqlite_autoindex_orders_2 (account_id=? AND id=?)",
    ),
    "SELECT * FROM bot_keys WHERE key_hash = ?": (
        "bot_keys USING INDEX sqlite_autoindex_bot_keys_2 (key_hash=?)",
    ),
}


@pytest.mark.parametrize("statement", SEARCHES)
def test_a_query_of_the_hot_path_stays_on_its_index(
    connection: sqlite3.Connection, statement: str | Query | Lookup
) -> None:
    text = statement if isinstance(statement, str) else _text(statement)
    names = re.findall(r":(\w+)", text)
    parameters = dict.fromkeys(names, "[]") if names else ("x",) * text.count("?")
    rows = connection.execute(f"EXPLAIN QUERY PLAN {text}", parameters)
    steps = [row[3] for row in rows if "VIRTUAL TABLE" not in row[3]]
    searches = tuple(step.removeprefix("SEARCH ") for step in steps if step.startswith("SEARCH"))

    assert searches == SEARCHES[statement]
    assert not any(step.startswith(("SCAN", "USE TEMP B-TREE")) for step in steps)


def _text(statement: Query | Lookup) -> str:
    return statement.text if isinstance(statement, Query) else lookup_text(statement)


FIXED_COLUMNS = {
    *("account_id", "sequence", "id", "bot_key_id", "client_order_id", "fingerprint", "symbol"),
    *("asset_type", "side", "order_type", "time_in_force", "created_at", "reduce_only"),
    *("rejection_reason", "rejection_message", "shard"),
    *("order_class", "leg", "parent_order_id", "leg_order_ids"),
}
"""The columns of an order that keep their first values."""


def test_every_value_of_an_order_that_can_change_is_updated() -> None:
    """A column that no update names keeps what the order began with."""
    updated = {*statements.UPDATE_ORDER.changing, *statements.UPDATE_TRAIL.changing}
    changing = {column.name for column in orders.columns} - FIXED_COLUMNS

    assert changing - updated == set()
