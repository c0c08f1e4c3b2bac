"""The writing session on PostgreSQL: alone, and lost rather than in doubt."""

from pathlib import Path

import pytest

from server.application.ports import SessionLost, StorageDamaged, StorageUnavailable
from server.domain.invariants import BrokenInvariant
from server.domain.sharding import SHARDS
from server.storage import postgresql_session
from server.storage.location import PostgresDatabase
from server.storage.postgresql_session import PostgresSession
from server.storage.unit_of_work import SqlUnitOfWork, Writer
from tests.engine.bench import Bench, order_of, place
from tests.support.databases import VARIABLE, opened
from tests.support.postgresql import Server
from tests.support.proxy import Cut, Proxy
from tests.support.venue import NOON, ManualClock

ORDERS = "SELECT count(*) FROM orders"


@pytest.fixture
def database(venue_url: str, tmp_path: Path) -> PostgresDatabase:
    return PostgresDatabase(venue_url, tmp_path)


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Do not wait for locks."""
    monkeypatch.setitem(postgresql_session.WRITING, "lock_timeout", "1ms")


def backends(postgresql: Server, database: PostgresDatabase) -> list[int]:
    """Return the numbers of the sessions that hold our locks."""
    found = postgresql.administer(
        "SELECT DISTINCT pid FROM pg_locks JOIN pg_database ON pg_database.oid = database"
        f" WHERE locktype = 'advisory' AND datname = '{database.name}'"
    )
    return [pid for (pid,) in found]


def terminate(postgresql: Server, pid: int) -> None:
    """End a session, and wait until it is gone."""
    postgresql.administer(f"SELECT pg_terminate_backend({pid}, 10000)")


def count(database: PostgresDatabase) -> int:
    with opened(database.directory) as connection:
        return int(connection.execute(ORDERS)[0][0])


def trading(database: PostgresDatabase) -> tuple[Bench, str]:
    """Return an engine whose account has one order."""
    bench = Bench(database.directory, ManualClock(NOON))
    account = bench.account("ada")
    bench.handle(bench.publish("AAPL", "99.00", "100.00"))
    order_of(bench.handle(place(1, account))[0])
    return bench, account


def test_two_sessions_never_hold_the_same_lock(database: PostgresDatabase, at_once: None) -> None:
    first, second = PostgresSession(database.url), PostgresSession(database.url)
    assert first.try_locks([1, 2]) == {1, 2}
    assert second.try_locks([1, 2, 3]) == {3}
    assert not second.wait_for_lock(1)
    first.free_locks([2])
    assert second.try_locks([1, 2]) == {2}
    first.close()

    # PostgreSQL ends a session a moment after it is closed.
    while not second.wait_for_lock(1):
        pass
    second.close()


def test_locks_change_between_two_transactions_only(database: PostgresDatabase) -> None:
    session = PostgresSession(database.url)
    session.begin()
    with pytest.raises(BrokenInvariant):
        session.try_locks([1])
    session.rollback()
    session.close()


def test_a_session_that_is_ended_frees_the_locks_and_is_lost_before_it_writes(
    database: PostgresDatabase, postgresql: Server
) -> None:
    bench, account = trading(database)
    (pid,) = backends(postgresql, database)
    terminate(postgresql, pid)
    other = PostgresSession(database.url)
    assert other.try_locks(range(SHARDS)) == set(range(SHARDS))

    with pytest.raises(SessionLost):
        bench.handle(place(2, account))
    with pytest.raises(SessionLost):
        bench.handle(place(3, account))

    bench.parts.close()
    other.close()
    assert count(database) == 1


@pytest.mark.parametrize("cut", [Cut.BEFORE, Cut.AFTER])
def test_a_connection_that_is_cut_in_a_commit_is_lost_and_nothing_is_repeated(
    database: PostgresDatabase,
    postgresql: Server,
    monkeypatch: pytest.MonkeyPatch,
    cut: Cut,
) -> None:
    """Whether the order is stored is not known; the next engine reads it."""
    proxy = Proxy(postgresql.directory)
    monkeypatch.setenv(VARIABLE, proxy.url(database.url))
    bench, account = trading(database)
    proxy.cut = cut
    with pytest.raises(SessionLost):
        bench.handle(place(2, account))
    proxy.cut = Cut.NEVER
    bench.parts.close()

    again = Bench(database.directory, bench.clock)
    order_of(again.handle(place(3, account))[0])
    again.parts.close()
    stored = count(database)
    proxy.close()

    assert proxy.cuts == 1
    assert stored == (2 if cut is Cut.BEFORE else 3)


def test_a_pooler_in_between_is_noticed(database: PostgresDatabase, postgresql: Server) -> None:
    proxy = Proxy(postgresql.directory, renames=True)
    with pytest.raises(StorageUnavailable, match="a connection pooler is in between"):
        PostgresSession(proxy.url(database.url))
    proxy.close()


def test_a_batch_notices_that_another_backend_serves_it(
    database: PostgresDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pooler could do so at any time."""
    bench, account = trading(database)
    session = bench.parts.writer.session
    assert isinstance(session, PostgresSession)
    monkeypatch.setattr(session, "_guard", session._guard.replace("= ", "= 1 + "))

    with pytest.raises(SessionLost, match="not written by this session"):
        bench.handle(place(2, account))

    bench.parts.close()
    assert count(database) == 1


