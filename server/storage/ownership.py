"""Who owns which shards, by the kind of the database."""

from dataclasses import dataclass

from server.application.ownership import Ownership, WholeVenue
from server.application.ports import Clock
from server.domain.values import Micros
from server.storage.unit_of_work import Writer


@dataclass(frozen=True, slots=True)
class Member:
    """What other servers of a venue find out about an engine."""

    address: str
    version: str
    terms: str
    since: Micros


def joined(writer: Writer, member: Member, monotonic: Clock) -> Ownership:
    """Return what an engine owns: everything in a file, nothing yet in PostgreSQL.

    Raises CannotJoin, StorageUnavailable or StorageBroken.
    """
    if writer.session.shards == 1:
        return WholeVenue()
    # Imported here: the driver is an extra.
    from server.storage.shared_venue import SharedVenue

    return SharedVenue(writer, member, monotonic)
