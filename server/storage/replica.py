"""The id of a replica: a service with a data directory of its own, in a venue of PostgreSQL."""

import os
from pathlib import Path

from server.storage.location import Location, PostgresDatabase

REPLICA_ID_FILE = "replica-id"


def replica_id(where: Location) -> str:
    """Return the id of this replica; empty for a file, and for a replica that never wrote."""
    if isinstance(where, Path):
        return ""
    try:
        return (where.directory / REPLICA_ID_FILE).read_text("ascii").strip()
    except FileNotFoundError:
        return ""


def store_replica_id(where: PostgresDatabase, made: str) -> None:
    """Store the id of this replica, which never changes."""
    path = where.directory / REPLICA_ID_FILE
    new = path.with_name(f"{path.name}.new")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(f"{made}\n")
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
