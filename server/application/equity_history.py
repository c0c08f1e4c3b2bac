"""The equity curve of an account: what it was worth at some moments, and what came in between."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from server.application.ports import TrackRecord
from server.domain.account import Inflow
from server.domain.values import SECOND, Micros, Units

POINTS_MAX = 5_000


class Interval(Enum):
    """The distance between two points; its value is a width, of SNAPSHOT none."""

    SNAPSHOT = 0
    HOUR = 3_600 * SECOND
    DAY = 86_400 * SECOND


@dataclass(frozen=True, slots=True)
class EquityPoint:
    """The equity at a moment, and the money that came in since the point before."""

    time: Micros
    equity: Units
    deposits: Units


def equity_history(
    record: TrackRecord, equity: Units, now: Micros, since: Micros | None, interval: Interval
) -> list[EquityPoint]:
    """Return the curve of an account's epoch, oldest point first; `equity` is that of now.

    Of each hour or day the last snapshot counts, of the running one now. The first point is the
    beginning of the epoch, unless that was before `since`.
    """
    account, inflows = record.holdings.account, record.inflows
    kept: dict[Micros | int, tuple[int, Micros, Units]] = {}
    for number, (sequence, time, worth) in enumerate(record.snapshots):
        bucket = time // interval.value if interval.value else number
        if time < now and not (interval.value and bucket == now // interval.value):
            kept[bucket] = (sequence, time, worth)
    snapshots = [*kept.values(), (account.sequence, now, equity)]
    begun_with = account.initial_balance
    begin = EquityPoint(account.epoch_began_at, begun_with, begun_with)
    points = [begin, *_with_deposits(snapshots, inflows)]
    return [point for point in points if since is None or point.time >= since]


def _with_deposits(
    snapshots: Sequence[tuple[int, Micros, Units]], inflows: Sequence[Inflow]
) -> list[EquityPoint]:
    """Return points that each tell what came in since the one before; all in order of sequence."""
    points, rest = [], list(reversed(inflows))
    for sequence, time, equity in snapshots:
        came_in = 0
        while rest and rest[-1].sequence <= sequence:
            came_in += rest.pop().amount
        points.append(EquityPoint(time, equity, came_in))
    return points
