"""The commit mark: a file beside the database that names the newest transaction.

SQLite silently ignores what it cannot read of its write-ahead log. The mark is not part of that
log, so it shows how many transactions a database lacks.
"""

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from zlib import crc32

from sqlalchemy import Connection, func, insert, select

from server.application.ports import StorageDamaged
from server.storage.engine_tables import commits
from server.storage.location import Location
from server.storage.replica import replica_id, store_replica_id


@dataclass(frozen=True, slots=True)
class CommitMark:
    """The identity of a database, and the number of transactions that a replica has written."""

    database_id: str
    number: int
    replica_id: str = ""

    @property
    def line(self) -> bytes:
        """The mark as it is written; its length never changes."""
        said = b"%b %020d" % (self.database_id.encode(), self.number)
        return b"%b %08x\n" % (said, crc32(said))

    def is_of(self, other: "CommitMark") -> bool:
        """Tell whether both belong to the same database."""
        return self.database_id == other.database_id


def mark_path(database: Location) -> Path:
    """Return the path of a database's mark."""
    if isinstance(database, Path):
        return database.with_name(f"{database.name}.mark")
    return database.directory / f"{database.name}.postgresql.mark"


def checked_mark(connection: Connection, database: Location) -> CommitMark:
    """Return the identity of a database, and the number of its transactions by this replica.

    From now on the replica is counted. Raises StorageDamaged if the database has fewer transactions
    than its mark says.
    """
    own = replica_id(database)
    if not own and not isinstance(database, Path):
        own = str(connection.execute(select(func.gen_random_uuid())).scalar_one())
        store_replica_id(database, own)
    stored, noted = stored_mark(connection, database), read_mark(database)
    connection.rollback()
    if noted is not None and noted.is_of(stored) and noted.number > stored.number:
        missing = noted.number - stored.number
        raise StorageDamaged(f"the last {missing} transactions are missing")
    if stored.replica_id != own:
        stored = replace(stored, replica_id=own)
        connection.execute(insert(commits), asdict(stored))
        connection.commit()
    return stored


def read_mark(database: Location) -> CommitMark | None:
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
    return mark if mark.line == line else None


def stored_mark(connection: Connection, database: Location) -> CommitMark:
    """Return the identity of a database, and the number of its transactions by this replica.

    A replica that never wrote begins where the first one ended that had no id. Raises
    StorageDamaged if they are missing.
    """
    query = select(commits).where(commits.c.replica_id.in_({"", replica_id(database)}))
    row = connection.execute(query.order_by(commits.c.replica_id.desc()).limit(1)).one_or_none()
    if row is None:
        raise StorageDamaged("the table commits is empty")
    return CommitMark(row.database_id, row.number, row.replica_id)
