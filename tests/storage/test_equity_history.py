"""The equity curve from the database: few rows are read, and they agree with all rows."""

from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from server.application.equity_history import EquityPoint, Interval, equity_history
from server.domain.account import SnapshotFilter
from server.domain.values import DAY, SCALE, SECOND, Micros, Units
from server.storage.database import open_readers, snapshot
from server.storage.queries import SqlReads
from tests.support.databases import Opened, connect, stored_in

HOUR = DAY // 24
BEGIN: Micros = 20_000 * DAY + 5 * HOUR
EPOCH = 10
EQUITY: Units = 777 * SCALE
PERIODS = (None, HOUR // 2, DAY, 3 * DAY)
MANY = 20_000

Row = tuple[int, Micros, Units]
"""A sequence, a moment and an amount: a snapshot or a deposit."""

distances = st.sampled_from((1, SECOND, HOUR // 4, HOUR, HOUR + 1, 5 * HOUR, DAY, 2 * DAY))
histories = st.lists(st.tuples(distances, st.booleans(), st.integers(1, 10**6)), max_size=40)


@pytest.fixture
def database(data_dir: Path) -> Iterator[Opened]:
    connection = connect(data_dir)
    yield connection
    connection.close()


@pytest.fixture
def reads(data_dir: Path) -> Iterator[SqlReads]:
    opened = SqlReads(open_readers(stored_in(data_dir)))
    yield opened
    opened.close()


def store(connection: Opened, snapshots: list[Row], inflows: list[Row]) -> None:
    """Store an account in its second epoch, begun at BEGIN, with its snapshots and deposits."""
    given = {
        "id": "a",
        "user_id": "u",
        "trading_state": "ACTIVE",
        "margin_mode": "CASH",
        "initial_balance": EQUITY,
        "initial_share": 1,
        "fills": 1,
        "epoch_sequence": EPOCH,
        "epoch_began_at": BEGIN,
        "sequence": 10**6,
        "resets": 1,
        "traded": "",
    }
    rows = {
        "accounts": [given],
        "equity_snapshots": [
            {
                "account_id": "a",
                "sequence": sequence,
                "time": time,
                "equity": equity,
                "initial_value": 1,
            }
            for sequence, time, equity in snapshots
        ],
        "inflows": [
            {
                "account_id": "a",
                "sequence": sequence,
                "time": time,
                "amount": amount,
                "equity_before": 1,
            }
            for sequence, time, amount in inflows
        ],
    }
    for table, values in rows.items():
        connection.execute(f"DELETE FROM {table}")
        connection.insert(table, *values)


def read(
    reads: SqlReads, now: Micros, since: Micros | None, interval: Interval
) -> list[EquityPoint]:
    wanted = SnapshotFilter(
        since=since, before=interval.begin(now), width=interval.width, limit=MANY
    )
    return equity_history(reads.track_record("a", wanted), EQUITY, now, since)


def from_all_rows(
    snapshots: list[Row], inflows: list[Row], now: Micros, since: Micros | None, interval: Interval
) -> list[EquityPoint]:
    """Return the expected curve of an epoch, from all its snapshots at once."""
    last: dict[Micros, Row] = {}
    for sequence, time, equity in snapshots:
        span = time // interval.width
        if sequence >= EPOCH and time < now and span != now // interval.width:
            last[span] = (sequence, time, equity)
    points, counted = [EquityPoint(BEGIN, EQUITY, EQUITY)], EPOCH
    for sequence, time, equity in [*last.values(), (10**6, now, EQUITY)]:
        came_in = sum(amount for number, _, amount in inflows if counted < number <= sequence)
        points.append(EquityPoint(time, equity, came_in))
        counted = sequence
    return [point for point in points if since is None or point.time >= since]


def rows_of(history: list[tuple[Micros, bool, int]]) -> tuple[list[Row], list[Row], Micros]:
    """Return snapshots and inflows of an epoch with some of the one before, and a moment after."""
    snapshots, inflows = [(EPOCH - 1, BEGIN - DAY, 5), (EPOCH - 1, BEGIN, 6)], [(3, BEGIN - DAY, 7)]
    now, sequence = BEGIN, EPOCH
    for distance, comes_in, cents in history:
        now += distance
        if comes_in:
            sequence += 1
            inflows.append((sequence, now, cents))
        else:
            snapshots.append((sequence, now, cents))
    return snapshots, inflows, now + 1


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(history=histories)
def test_a_curve_is_what_all_snapshots_of_the_epoch_come_to(
    database: Opened, reads: SqlReads, history: list[tuple[Micros, bool, int]]
) -> None:
    """With every interval and period, money that came in, gaps, and an epoch of before."""
    snapshots, inflows, now = rows_of(history)
    store(database, snapshots, inflows)

    for period, interval in product(PERIODS, Interval):
        since = None if period is None else now - period
        expected = from_all_rows(snapshots, inflows, now, since, interval)
        assert read(reads, now, since, interval) == expected


@pytest.mark.sqlite_only
@pytest.mark.parametrize(
    ("period", "interval", "points"),
    [(DAY, Interval.HOUR, 24), (None, Interval.DAY, 210), (3 * DAY, Interval.SNAPSHOT, 289)],
)
def test_a_curve_costs_as_much_as_it_has_points(
    database: Opened,
    reads: SqlReads,
    period: Micros | None,
    interval: Interval,
    points: int,
) -> None:
    """Of 20 000 snapshots, one each quarter of an hour, only a few are read."""
    snapshots = [(EPOCH, BEGIN + number * HOUR // 4, EQUITY) for number in range(MANY)]
    store(database, snapshots, [])
    now = snapshots[-1][1] + 1
    since = None if period is None else now - period

    found, looks = counting_steps(reads, lambda: read(reads, now, since, interval))

    assert len(found) == points
    assert looks < 100 * (points + 10)


def counting_steps(
    reads: SqlReads, function: Callable[[], list[EquityPoint]]
) -> tuple[list[EquityPoint], int]:
    """Return what a function reads, and in how many steps of the database's virtual machine."""
    steps = 0

    def count() -> int:
        nonlocal steps
        steps += 100
        return 0

    with snapshot(reads._engine) as connection:
        driver = connection.connection.driver_connection
        assert driver is not None
        driver.set_progress_handler(count, 100)
    return function(), steps
