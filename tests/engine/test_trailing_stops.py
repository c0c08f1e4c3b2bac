"""Trailing stops in the engine: memory, rows, restarts and replays know the same best prices."""

import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from bottrading.v1 import bot_trading_pb2 as pb
from bottrading.v1 import order_pb2
from server.application import market_feed
from server.application.ports import StorageBroken, StorageUnavailable
from server.storage.database import open_readers
from server.storage.queries import SqlReads
from tests.engine.bench import Bench, at, call, order_of, place, row
from tests.engine.test_replayed_steps import executed, failing
from tests.support.audit import audit
from tests.support.databases import connect, opened, stored_in
from tests.support.venue import NOON, ManualClock

COMMITS_MAX = 12
TRAIL: dict[str, Any] = {
    "side": order_pb2.SIDE_SELL,
    "order_type": order_pb2.ORDER_TYPE_TRAILING_STOP,
    "trail_amount": "5.00",
}
ROWS = [
    row("01-02T15:00", "AAPL", "99", "100"),
    row("01-02T15:01", "AAPL", "110", "111"),
    row("01-02T15:02", "MSFT", "400", "401"),
    # Three quotes of one moment: the first triggers nothing, unless the second one counts already.
    row("01-02T15:03", "AAPL", "109", "110"),
    row("01-02T15:03", "AAPL", "120", "121"),
    row("01-02T15:03", "AAPL", "114", "115", size=4),
    row("01-02T15:04", "AAPL", "100", "101", size=3),
    row("01-02T15:05", "AAPL", "130", "131"),
]


def holding(bench: Bench, quantity: str = "10") -> str:
    """Return an account that bought shares at 100.00."""
    account = bench.account("ada")
    bench.handle(bench.publish("AAPL", "99.00", "100.00"))
    bench.handle(place(1, account, quantity=quantity))
    return account


def stop_of(bench: Bench, account: str, order_id: str) -> str:
    """Return the stop that an answer of the engine shows: one to a replacement without changes."""
    request = pb.ReplaceOrderRequest(order_id=order_id, trail_amount=TRAIL["trail_amount"])
    (answer,) = bench.handle(call(9, "ReplaceOrder", account, request.SerializeToString()))
    return pb.ReplaceOrderResponse.FromString(answer.body).order.stop_price


def stored(data_dir: Path, query: str) -> list[tuple[Any, ...]]:
    connection = connect(data_dir)
    rows = connection.execute(query).fetchall()
    connection.close()
    return rows


@pytest.mark.sqlite_only
def test_a_best_price_moves_many_stops_and_touches_no_row_of_an_order(bench: Bench) -> None:
    account = holding(bench)
    orders = [place(number, account, quantity="0.1", **TRAIL) for number in range(1, 81)]
    first = order_of(bench.handle(*orders)[0])
    bench.handle(passing=True)
    driver: Any = bench.parts.writer.session.connection.connection.driver_connection
    made = list[str]()

    driver.set_trace_callback(made.append)
    bench.handle(bench.publish("AAPL", "110.00", "111.00"))
    bench.handle(bench.publish("AAPL", "106.00", "107.00"))
    driver.set_trace_callback(None)

    assert [statement for statement in made if statement.startswith("UPDATE orders")] == []
    assert [statement for statement in made if "trail_number" in statement] == []
    assert first.stop_price == "94.00000000"
    assert stop_of(bench, account, first.id) == "105.00000000"


def test_a_restart_goes_on_from_the_stored_best_price(data_dir: Path) -> None:
    bench = Bench(data_dir, ManualClock(NOON))
    account = holding(bench)
    order = order_of(bench.handle(place(1, account, quantity="10", **TRAIL))[0])
    bench.handle(bench.publish("AAPL", "110.00", "111.00"))
    bench.clock.turn(seconds=1)
    bench.handle(passing=True)
    bench.handle(bench.publish("AAPL", "112.00", "113.00"))
    # A kill: a file lacks what came after the last second. PostgreSQL has a log of it.
    bench.parts.close()
    stop = 105 if isinstance(stored_in(data_dir), Path) else 107

    again = Bench(data_dir, bench.clock)
    assert stop_of(again, account, order.id) == f"{stop}.00000000"
    again.handle(again.publish("AAPL", "105.00", "106.00"))
    again.parts.close()

    assert stored(data_dir, "SELECT status, stop_price, trail_number FROM orders")[1:] == [
        ("FILLED", stop * 10**8, None)
    ]
    audit(data_dir)


def test_an_order_that_came_after_the_stored_best_prices_keeps_what_it_saw(data_dir: Path) -> None:
    """Earlier orders saw its price, too; both go on from it."""
    bench = Bench(data_dir, ManualClock(NOON))
    account = holding(bench, "20")
    early = order_of(bench.handle(place(1, account, quantity="10", **TRAIL))[0])
    bench.handle(passing=True)
    bench.handle(bench.publish("AAPL", "110.00", "111.00"))
    late = order_of(bench.handle(place(1, account, quantity="10", **TRAIL))[0])
    bench.parts.close()

    again = Bench(data_dir, bench.clock)

    assert stop_of(again, account, late.id) == "105.00000000"
    assert stop_of(again, account, early.id) == "105.00000000"
    again.parts.close()


