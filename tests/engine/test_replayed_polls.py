"""Replayed polls: the outcome does not depend on how much of a file is played at once."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from bottrading.v1 import order_pb2
from server.application import timekeeping
from server.application.timekeeping import STEPS_TIME_MAX
from server.domain.values import CENT, SECOND, Micros
from server.storage.tables import metadata
from tests.engine.bench import Bench, at, order_of, place, row
from tests.engine.deterministic_run import CountingChance
from tests.support.databases import connect
from tests.support.venue import NOON, ManualClock

BUY_BACK = {"limit_price": "30.00", "order_type": order_pb2.ORDER_TYPE_LIMIT}
STOP = {
    "side": order_pb2.SIDE_SELL,
    "stop_price": "90.00",
    "order_type": order_pb2.ORDER_TYPE_STOP,
}
CALL = "AAPL250117C00260000"


class Played:
    """A file that is played in some polls, after orders at its first quote."""

    def __init__(self, data_dir: Path, rows: Sequence[str], orders: Sequence[dict[str, Any]]):
        self.bench = Bench(data_dir, ManualClock(NOON), rows=rows, chance=CountingChance())
        self.account = self.bench.account("ada")
        self.bench.reach(at(rows[0][5:16].replace("T", " ")))
        for number, fields in enumerate(orders, start=1):
            (answer,) = self.bench.handle(place(number, self.account, **fields))
            assert order_of(answer).status != order_pb2.ORDER_STATUS_REJECTED

    def go(self, moments: Sequence[Micros]) -> dict[str, list[Any]]:
        """Play until each of some moments, close the engine and return all its tables hold."""
        for moment in moments:
            self.bench.reach(moment)
        self.bench.parts.close()
        return tables(self.bench.data_dir)


class SlowClock:
    """A monotonic clock on which every look takes as long as the steps of a poll may take."""

    def __init__(self) -> None:
        self.now: Micros = 0

    def __call__(self) -> Micros:
        self.now += STEPS_TIME_MAX
        return self.now


def tables(data_dir: Path) -> dict[str, list[Any]]:
    """Return the rows of the tables of trading.

    Left out is which events were stored together, and the shard, which depends on the database.
    """
    connection = connect(data_dir)
    names = (
        "accounts",
        "positions",
        "orders",
        "fills",
        "equity_snapshots",
        "equity_curves",
        "quotes",
        "bars",
        "replays",
    )
    found = {}
    for name in names:
        columns = ", ".join(it.name for it in metadata.tables[name].columns if it.name != "shard")
        found[name] = connection.execute(f"SELECT {columns} FROM {name}").fetchall()
    query = "SELECT account_id, sequence, payload FROM events"
    found["events"] = connection.execute(query).fetchall()
    connection.close()
    return found


def moments_of(rows: Sequence[str]) -> list[Micros]:
    return [at(line[5:16].replace("T", " ")) for line in rows]


# The stop sells on the 3rd, the limit buys on the 7th, and the money stays as it is in between.
FALLING = [
    row("01-02T15:00", "AAPL", "99", "100"),
    row("01-03T15:00", "AAPL", "90", "91"),
    row("01-06T15:00", "AAPL", "50", "51"),
    row("01-07T15:00", "AAPL", "29", "30"),
    row("01-08T15:00", "AAPL", "10", "11"),
    row("01-09T15:00", "AAPL", "40", "41"),
]
# The call is bought on the 16th and is worth 39.50 when it expires; a day later it would be worth
# nothing.
EXPIRING = [
    row("01-13T15:00", "AAPL", "299", "300"),
    row("01-13T15:01", CALL, "50", "51"),
    row("01-16T15:00", CALL, "39", "40"),
    row("01-17T20:59", "AAPL", "299", "300"),
    row("01-18T00:01", "BTC-USD", "100000", "100001"),
    row("01-19T20:00", "AAPL", "99", "100"),
    row("01-20T20:00", "AAPL", "99", "100"),
]
BUY_CALL = {
    "symbol": CALL,
    "limit_price": "40.00",
    "order_type": order_pb2.ORDER_TYPE_LIMIT,
}
FILES: dict[str, tuple[list[str], list[dict[str, Any]]]] = {
    "orders that fill on the way": (FALLING, [{"quantity": "900"}, STOP | {"quantity": "900"}]),
    "an order for what was sold": (FALLING, [{}, STOP, BUY_BACK | {"quantity": "300"}]),
    "an option that is bought on the way and expires": (EXPIRING, [BUY_CALL]),
}


@pytest.mark.sqlite_only
@pytest.mark.parametrize("name", FILES)
def test_one_poll_for_all_and_a_poll_for_each_step_leave_the_same(
    data_dir: Path, tmp_path: Path, name: str
) -> None:
    """Otherwise figures and limits of an account would depend on the speed of a replay."""
    rows, orders = FILES[name]
    other = tmp_path / "other"
    shutil.copytree(data_dir, other)
    moments = moments_of(rows)

    at_once = Played(data_dir, rows, orders).go(moments[-1:])
    step_by_step = Played(other, rows, orders).go(moments[1:])

    assert at_once == step_by_step
    assert at_once["equity_snapshots"]
    assert at_once["fills"]


def test_a_snapshot_knows_what_was_sold_in_the_same_poll(data_dir: Path) -> None:
    played = Played(data_dir, FALLING, [{"quantity": "1000"}, STOP | {"quantity": "1000"}])

    snapshots = played.go([at("01-09 15:00")])["equity_snapshots"]

    values = [equity // (100 * CENT) for _, _, equity, *_ in snapshots]
    assert values == [99_500, *[90_000] * 5]


def test_the_last_value_of_a_day_is_that_of_its_last_quote(data_dir: Path) -> None:
    """Minutes of a session end between two rounds; its close must count for that day's return."""
    rows = [
        row("01-02T20:45", "AAPL", "100", "100"),
        row("01-02T20:59", "AAPL", "150", "150"),
        row("01-03T20:59", "AAPL", "120", "120"),
    ]
    played = Played(data_dir, rows, [{"quantity": "100"}])

    snapshots = played.go([at("01-03 20:59")])["equity_snapshots"]

    values = [(time, equity // (100 * CENT)) for _, time, equity, *_ in snapshots]
    day_end = at("01-03 00:00") - 2 * SECOND
    assert values[-2:] == [(day_end, 105_000), (at("01-03 20:59"), 102_000)]


def test_an_option_that_is_bought_in_the_poll_of_its_expiry_is_settled_then(
    data_dir: Path,
) -> None:
    played = Played(data_dir, EXPIRING, [BUY_CALL])

    accounts = played.go([at("01-20 20:00")])["accounts"]

    assert [account[4] for account in accounts] == [(100_000_00 - 4_000_00 + 3_950_00) * CENT]


def test_what_is_stored_together_ends_together_however_often_it_was_looked_at(
    data_dir: Path,
) -> None:
    """A stream resumes between two transactions, and never within one."""
    played = Played(data_dir, FALLING, [{}, STOP, BUY_BACK])
    bench = played.bench
    bench.reach(at("01-09 15:00"))
    bench.parts.close()

    connection = connect(data_dir)
    query = "SELECT sequence, transaction_end FROM events ORDER BY sequence"
    ends = dict(connection.execute(query).fetchall())
    connection.close()
    # Opened; bought; both placed; then triggered, sold and bought by the file.
    assert ends == {1: 1, 2: 3, 3: 3, 4: 4, 5: 5, 6: 8, 7: 8, 8: 8}


def test_after_an_opening_nothing_fills_at_the_quote_of_an_earlier_session(
    data_dir: Path,
) -> None:
    """In a replay a quote is fresh until the next one, so only the session limits its age."""
    rows = [
        row("01-02T20:59", "AAPL", "99", "100"),
        row("01-03T14:35", "MSFT", "400", "401"),
        row("01-03T14:40", "AAPL", "199", "200"),
    ]
    bench = Bench(data_dir, ManualClock(NOON), rows=rows, sessions="exchange")
    account = bench.account("ada")
    bench.reach(at("01-03 14:35"))

    (answer,) = bench.handle(place(1, account))
    assert order_of(answer).status == order_pb2.ORDER_STATUS_OPEN
    bench.reach(at("01-03 14:40"))
    (answer,) = bench.handle(place(2, account))
    assert order_of(answer).filled_price == "200.00000000"
    bench.parts.close()

    assert [fill[9] // (100 * CENT) for fill in tables(data_dir)["fills"]] == [200, 200]


def test_steps_that_take_long_leave_the_rest_to_the_next_poll(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Calls wait for a poll, and the front restarts an engine that does not answer."""
    monkeypatch.setattr(timekeeping, "STEPS_AT_ONCE", 1)
    rows = [row(f"01-02T15:00:00.{number:06}", "AAPL", "99", "100") for number in range(20)]
    first = at("01-02 15:00")
    bench = Bench(data_dir, ManualClock(NOON), rows=rows, monotonic=SlowClock())

    reached, polls = bench.parts.clock(), list[Micros]()
    while bench.parts.feed.source.is_due(bench.parts.clock()):
        bench.handle(passing=True)
        polls.append(bench.parts.clock() - reached)
        reached = bench.parts.clock()
    bench.parts.close()

    assert polls == [0, *[1] * 20]
    assert reached == first + 19
    assert [quote[7] for quote in tables(data_dir)["quotes"]] == [21]
