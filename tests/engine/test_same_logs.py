"""Logs of a lock-step replay: the same decisions make the same bytes, whatever the others do."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration

from bottrading.v1 import order_pb2
from server.storage.migrate import bring_up_to_date
from tests.engine.bench import at, place, row
from tests.engine.stepped import Stepped, names
from tests.support.databases import opened

pytestmark = pytest.mark.sqlite_only
"""Each run has a file of its own."""

ROWS = [
    row("01-02 15:00", "AAPL", "100.00", "101.00"),
    row("01-02 16:00", "AAPL", "90.00", "91.00", size=5),
    row("01-02 16:20", "AAPL", "90.00", "91.00"),
    row("01-06 15:00", "AAPL", "110.00", "111.00"),
    row("01-06 18:00", "AAPL", "120.00", "121.00"),
]
LIMIT = {"order_type": order_pb2.ORDER_TYPE_LIMIT, "quantity": "9"}
DAY = {**LIMIT, "limit_price": "50.00", "time_in_force": order_pb2.TIME_IN_FORCE_DAY}
TIMES = ["01-02 15:00", "01-02 16:30", "01-06 16:00", "01-07 00:00"]

Others = Callable[[Stepped, str], None]


class Run:
    """A run in a data directory of its own; ada decides the same in each run."""

    def __init__(self, data_dir: Path, *, participants: int, others: Others, apart: bool) -> None:
        data_dir.mkdir()
        bring_up_to_date(data_dir / "bottrading.sqlite")
        self.replay = Stepped(
            data_dir,
            rows=ROWS,
            participants=participants,
            step_timeout=60,
            snapshot_interval_seconds=600,
        )
        self._others, self._apart = others, apart
        self.ada = self.replay.account("ada")

    def go(self) -> list[Any]:
        """Let ada trade until the end; return her log and her equity curve."""
        ada, replay = self.ada, self.replay
        told = []
        for number, until in enumerate(TIMES):
            call = replay.advance(ada, until)
            while call in replay.waiting:
                self._others(replay, until)
                replay.go(seconds=1)
            told.append(replay.told(call))
            if number == 0:
                self._place({"quantity": "2"}, {**LIMIT, "limit_price": "95.00"}, DAY)
        assert told[-1].ended
        with opened(replay.bench.data_dir) as connection:
            rows = connection.execute(
                "SELECT * FROM events WHERE account_id = ? ORDER BY sequence", (ada,)
            )
            curve = connection.execute(
                "SELECT * FROM equity_snapshots WHERE account_id = ? ORDER BY time", (ada,)
            )
        replay.bench.parts.close()
        return [rows, curve, [answer.SerializeToString() for answer in told]]

    def _place(self, *orders: dict[str, Any]) -> None:
        calls = [place(900 + number, self.ada, **fields) for number, fields in enumerate(orders)]
        for part in [[call] for call in calls] if self._apart else [calls]:
            self.replay.bench.handle(*part)


@pytest.fixture
def play(tmp_path: Path) -> Callable[..., list[Any]]:
    made = 0

    def run(*, participants: int = 1, others: Others = lambda *_: None, apart: bool = True) -> Any:
        nonlocal made
        made += 1
        return Run(tmp_path / str(made), participants=participants, others=others, apart=apart).go()

    return run


def bob_calls_often(replay: Stepped, _: str) -> None:
    replay.advance(replay.account("bob"), by=Duration(seconds=1_801))


def bob_dies(replay: Stepped, until: str) -> None:
    if until == TIMES[0]:
        replay.advance(replay.account("bob"), "01-02 15:00")


def test_orders_that_come_together_or_one_by_one_make_the_same_log(
    play: Callable[..., list[Any]],
) -> None:
    assert play(apart=True) == play(apart=False)


@pytest.mark.parametrize("others", [bob_calls_often, bob_dies])
def test_no_other_participant_changes_a_byte_of_a_log(
    play: Callable[..., list[Any]], others: Others
) -> None:
    alone = play()

    assert play(participants=2, others=others) == alone


def test_an_order_expires_at_its_own_time(data_dir: Path) -> None:
    replay = Stepped(data_dir, rows=ROWS)
    ada = replay.account("ada")
    replay.step(ada, "01-02 15:00")
    replay.place(ada, **DAY)

    told = replay.step(ada, "01-06 15:00")
    replay.bench.parts.close()

    assert names(told.events) == ["CANCELLED"]
    assert told.events[0].time.ToMicroseconds() == at("01-03 00:00")


def test_ids_are_of_no_other_market(data_dir: Path) -> None:
    replay = Stepped(data_dir, rows=ROWS)
    ada = replay.account("ada")
    replay.step(ada, "01-02 15:00")
    replay.place(ada)
    order = replay.log(ada)[-1].order_update.order
    fill = replay.log(ada)[-1].order_update.fill
    replay.bench.parts.close()

    assert {len(it) for it in (ada, order.id, fill.id)} == {36}
    assert {it[14] for it in (ada, order.id, fill.id)} == {"8"}
    assert len({ada, order.id, fill.id}) == 3
