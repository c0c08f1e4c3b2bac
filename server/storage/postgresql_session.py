"""The writing session on PostgreSQL: one connection that holds the venue's locks.

Locks and writes share the connection. PostgreSQL frees the locks only after the last transaction of
the connection has ended, so that there are never two writers. The connection is never opened again:
when it is lost, everything that was read on it may be old.
"""

import threading
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any

import psycopg
from psycopg import rows as factories
from psycopg.errors import DivisionByZero, LockNotAvailable
from sqlalchemy import Connection, create_engine, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import StaticPool

from server.application.ports import SessionLost, StorageUnavailable
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
from server.storage.sql import Bulk, Lookup, Query

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

_TAKE = "SELECT pg_advisory_lock(%s, shard) FROM generate_series(0, %s) AS shard"

Step = tuple[str, Sequence[Any] | Mapping[str, Any] | None]


class PostgresSession:
    """The writing session; writes wait until something is read or committed, and go together."""

    shards = SHARDS

    def __init__(self, url: str) -> None:
        """Connect and take the locks; raise StorageUnavailable if another engine holds them."""
        try:
            self.driver = _connected(url)
        except psycopg.Error as error:
            raise translated(error.sqlstate, error) from error
        self._pid = self.driver.info.backend_pid
        try:
            self._take_locks()
        except psycopg.Error as error:
            self.driver.close()
            raise translated(error.sqlstate, error) from error
        except StorageUnavailable:
            self.driver.close()
            raise
        self._guard = f"SELECT 1 / (pg_backend_pid() = {self._pid})::int"
        self._queue: list[Step] = []
        self._is_open = False
        self.has_written = False
        self.connection = self._joined()
        self._sending = threading.Lock()
        self._closing = threading.Event()
        self._heartbeat = threading.Thread(target=self._beat, daemon=True)
        self._heartbeat.start()

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
                committed = self.driver.execute("COMMIT")
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
        values = lookup_values(lookup, keys)
        return self._read(lookup_text(lookup), values, factories.namedtuple_row)

    def found(self, query: Query, values: Mapping[str, Any]) -> Iterable[Any]:
        return self._read(query_text(query), values, factories.namedtuple_row)

    def all(self, query: Query, values: Mapping[str, Any] | None = None) -> list[tuple[Any, ...]]:
        return self._read(query_text(query), values, factories.tuple_row)

    def has_any(self, query: Query, values: Mapping[str, Any]) -> bool:
        return bool(self._read(query_text(query), values, factories.tuple_row))

    def has_any_for(self, lookup: Lookup, keys: Sequence[tuple[Any, ...]]) -> bool:
        text = f"{lookup_text(lookup)} LIMIT 1"
        return bool(self._read(text, lookup_values(lookup, keys), factories.tuple_row))

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

    def _take_locks(self) -> None:
        """Take the locks of all shards; one engine has them all."""
        backend = self.driver.execute("SELECT pg_backend_pid()").fetchone()
        if backend != (self._pid,):
            raise StorageUnavailable("a connection pooler is in between: connect to PostgreSQL")
        try:
            self.driver.execute(_TAKE, (LOCK_SPACE, SHARDS - 1))
        except LockNotAvailable as error:
            raise StorageUnavailable("another engine writes to this database") from error

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
