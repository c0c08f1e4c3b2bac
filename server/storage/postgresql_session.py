"""The writing session on PostgreSQL: one connection that holds the locks of its shards.

Locks and writes share the connection. PostgreSQL frees the locks only after the last transaction of
the connection has ended, so that there are never two writers. The connection is never opened again:
when it is lost, everything that was read on it may be old.
"""

import threading
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any

import psycopg
from psycopg import rows as factories
from psycopg.errors import DivisionByZero, LockNotAvailable
from sqlalchemy import Connection, create_engine, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import StaticPool

from server.application.ports import SessionLost, StorageUnavailable
from server.domain.invariants import BrokenInvariant
from server.domain.sharding import SHARDS
from server.storage.postgresql import (
    LOCK_SPACE,
    connection_options,
    first_line,
    lookup_text,
    lookup_values,
    prepared,
    query_text,
    translated,
)
from server.storage.sql import Bulk, Lookup, Query, shards_text

HEARTBEAT_SECONDS = 1.0

WRITING = {
    # A paused or unplugged engine loses its session, and with it the locks.
    "idle_session_timeout": "5s",
    "idle_in_transaction_session_timeout": "5s",
    "client_connection_check_interval": "1s",
    # An engine that is unplugged within a pipeline is not idle.
    "tcp_keepalives_idle": "2",
    "tcp_keepalives_interval": "1",
    "tcp_keepalives_count": "3",
    "synchronous_commit": "on",
    # Each statement finds a few rows by an index. A plan is made once, when tables may be small.
    "plan_cache_mode": "force_generic_plan",
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "jit": "off",
    # The session of an engine that was killed or paused ends sooner.
    "lock_timeout": "10s",
}

_TRY = "SELECT number, pg_try_advisory_lock(%s, number) FROM unnest(%s::integer[]) AS number"
_WAIT = "SELECT pg_advisory_lock(%s, %s)"
_FREE = "SELECT pg_advisory_unlock(%s, number) FROM unnest(%s::integer[]) AS number"

Step = tuple[str, Sequence[Any] | Mapping[str, Any] | None]


