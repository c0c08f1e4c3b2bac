"""Builds how a front keeps its ranking new: its own, or that of all servers of the venue."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from server.application.leaderboard import Leaderboard
from server.application.ports import Clock
from server.bootstrap.adapters import monotonic_clock
from server.domain.values import Micros
from server.storage.location import Location
from server.storage.rankings import RankingsFile


@contextmanager
def refreshing(
    where: Location,
    file: RankingsFile,
    leaderboard: Leaderboard,
    *,
    monotonic: Clock = monotonic_clock,
) -> Iterator[Callable[[], Micros]]:
    """Yield what keeps the ranking new; each call returns how long to wait before the next."""
    if isinstance(where, Path):
        yield leaderboard.refresh
        return
    # Imported here: the driver is an extra.
    from server.storage.shared_rankings import SharedRankings

    shared = SharedRankings(file, where, leaderboard.refresh, monotonic)
    try:
        yield shared.look
    finally:
        shared.close()
