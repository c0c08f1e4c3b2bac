"""Shards: each row of an account is stored under the shard of its user."""

from pathlib import Path

import pytest

from server.domain.sharding import MARKET, SHARDS, shard_of
from server.storage import migrate
from server.storage.location import PostgresDatabase
from server.storage.migrate import bring_up_to_date
from tests.engine.bench import Bench, order_of, place
from tests.support.databases import VARIABLE, Opened, opened
from tests.support.postgresql import Server
from tests.support.venue import NOON, ManualClock

USERS = tuple(f"user {number}" for number in range(20))
KEPT = ("accounts", "orders", "positions")


def test_an_older_venue_is_divided(
    postgresql: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    where = PostgresDatabase(postgresql.new_database(migrated=False), tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(migrate, "NEWEST_REVISION", "0020")
        bring_up_to_date(where)
    old = Opened(where)
    for user in USERS:
        old.insert("accounts", {"id": f"of {user}", "user_id": user})
        old.insert("orders", {"account_id": f"of {user}", "id": "1", "filled_notional": "0"})
        old.insert("positions", {"account_id": f"of {user}", "symbol": "AAPL"})
    old.insert("trails", {"symbol": "AAPL", "side": "SELL", "marks": "[]"})
    old.insert("accruals", {"clock": "", "until": 5, "after": ""})
    old.close()
    bring_up_to_date(where)

    new = Opened(where)
    for table, name in (("accounts", "id"), ("orders", "account_id"), ("positions", "account_id")):
        rows = new.execute(f"SELECT {name}, shard FROM {table}")
        assert dict(rows) == {f"of {user}": shard_of(user) for user in USERS}
    assert new.execute("SELECT * FROM shards ORDER BY shard") == [
        *((shard, None, "") for shard in range(SHARDS)),
        (MARKET, None, None),
    ]
    assert new.execute("SELECT * FROM trails") == [("", "AAPL", "SELL", "[]")]
    accruals = new.execute("SELECT * FROM accruals ORDER BY shard")
    new.close()
    postgresql.drop(where.url)

    assert accruals == [("", shard, 5, None, "") for shard in range(SHARDS)]


def test_what_an_account_does_is_stored_under_its_shard(
    postgresql: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    where = PostgresDatabase(postgresql.new_database(), tmp_path)
    monkeypatch.setenv(VARIABLE, where.url)
    stored = _stored(tmp_path)
    postgresql.drop(where.url)

    for table in KEPT:
        assert len(set(stored[table])) == len(stored[table]) == 3
        assert all(shard == shard_of(user) for user, shard in stored[table])


@pytest.mark.sqlite_only
def test_in_a_file_everything_is_in_the_first_shard(data_dir: Path) -> None:
    stored = _stored(data_dir)

    assert {shard for table in KEPT for _, shard in stored[table]} == {0}


def _stored(directory: Path) -> dict[str, list[tuple[str, int]]]:
    """Let three people trade; return the users and shards of all rows."""
    bench = Bench(directory, ManualClock(NOON))
    bench.handle(bench.publish("AAPL", "99.00", "100.00"))
    for name in ("ada", "bob", "eve"):
        order_of(bench.handle(place(1, bench.account(name)))[0])
    bench.parts.close()
    found: dict[str, list[tuple[str, int]]] = {}
    with opened(directory) as connection:
        for table in KEPT:
            name = "id" if table == "accounts" else "account_id"
            found[table] = connection.execute(
                f"SELECT owner.user_id, kept.shard FROM {table} AS kept"
                f" JOIN accounts AS owner ON owner.id = kept.{name}"
            )
    return found