class PostgresSession:
    """The writing session; writes wait until something is read or committed, and go together.

    It begins without locks. Locks are taken and freed only between two transactions.
    """

    shards = SHARDS

    def __init__(self, url: str) -> None:
        """Connect; raise StorageUnavailable if that is impossible, or if it is to a pooler."""
        try:
            self.driver = _connected(url)
        except psycopg.Error as error:
            raise translated(error.sqlstate, error) from error
        self.pid = self.driver.info.backend_pid
        try:
            self._expect_no_pooler()
        except psycopg.Error as error:
            self.driver.close()
            raise translated(error.sqlstate, error) from error
        except StorageUnavailable:
            self.driver.close()
            raise
        self._guard = f"SELECT 1 / (pg_backend_pid() = {self.pid})::int"
        self.owned: frozenset[int] | None = frozenset()
        self._owned_text = shards_text(())
        self._queue: list[Step] = []
        self._is_open = False
        self.has_written = False
        self.connection = self._joined()
        self._sending = threading.Lock()
        self._closing = threading.Event()
        self._heartbeat = threading.Thread(target=self._beat, daemon=True)
        self._heartbeat.start()

    def own(self, shards: frozenset[int]) -> None:
        """Let searches find only what is in shards."""
        self.owned = None if len(shards) == SHARDS else shards
        self._owned_text = shards_text(shards)

    def try_locks(self, numbers: Collection[int]) -> set[int]:
        """Take those locks that are free; return them."""
        found = self.look(_TRY, (LOCK_SPACE, list(numbers)))
        return {number for number, is_taken in found if is_taken}

    def wait_for_lock(self, number: int) -> bool:
        """Take a lock; return False if it was not freed in time."""
        try:
            self.look(_WAIT, (LOCK_SPACE, number))
        except LockNotAvailable:
            return False
        return True

    def free_locks(self, numbers: Collection[int]) -> None:
        """Free locks that this session holds."""
        self.look(_FREE, (LOCK_SPACE, list(numbers)))

    def look(self, text: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
        """Run a statement between two transactions; return what it finds.

        It is not part of a pipeline, so that PostgreSQL then waits for the next statement with its
        timers of idle sessions.
        """
        if self._is_open:
            raise BrokenInvariant("locks change between two transactions only")
        with self._sending:
            return self.driver.execute(text, values).fetchall()

    def begin(self) -> None:
        self._queue = [("BEGIN", None), (self._guard, None)]
        self._is_open = True

    def commit(self) -> None:
        """Commit the transaction; what is not known to be stored is a lost session."""
        try:
            if self._queue:
                self._send()
            # Alone: psycopg ends a pipeline with a Flush, which stops the timers of idle sessions.
            with self._sending:
                committed = self.driver.execute("COMMIT", prepare=False)
        except psycopg.Error as error:
            raise self.failure(error) from error
        if committed.statusmessage != "COMMIT":
            raise StorageUnavailable(f"COMMIT was answered with {committed.statusmessage}")
        # Nothing is sent: it tells SQLAlchemy that the transaction is over.
        self.connection.commit()
        self.has_written = self._is_open = False

    def rollback(self) -> None:
        self._queue.clear()
        self.has_written = self._is_open = False
        with suppress(psycopg.Error, DBAPIError):
            self.connection.rollback()
            self.driver.rollback()

    def rows(self, lookup: Lookup, keys: Sequence[tuple[Any, ...]]) -> Iterable[Any]:
        text, values = self._looked_up(lookup, keys)
        return self._read(text, values, factories.namedtuple_row)

    def found(self, query: Query, values: Mapping[str, Any]) -> Iterable[Any]:
        return self._found(query, values, factories.namedtuple_row)

    def all(self, query: Query, values: Mapping[str, Any] | None = None) -> list[tuple[Any, ...]]:
        return self._found(query, values, factories.tuple_row)

    def has_any(self, query: Query, values: Mapping[str, Any]) -> bool:
        return bool(self._found(query, values, factories.tuple_row))

    def has_any_for(self, lookup: Lookup, keys: Sequence[tuple[Any, ...]]) -> bool:
        text, values = self._looked_up(lookup, keys)
        return bool(self._read(f"{text} LIMIT 1", values, factories.tuple_row))

    def bulk(self, statement: Bulk, rows: Sequence[Mapping[str, Any]]) -> None:
        if rows:
            it = prepared(statement)
            self._queue.append((it.text, it.parameters(rows)))
            self.has_written = True

    def run(self, statement: Query, values: Mapping[str, Any]) -> None:
        self._queue.append((query_text(statement), values))
        self.has_written = True

    def failure(self, error: Exception) -> Exception:
        if isinstance(error, DBAPIError):
            original: Exception = error.orig if isinstance(error.orig, psycopg.Error) else error
        else:
            original = error
        if not isinstance(original, psycopg.Error):
            return error
        if isinstance(original, DivisionByZero):
            # Another session has written, or a pooler put another one behind this connection.
            self.driver.close()
            return SessionLost("what is stored was not written by this session")
        if self.driver.closed:
            return SessionLost(first_line(original))
        return translated(original.sqlstate, error)

    def close(self) -> None:
        """Close the connection, and free the locks with it."""
        self._closing.set()
        self._heartbeat.join()
        self.connection.invalidate() if self.driver.closed else self.connection.close()
        self.driver.close()

    def _looked_up(
        self, lookup: Lookup, keys: Sequence[tuple[Any, ...]]
    ) -> tuple[str, Mapping[str, Any]]:
        """Return a lookup for the owned shards, and its parameters."""
        values = lookup_values(lookup, keys)
        if lookup.of_shards is None or self.owned is None:
            return lookup_text(lookup), values
        return lookup_text(lookup, divided=True), values | {"shards": self._owned_text}

    def _found(self, query: Query, values: Mapping[str, Any] | None, factory: Any) -> list[Any]:
        """Run a query for the shards among the values, or for the owned ones."""
        if query.of_shards is None or (self.owned is None and "shards" not in (values or ())):
            return self._read(query_text(query), values, factory)
        given = {"shards": self._owned_text, **(values or {})}
        return self._read(query_text(query, divided=True), given, factory)

    def _read(self, text: str, values: Mapping[str, Any] | None, factory: Any) -> list[Any]:
        self._queue.append((text, values))
        *_, cursor = self._send(factory)
        return list(cursor.fetchall())

    def _send(self, factory: Any = factories.tuple_row) -> "list[psycopg.Cursor[Any]]":
        """Send what waits in one round trip; the rows of the last step are made by `factory`."""
        steps, self._queue = self._queue, []
        cursors = []
        with self._sending, self.driver.pipeline():
            for text, values in steps:
                cursor = self.driver.cursor(row_factory=factory)
                cursor.execute(text, values, prepare=values is not None)
                cursors.append(cursor)
        return cursors

    def _beat(self) -> None:
        """Keep the session alive while the engine loads or computes.

        An engine that is paused or unplugged does not, and loses its session.
        """
        while not self._closing.wait(HEARTBEAT_SECONDS):
            if not self._sending.acquire(blocking=False):
                continue
            try:
                self.driver.execute("SELECT 1", prepare=False)
            except psycopg.Error:
                if self.driver.closed:
                    return
            finally:
                self._sending.release()

    def _expect_no_pooler(self) -> None:
        backend = self.driver.execute("SELECT pg_backend_pid()").fetchone()
        if backend != (self.pid,):
            raise StorageUnavailable("a connection pooler is in between: connect to PostgreSQL")

    def _joined(self) -> Connection:
        """Return a connection of SQLAlchemy that uses the driver's, and never another one."""
        unused = [self.driver]

        def only_one() -> Any:
            if not unused:
                raise SessionLost("the session ended")
            return unused.pop()

        engine = create_engine(
            "postgresql+psycopg://",
            creator=only_one,
            poolclass=StaticPool,
            hide_parameters=True,
        )
        connection = engine.connect()

        @event.listens_for(engine, "before_cursor_execute")
        def _before(*given: Any) -> None:
            context = given[4]
            if context.isinsert or context.isupdate or context.isdelete:
                self.has_written = True
            if self._queue:
                self._send()

        return connection


def _connected(url: str) -> "psycopg.Connection[Any]":
    return psycopg.connect(
        url, autocommit=True, **connection_options(url, WRITING, "bottrading engine")
    )
