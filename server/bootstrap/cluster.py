"""Builds what a front needs to call the engines of all replicas."""

from collections.abc import Callable
from functools import partial

from server.bootstrap.front import FrontBase
from server.calls.table import ROWS
from server.config import Settings
from server.engine.cluster import ClusterEngine, Directory, Linked
from server.engine.peers import Open, Peer
from server.rpc.reading import Reading
from server.storage.queries import SqlReads
from server.wire.rows import Decided


def build(
    settings: Settings,
    base: FrontBase,
    own: Linked,
    connect: Open,
    on_change: Callable[[], None],
) -> ClusterEngine:
    """Return all engines of the venue as one; `own` is the engine of this replica.

    `connect` connects to the others. `on_change` is called when a connection begins or ends.
    """
    reading = Reading(base.follower)

    async def read() -> Directory:
        return await reading(_directory, base.reads)

    link = partial(
        Peer,
        connect=connect,
        notifications=base.notifications,
        on_change=on_change,
        answer_seconds_max=settings.engine_answer_seconds,
    )
    address = settings.for_engine().address
    followed = {
        path.rpartition("/")[2]: row.followed_by
        for path, row in ROWS.items()
        if isinstance(row, Decided) and row.followed_by
    }
    return ClusterEngine(own, address, read, link, base.order_updates.notify_all, followed)


def _directory(reads: SqlReads) -> Directory:
    return Directory(reads.owners(), frozenset(reads.engines()))