@pytest.mark.parametrize("is_killed_before", [False, True])
def test_an_order_does_not_take_over_the_best_price_of_orders_that_ended(
    data_dir: Path, is_killed_before: bool
) -> None:
    """Theirs is stored: the next order would trigger at once, though the market never fell."""
    bench = Bench(data_dir, ManualClock(NOON))
    account = holding(bench)
    bench.handle(bench.publish("AAPL", "110.00", "111.00"))
    early = order_of(bench.handle(place(1, account, quantity="10", **TRAIL))[0])
    bench.handle(passing=True)
    cancel = pb.CancelOrderRequest(order_id=early.id).SerializeToString()
    bench.handle(call(1, "CancelOrder", account, cancel))
    if is_killed_before:
        bench.parts.close()
        bench = Bench(data_dir, bench.clock)
    bench.handle(bench.publish("AAPL", "100.00", "101.00"))
    late = order_of(bench.handle(place(1, account, quantity="10", **TRAIL))[0])
    reads = SqlReads(open_readers(stored_in(data_dir)))
    _, (shown,) = reads.live_orders(account)
    reads.close()
    bench.parts.close()

    again = Bench(data_dir, bench.clock)

    assert stop_of(again, account, late.id) == "95.00000000"
    assert shown.stop_price == 95 * 10**8
    again.parts.close()


def test_what_is_not_committed_moves_no_stop(bench: Bench) -> None:
    account = holding(bench)
    order = order_of(bench.handle(place(1, account, quantity="10", **TRAIL))[0])
    with failing(0, StorageUnavailable):
        bench.handle(bench.publish("AAPL", "110.00", "111.00"))
    assert stop_of(bench, account, order.id) == "94.00000000"


def test_cancelled_and_triggered_orders_leave_no_trail(bench: Bench) -> None:
    account = holding(bench)
    kept = [
        order_of(bench.handle(place(number, account, quantity="1", **TRAIL))[0])
        for number in (1, 2, 3)
    ]
    cancel = pb.CancelOrderRequest(order_id=kept[0].id).SerializeToString()
    bench.handle(call(1, "CancelOrder", account, cancel))
    bench.handle(bench.publish("AAPL", "94.00", "95.00", "1"))
    bench.handle(bench.publish("AAPL", "93.00", "94.00"))
    bench.clock.turn(seconds=1)
    bench.handle(passing=True)

    rows = bench.parts.writer.session.driver.execute("SELECT marks FROM trails").fetchall()
    numbers = bench.parts.writer.session.driver.execute(
        "SELECT count(*) FROM orders WHERE trail_number IS NOT NULL"
    ).fetchone()
    assert (rows, numbers) == ([("[]",)], (0,))


def replaying(data_dir: Path) -> Bench:
    """Return a replay at its first quote, with two accounts whose stops trail."""
    bench = Bench(data_dir, ManualClock(NOON), rows=ROWS)
    accounts = [bench.account(f"bot {number}") for number in range(2)]
    bench.reach(at("01-02 15:00"))
    for account in accounts:
        bench.handle(place(1, account, quantity="10"))
        bench.handle(*(place(2, account, quantity="2", **TRAIL) for _ in range(5)))
    return bench


@pytest.fixture
def calm(data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Return what was executed when nothing fails."""
    monkeypatch.setattr(market_feed, "ORDERS_A_TRANSACTION_MAX", 2)
    other = tmp_path / "calm"
    shutil.copytree(data_dir, other)
    bench = replaying(other)
    bench.reach(at("01-02 15:05"))
    bench.parts.close()
    found = executed(other)
    assert [it[2] for it in found if it[0] == "SELL"].count(114 * 10**8) == 4
    return found


@pytest.mark.sqlite_only
@pytest.mark.parametrize("number", range(COMMITS_MAX))
@pytest.mark.parametrize("fault", [StorageUnavailable, StorageBroken])
def test_a_replay_that_is_interrupted_triggers_what_a_calm_one_does(
    data_dir: Path, calm: list[Any], number: int, fault: type[Exception]
) -> None:
    """A best price from within a moment would trigger at the first quote of the moment."""
    bench = replaying(data_dir)
    with failing(number, fault), suppress(StorageBroken):
        bench.reach(at("01-02 15:05"))
    if fault is StorageBroken:
        bench.parts.close()
        bench = Bench(data_dir, bench.clock, rows=ROWS)
    bench.reach(at("01-02 15:05"))
    bench.parts.close()

    assert executed(data_dir) == calm


def test_a_held_exit_joins_the_trails_with_its_entrys_first_fill(bench: Bench) -> None:
    """Until then nothing follows the market for it: no number, no watermark, no best price."""
    account = bench.account("ada")
    bench.handle(bench.publish("AAPL", "99.00", "100.00"))
    group = pb.StopLoss(trail_amount="5.00")
    entry = place(
        1,
        account,
        quantity="10",
        order_type=order_pb2.ORDER_TYPE_LIMIT,
        limit_price="90.00",
        order_class=order_pb2.ORDER_CLASS_OTO,
        stop_loss=group,
    )
    (leg,) = order_of(bench.handle(entry)[0]).legs
    bench.handle(bench.publish("AAPL", "150.00", "151.00"))
    held, known = _trail_of(bench, leg.id), bench.parts.writer.trails.unstored()
    bench.handle(bench.publish("AAPL", "89.00", "90.00"))
    released = _trail_of(bench, leg.id)
    bench.handle(bench.publish("AAPL", "84.00", "85.00"))

    assert (held, known) == ((None, None), {})
    assert released == (1, 89 * 10**8)
    assert _trail_of(bench, leg.id) == (None, 89 * 10**8)


def _trail_of(bench: Bench, order_id: str) -> tuple[Any, ...]:
    query = "SELECT trail_number, watermark FROM orders WHERE id = ?"
    with opened(bench.data_dir) as connection:
        found: tuple[Any, ...] = connection.execute(query, (order_id,)).fetchone()
    return found
