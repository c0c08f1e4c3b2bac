"""The ranking of a venue in PostgreSQL: one front makes it, and all fronts show the same file.

Whichever front finds that a ranking is due takes a lock, makes the ranking in a file of its own,
and stores that file. The others take it over. The rankings of two versions of the service lie side
by side, so that replicas can be upgraded one by one.
"""

import zlib
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

from sqlalchemy import Connection, Row, delete, insert, select, text

from server.application.leaderboard import PAUSE_FACTOR, PAUSE_MIN
from server.application.ports import Clock
from server.domain.values import DAY, SECOND, Micros
from server.storage.database import snapshot
from server.storage.engine_tables import rankings
from server.storage.location import PostgresDatabase
from server.storage.postgresql import RANKING_LOCK, open_ranking
from server.storage.rankings import RankingsFile

FORM = 1
"""Another number whenever the tables of the file change."""

LOOK: Micros = SECOND
"""All fronts show a new ranking within this time."""

PART_BYTES = 1 << 20
FAST = 1
OLD: Micros = DAY
"""The ranking of a version that no server runs any more is deleted after this time."""

_CLOCK = text("SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint")
_LOCK = text(f"SELECT pg_try_advisory_lock({RANKING_LOCK})")
_UNLOCK = text(f"SELECT pg_advisory_unlock({RANKING_LOCK})")


class SharedRankings:
    """Keeps the file of this front as new as the newest ranking of the venue.

    `make` makes a ranking in the file, which calls `keep` of the file.
    """

    def __init__(
        self,
        file: RankingsFile,
        where: PostgresDatabase,
        make: Callable[[], object],
        monotonic: Clock,
    ) -> None:
        self._engine = open_ranking(where.url)
        self._file = file
        self._file.keep = self._store
        self._make = make
        self._monotonic = monotonic
        self._shown: tuple[int, Micros] | None = None
        self._begun = monotonic()

    def close(self) -> None:
        """Close the connection, and give the lock up with it."""
        self._engine.dispose()

    def look(self) -> Micros:
        """Show the newest ranking, and make the next one if it is due and nobody else does.

        Return how long to wait before the next look.
        """
        if self._take_over() and self._lock():
            try:
                # Another front may have stored one since the look, and freed the lock.
                if self._take_over():
                    self._begun = self._monotonic()
                    self._make()
            finally:
                self._unlock()
        return LOOK

    def _take_over(self) -> bool:
        """Show the newest ranking; tell whether another one is due."""
        with snapshot(self._engine) as connection:
            newest = _newest(connection)
            if newest is None:
                return True
            if self._shown != (newest.number, newest.made_at):
                self._file.take(_parts(connection))
                self._shown = newest.number, newest.made_at
            # The clock of the database may have gone back.
            return not newest.made_at <= _now(connection) < newest.due_at

    def _lock(self) -> bool:
        with snapshot(self._engine) as connection:
            return bool(connection.execute(_LOCK).scalar_one())

    def _unlock(self) -> None:
        with snapshot(self._engine) as connection:
            connection.execute(_UNLOCK)

    def _store(self, made: Path) -> None:
        """Store a new file for all fronts; in one transaction, so that they see it whole."""
        took = self._monotonic() - self._begun
        with snapshot(self._engine) as connection:
            newest, now = _newest(connection), _now(connection)
            number = 1 if newest is None else newest.number + 1
            said = {"form": FORM, "number": number, "made_at": now}
            said["due_at"] = now + max(PAUSE_MIN, PAUSE_FACTOR * took)
            is_old = (rankings.c.form == FORM) | (rankings.c.made_at < now - OLD)
            connection.execute(delete(rankings).where(is_old))
            with made.open("rb") as file:
                for part in count():
                    content = file.read(PART_BYTES)
                    if not content:
                        break
                    row = {**said, "part": part, "content": zlib.compress(content, FAST)}
                    connection.execute(insert(rankings).values(row))
        self._shown = number, now


def _newest(connection: Connection) -> Row[int, int, int] | None:
    query = select(rankings.c.number, rankings.c.made_at, rankings.c.due_at)
    query = query.where(rankings.c.form == FORM, rankings.c.part == 0)
    return connection.execute(query).one_or_none()


def _parts(connection: Connection) -> Iterator[bytes]:
    for part in count():
        query = select(rankings.c.content).where(rankings.c.form == FORM, rankings.c.part == part)
        content = connection.execute(query).scalar_one_or_none()
        if content is None:
            return
        yield zlib.decompress(content)


def _now(connection: Connection) -> Micros:
    return int(connection.execute(_CLOCK).scalar_one())
