"""A server of PostgreSQL to measure: what a venue costs its processes, and bytes of its log."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from bench.processor import children, seconds
from tests.support.postgresql import Server, running_server

SETTINGS = {"shared_buffers": "256MB"}
"""Everything else is PostgreSQL's default: each commit is on disk before it is answered."""

ENGINE, READS = "bottrading engine", "bottrading reads"


@dataclass(frozen=True, slots=True)
class Work:
    """What a server has done since it was started; processor time is in seconds.

    `sessions` is the time of the sessions that write, `processor` that of all processes.
    """

    sessions: float
    processor: float
    log_bytes: int
    page_images: int

    def since(self, before: "Work") -> "Work":
        """Return what was done after `before`."""
        return Work(
            self.sessions - before.sessions,
            self.processor - before.processor,
            self.log_bytes - before.log_bytes,
            self.page_images - before.page_images,
        )


class Venue:
    """A database of a server, for one venue."""

    def __init__(self, server: Server) -> None:
        self.url = server.new_database()
        self._pid = server.pid
        self._connection = psycopg.connect(self.url, autocommit=True)

    def work(self) -> Work:
        """Return what the server has done so far."""
        processes = {pid: seconds(pid) for pid in children(self._pid)}
        log_bytes, images = self.rows(
            "SELECT pg_current_wal_insert_lsn() - '0/0', (SELECT wal_fpi FROM pg_stat_wal)"
        )[0]
        writing = self.rows(
            "SELECT pid FROM pg_stat_activity"
            f" WHERE application_name = '{ENGINE}' AND datname = current_database()"
        )
        sessions = sum(processes.get(pid, 0) for (pid,) in writing)
        total = seconds(self._pid) + sum(processes.values())
        return Work(sessions, total, int(log_bytes), int(images))

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        """Run a statement of the bench's own; return what it finds."""
        cursor = self._connection.execute(statement)
        return cursor.fetchall() if cursor.description else []

    def commits(self) -> int:
        """Return how many transactions engines have committed."""
        return int(self.rows("SELECT coalesce(sum(number), 0) FROM commits")[0][0])

    def close(self) -> None:
        """Close the bench's own connection."""
        self._connection.close()


@contextmanager
def running(directory: Path) -> Iterator[Server]:
    """Run a server whose data is on the disk of a directory."""
    with running_server(SETTINGS, directory) as server:
        yield server
