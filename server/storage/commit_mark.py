"""The commit mark: a file beside the database that names the newest transaction.

SQLite silently ignores what it cannot read of its write-ahead log. The mark is not part of that
log, so it shows how many transactions a database lacks.
"""

import logging
import os
from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

from sqlalchemy import Connection, select

from server.application.ports import StorageDamaged
from server.storage.tables import commits

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class CommitMark:
    """The identity of a database, and the number of transactions that have written to it."""

    database_id: str
    number: int

    def is_of(self, other: "CommitMark") -> bool:
        """Tell whether both belong to the same database."""
        return self.database_id == other.database_id


def mark_path(database: Path) -> Path:
    """Return the path of a database's mark."""
    return database.with_name(f"{database.name}.mark")


def open_mark(connection: Connection) -> tuple[int, "MarkFile"]:
    """Return the number of transactions in a database, and its mark to write to.

    Raises StorageDamaged if the database has fewer transactions than its mark says.
    """
    database = Path(str(connection.engine.url.database))
    stored, noted = stored_mark(connection), read_mark(database)
    connection.rollback()
    if noted is not None and noted.is_of(stored) and noted.number > stored.number:
        missing = noted.number - stored.number
        raise StorageDamaged(f"the last {missing} transactions are missing")
    return stored.number, MarkFile(database, stored)


def read_mark(database: Path) -> CommitMark | None:
    """Return the mark of a database; None if it is missing or incompletely written."""
    try:
        line = mark_path(database).read_bytes()
    except FileNotFoundError:
        return None
    database_id, _, rest = line.decode("ascii", "replace").partition(" ")
    number = rest[:20]
    if not number.isdecimal():
        return None
    mark = CommitMark(database_id, int(number))
    return mark if _line(database_id.encode(), mark.number) == line else None


def stored_mark(connection: Connection) -> CommitMark:
    """Return the identity and count in the database; raise StorageDamaged if they are missing."""
    row = connection.execute(select(commits)).one_or_none()
    if row is None:
        raise StorageDamaged("the table commits is empty")
    return CommitMark(row.database_id, row.number)


class MarkFile:
    """The mark of a database that is written to.

    It is never ahead of the database, but can be behind. After a power failure it can be as old as
    the last checkpoint, which forces it onto the disk.
    """

    def __init__(self, database: Path, mark: CommitMark) -> None:
        self._database = database
        self._database_id = mark.database_id.encode()
        self._is_failing = False
        self._descriptor = os.open(
            mark_path(database), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600
        )
        os.ftruncate(self._descriptor, len(_line(self._database_id, mark.number)))
        self._checkpointed = 0
        self.write(mark.number)

    def write(self, number: int) -> None:
        """Record that a transaction is committed; a failure to record it is logged as a warning."""
        try:
            os.pwrite(self._descriptor, _line(self._database_id, number), 0)
            # The database file itself, unlike its log, changes only by checkpoints.
            changed = self._database.stat().st_mtime_ns
            if changed != self._checkpointed:
                os.fdatasync(self._descriptor)
                self._checkpointed = changed
        except OSError as error:
            if not self._is_failing:
                log.warning("%s cannot be written: %s", mark_path(self._database), error)
            self._is_failing = True

    def close(self) -> None:
        """Force the mark onto the disk and close its file."""
        try:
            os.fdatasync(self._descriptor)
        finally:
            os.close(self._descriptor)


def _line(database_id: bytes, number: int) -> bytes:
    said = b"%b %020d" % (database_id, number)
    return b"%b %08x\n" % (said, crc32(said))
