"""PostgreSQL's own part of storage: schema, plans, errors, and arrays of values."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from hypothesis import given
from hypothesis import strategies as st

from server.storage import migrate, statements
from server.storage.database import open_owner
from server.storage.location import PostgresDatabase
from server.storage.migrate import NEWEST_REVISION, bring_up_to_date
from server.storage.postgresql import lookup_text, lookup_values, prepared, query_text
from server.storage.postgresql_session import PostgresSession
from server.storage.sql import Lookup, Query
from server.storage.tables import metadata
from tests.support.databases import fitting
from tests.support.postgresql import Server


@pytest.fixture
def database(url: str, tmp_path: Path) -> PostgresDatabase:
    return PostgresDatabase(url, tmp_path)


@pytest.fixture
def session(database: PostgresDatabase) -> Iterator[PostgresSession]:
    opened = PostgresSession(database.url)
    yield opened
    opened.close()


def test_the_migrations_make_what_the_tables_say(database: PostgresDatabase) -> None:
    engine = open_owner(database)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection)
        assert compare_metadata(context, fitting("postgresql")) == []
    engine.dispose()


def test_indexes_of_the_migrations_have_the_conditions_of_the_tables(
    database: PostgresDatabase, postgresql: Server, tmp_path: Path
) -> None:
    query = "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'"
    made = PostgresDatabase(postgresql.new_database(migrated=False), tmp_path)
    found = []
    for where in (made, database):
        engine = open_owner(where)
        if where is made:
            metadata.create_all(engine)
        with engine.connect() as connection:
            rows = connection.exec_driver_sql(query).all()
        found.append({name: text for name, text in rows if not name.startswith("alembic")})
        engine.dispose()
    postgresql.drop(made.url)

    assert found[0] == found[1]


def test_an_older_database_is_brought_up_to_date_once(
    postgresql: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    where = PostgresDatabase(postgresql.new_database(migrated=False), tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(migrate, "NEWEST_REVISION", "0003")
        bring_up_to_date(where)
    assert not migrate.is_current(where)

    assert bring_up_to_date(where) == bring_up_to_date(where) == NEWEST_REVISION
    assert migrate.is_current(where)
    postgresql.drop(where.url)


INDEXES = {
    "SELECT_ACCOUNTS": {"pk_accounts"},
    "SELECT_POSITIONS": {"pk_positions"},
    "SELECT_BY_CLIENT_ID": {"uq_orders_client_order_id"},
    "SELECT_REACHED": {"ix_orders_match"},
    "ANY_REACHED": {"ix_orders_match"},
    "SELECT_OVERDUE": {"ix_orders_expiry"},
    "ANY_OVERDUE": {"ix_orders_expiry"},
    "SELECT_NEAREST": {"ix_orders_match"},
    "SELECT_NEXT_EXPIRY": {"ix_orders_expiry"},
    "SELECT_TRAILS_REACHED": {"ix_orders_trail_amount", "ix_orders_trail_percent"},
    "SELECT_LEAST_AMOUNT": {"ix_orders_trail_amount"},
    "SELECT_LEAST_PERCENT": {"ix_orders_trail_percent"},
    "UPDATE_ACCOUNT": {"pk_accounts"},
    "SELECT_AT_RISK": {"ix_accounts_loan", "ix_orders_venue", "ix_positions_short"},
    "UPDATE_ORDER": {"pk_orders", "uq_orders_account_id_id"},
    "UPDATE_TRAIL": {"pk_orders", "uq_orders_account_id_id"},
    "USE_KEY": {"pk_bot_keys"},
}


@pytest.mark.parametrize("name", INDEXES)
def test_a_statement_of_the_hot_path_stays_on_its_index(
    session: PostgresSession, name: str
) -> None:
    """Also while tables are small: the plan is kept, and tables grow."""
    statement = getattr(statements, name)
    match statement:
        case Query():
            texts = [query_text(statement), query_text(statement, divided=True)]
        case Lookup():
            texts = [lookup_text(statement), lookup_text(statement, divided=True)]
        case _:
            texts = [prepared(statement).text]

    for text in texts:
        plan = session.driver.execute(f"EXPLAIN (GENERIC_PLAN, FORMAT JSON) {_numbered(text)}")
        used, whole = _indexes(plan)
        assert used
        assert used <= INDEXES[name]
        assert not whole


def _numbered(text: str) -> str:
    """Return a text with $1, $2, … for its parameters."""
    names: list[str] = []

    def number(found: re.Match[str]) -> str:
        name = found.group(1) or f"#{len(names)}"
        if name not in names:
            names.append(name)
        return f"${names.index(name) + 1}"

    return re.sub(r"%(?:\((\w+)\))?s", number, text)


def _indexes(cursor: "psycopg.Cursor[Any]") -> tuple[set[str], set[str]]:
    """Return the indexes of a plan, and the tables that it reads as a whole."""
    row = cursor.fetchone()
    assert row is not None
    waiting, used, whole = [row[0][0]["Plan"]], set[str](), set[str]()
    while waiting:
        step = waiting.pop()
        waiting += step.get("Plans", ())
        if "Index Name" in step:
            used.add(step["Index Name"])
        elif step["Node Type"] == "Seq Scan":
            whole.add(step["Relation Name"])
    return used, whole


anything = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))


@given(rows=st.lists(st.tuples(anything, st.none() | st.integers(-(2**63), 2**63 - 1)), max_size=5))
def test_keys_arrive_as_they_are(postgresql: Server, rows: list[tuple[str, int | None]]) -> None:
    lookup = Lookup("SELECT {0}, {1} FROM {wanted}", ("text", "bigint"))
    with psycopg.connect(postgresql.url("postgres")) as connection:
        found = connection.execute(lookup_text(lookup), lookup_values(lookup, rows)).fetchall()

    assert found == rows


@given(payloads=st.lists(st.none() | st.binary(), max_size=5))
def test_bytes_arrive_as_they_are(postgresql: Server, payloads: list[bytes | None]) -> None:
    lookup = Lookup("SELECT {0} FROM {wanted}", ("bytea",))
    with psycopg.connect(postgresql.url("postgres")) as connection:
        values = lookup_values(lookup, [(it,) for it in payloads])
        found = connection.execute(lookup_text(lookup), values).fetchall()

    assert [row[0] for row in found] == payloads