def test_an_account_that_somebody_else_has_changed_is_not_written(
    database: PostgresDatabase,
) -> None:
    bench, account = trading(database)
    with opened(database.directory) as connection:
        connection.execute("UPDATE accounts SET sequence = sequence + 1")

    with pytest.raises(SessionLost, match="not written by this session"):
        bench.handle(place(2, account))

    bench.parts.close()
    assert count(database) == 1


def test_a_commit_that_is_answered_with_rollback_is_not_stored(
    database: PostgresDatabase,
) -> None:
    """PostgreSQL ends a failed transaction so, without an error."""
    session = PostgresSession(database.url)
    session.begin()
    session.connection.exec_driver_sql("SELECT 1")
    with pytest.raises(Exception, match="nowhere"):
        session.driver.execute("SELECT 1 FROM nowhere")
    with pytest.raises(StorageUnavailable, match="COMMIT was answered with ROLLBACK"):
        session.commit()
    session.close()


def test_an_idle_session_is_kept_alive(
    database: PostgresDatabase, postgresql: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An engine may load for minutes before its first transaction."""
    monkeypatch.setitem(postgresql_session.WRITING, "idle_session_timeout", "300ms")
    monkeypatch.setattr(postgresql_session, "HEARTBEAT_SECONDS", 0.05)
    session = PostgresSession(database.url)
    session.try_locks([1])
    (pid,) = backends(postgresql, database)
    postgresql.administer("SELECT pg_sleep(1)")

    assert backends(postgresql, database) == [pid]
    session.close()


def test_a_database_that_went_back_is_refused(database: PostgresDatabase) -> None:
    """So does one that is restored, or a standby that lacked the last transactions."""
    bench, _ = trading(database)
    bench.parts.close()
    with opened(database.directory) as connection:
        connection.execute("UPDATE commits SET number = number - 2")

    with pytest.raises(StorageDamaged, match="the last 2 transactions are missing"):
        Writer(database, lambda _: (b"", None))


def test_an_empty_unit_of_work_is_not_counted(database: PostgresDatabase) -> None:
    writer = Writer(database, lambda _: (b"", None))
    for _ in range(2):
        with SqlUnitOfWork(writer) as unit:
            unit.has_account("nobody")
            unit.commit()
    writer.close()
    with opened(database.directory) as connection:
        assert connection.execute("SELECT DISTINCT number FROM commits") == [(0,)]
