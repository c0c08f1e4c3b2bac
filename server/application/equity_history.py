"""The equity curve of an account: its equity at some moments, and the deposits in between."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from server.application.ports import TrackRecord
from server.domain.account import Inflow
from server.domain.values import SECOND, Micros, Units

POINTS_MAX = 5_000


class Interval(Enum):
    """The time between two points: the last snapshot of each interval counts."""

    SNAPSHOT = 1
    HOUR = 3_600 * SECOND
    DAY = 86_400 * SECOND

    @property
    def width(self) -> Micros:
        """Return the length of an interval; that of SNAPSHOT is too short for two snapshots."""
        return self.value

    def begin(self, moment: Micros) -> Micros:
        """Return the beginning of the interval that contains a moment."""
        return moment - moment % self.width


@dataclass(frozen=True, slots=True)
class HistoryOf:
    """Asks for an account's equity curve over a period up to now; None is the whole epoch."""

    account_id: str
    period: Micros | None
    interval: Interval


@dataclass(frozen=True, slots=True)
class EquityPoint:
    """The equity at a moment, and the deposits since the previous point."""

    time: Micros
    equity: Units
    deposits: Units


def equity_history(
    record: TrackRecord, equity: Units, now: Micros, since: Micros | None
) -> list[EquityPoint]:
    """Return the curve of an account's epoch, oldest point first; the last is `equity` at `now`.

    The first point is the beginning of the epoch, unless the epoch began before `since`.
    """
    account = record.holdings.account
    snapshots = [*record.snapshots, (account.sequence, now, equity)]
    begun_with = account.initial_balance
    begin = EquityPoint(account.epoch_began_at, begun_with, begun_with)
    points = [begin, *_with_deposits(snapshots, record.inflows)]
    return [point for point in points if since is None or point.time >= since]


def _with_deposits(
    snapshots: Sequence[tuple[int, Micros, Units]], inflows: Sequence[Inflow]
) -> list[EquityPoint]:
    """Return points, each with the deposits since the previous point, in order of sequence."""
    points, rest = [], list(reversed(inflows))
    for sequence, time, equity in snapshots:
        came_in = 0
        while rest and rest[-1].sequence <= sequence:
            came_in += rest.pop().amount
        points.append(EquityPoint(time, equity, came_in))
    return points
