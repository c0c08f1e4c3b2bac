"""Reached orders: a quote costs work only for the waiting orders that it reaches."""

from pathlib import Path
from typing import Any

import pytest

from bottrading.v1 import bot_trading_pb2 as pb
from bottrading.v1 import market_data_pb2, order_pb2
from server.application.ports import StorageUnavailable
from server.domain.matching import reach
from server.domain.order import Order
from server.domain.quote import Quote
from server.domain.values import SCALE, Price, Quantity
from server.storage import mapping
from server.storage.unit_of_work import SqlUnitOfWork
from tests.engine.bench import Bench, call, order_of, place
from tests.engine.ledger import StoredBook, connect
from tests.support.venue import NOON, ManualClock

SELL = {"side": order_pb2.SIDE_SELL}
LIMIT: dict[str, Any] = {"order_type": order_pb2.ORDER_TYPE_LIMIT}
STOP: dict[str, Any] = {"order_type": order_pb2.ORDER_TYPE_STOP}
TRAIL: dict[str, Any] = {"order_type": order_pb2.ORDER_TYPE_TRAILING_STOP}
WAITING: dict[str, dict[str, Any]] = {
    "market buy": {},
    "limit buy": LIMIT | {"limit_price": "100.00"},
    "stop buy": STOP | {"stop_price": "101.00"},
    "market sell": SELL,
    "limit sell": SELL | LIMIT | {"limit_price": "99.00"},
    "stop sell": SELL | STOP | {"stop_price": "98.00"},
}


def waiting(bench: Bench) -> tuple[str, dict[str, str]]:
    """Let an account have an order of each kind that waits, and return the names by their ids."""
    account = bench.account("ada")
    bench.handle(bench.publish("AAPL", "99.00", "100.00"))
    bench.handle(place(1, account, quantity="900", limit_price="100.00", **LIMIT))
    bench.handle(bench.publish("AAPL", "99.00", "100.00", "0"))
    names = {}
    for name, fields in WAITING.items():
        (answer,) = bench.handle(place(1, account, **fields | {"quantity": "1"}))
        order = order_of(answer)
        assert order.status == order_pb2.ORDER_STATUS_OPEN
        names[order.id] = name
    return account, names


def reached(bench: Bench, names: dict[str, str], bid_size: int, ask_size: int) -> set[str]:
    """Return the orders that a quote at 98.00 / 101.00 with some sizes reaches."""
    instrument = bench.parts.feed.instruments.find("AAPL")
    assert instrument is not None
    quote = Quote(
        symbol="AAPL",
        bid=Price(98 * SCALE),
        bid_size=Quantity(bid_size),
        ask=Price(101 * SCALE),
        ask_size=Quantity(ask_size),
        last=Price(100 * SCALE),
        time=bench.clock.now,
        sequence=0,
    )
    costs = bench.parts.feed.market(instrument, bench.clock.now).costs
    with SqlUnitOfWork(bench.parts.writer) as unit:
        found = unit.reached_orders([reach(quote, instrument, costs)])
        return {names[order.load().id] for order in found}


STOPS = {"stop buy", "stop sell"}


@pytest.mark.parametrize(
    ("bid_size", "ask_size", "expected"),
    [
        (1, 1, STOPS | {"market buy", "market sell"}),
        (0, 1, STOPS | {"market buy"}),
        (1, 0, STOPS | {"market sell"}),
        (0, 0, STOPS),
    ],
)
def test_a_side_that_shows_nothing_reaches_only_what_awaits_its_trigger(
    bench: Bench, bid_size: int, ask_size: int, expected: set[str]
) -> None:
    """Thousands may wait for one side, and reading an order costs as much as filling it."""
    _, names = waiting(bench)
    assert reached(bench, names, bid_size, ask_size) == expected


def test_a_quote_that_shows_nothing_triggers_and_fills_nothing(bench: Bench) -> None:
    account, names = waiting(bench)
    bench.handle(bench.publish("AAPL", "98.00", "101.00", "0"))

    connection = connect(bench.data_dir)
    book = StoredBook(connection, account)
    book.read_orders()
    connection.close()
    changed = {names[it.id]: it for it in book.orders.values() if it.id in names}
    assert {name for name, it in changed.items() if it.triggered_at is not None} == STOPS
    assert {it.status.value for it in changed.values()} == {"OPEN"}


def test_where_sizes_do_not_count_a_side_that_shows_nothing_reaches_all(data_dir: Path) -> None:
    bench = Bench(data_dir, ManualClock(NOON), liquidity="none")
    account = bench.account("ada")
    (answer,) = bench.handle(place(1, account, limit_price="100.00", **LIMIT))
    names = {order_of(answer).id: "limit buy"}
    bench.handle(bench.publish("AAPL", "98.00", "99.00", "0"))
    connection = connect(bench.data_dir)
    book = StoredBook(connection, account)
    (order,) = [book.read_order(order_id) for order_id in names]
    connection.close()
    bench.parts.close()
    assert order.status.value == "FILLED"


def test_once_a_side_is_used_up_what_waits_behind_is_left_alone(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = bench.account("ada")
    bench.handle(bench.publish("AAPL", "99.00", "100.00"))
    bench.handle(place(1, account, quantity="900"))
    bench.handle(bench.publish("AAPL", "99.00", "100.00", "0"))
    bench.handle(*(place(number, account, quantity="2", **SELL) for number in range(1, 41)))
    bench.handle(place(1, account, **SELL | STOP | {"stop_price": "98.00", "quantity": "1"}))
    loaded, order_from = list[str](), mapping.order_from

    def note(row: Any) -> Order:
        loaded.append(row.id)
        return order_from(row)

    monkeypatch.setattr(mapping, "order_from", note)
    bench.handle(bench.publish("AAPL", "98.00", "100.00", "5"))

    connection = connect(bench.data_dir)
    book = StoredBook(connection, account)
    monkeypatch.undo()
    book.read_orders()
    connection.close()
    sales = [it for it in book.orders.values() if it.side.value == "SELL"]
    assert sorted(it.filled_quantity // SCALE for it in sales)[-4:] == [0, 1, 2, 2]
    # Three orders take all of the size, and the stop is triggered although nothing is left.
    assert len(loaded) == 4
    assert [it.stop_price for it in sales if it.triggered_at is not None] == [98 * SCALE]


def searches(bench: Bench, bid: str, ask: str) -> int:
    """Return how many statements about orders a quote costs."""
    statements: list[str] = []
    driver = bench.parts.writer.session.driver
    driver.set_trace_callback(statements.append)
    bench.handle(bench.publish("AAPL", bid, ask))
    driver.set_trace_callback(None)
    return sum(" orders" in text for text in statements)


@pytest.mark.sqlite_only
def test_a_quote_between_the_prices_of_all_orders_asks_the_database_for_none(
    bench: Bench,
) -> None:
    account = bench.account("ada")
    bench.handle(bench.publish("AAPL", "99.00", "100.00"))
    bench.handle(place(1, account, limit_price="90.00", **LIMIT))

    assert searches(bench, "90.00", "90.01") == 0
    assert searches(bench, "89.99", "90.00") > 0
    assert searches(bench, "89.00", "89.01") > 0, "the filled order is still known"
    assert searches(bench, "89.00", "89.01") == 0, "the prices were not read again"


@pytest.mark.sqlite_only
def test_a_quote_that_only_moves_trails_asks_the_database_for_none(data_dir: Path) -> None:
    """One that moves a trail may reach a stop beside it, before and after a restart."""
    bench = Bench(data_dir, ManualClock(NOON))
    account = bench.account("ada")
    bench.handle(bench.publish("AAPL", "99.00", "100.00"))
    bench.handle(place(1, account, quantity="9"))
    bench.handle(place(1, account, **SELL | TRAIL | {"trail_amount": "30.00"}))
    bench.handle(place(1, account, **SELL | TRAIL | {"trail_percent": "0.00000001"}))
    bench.handle(place(1, account, **TRAIL | {"trail_amount": "50.00"}))
    bench.handle(place(1, account, **STOP | {"stop_price": "105.00"}))
    bench.handle(place(1, account, **SELL | LIMIT | {"limit_price": "110.00"}))

    assert searches(bench, "101.00", "102.00") == 0
    assert searches(bench, "104.00", "105.00") > 0
    assert filled(bench) == ["MARKET", "STOP"]
    assert searches(bench, "105.00", "106.00") > 0, "the filled stop is still known"
    assert searches(bench, "106.00", "107.00") == 0
    bench.parts.close()
    bench = Bench(data_dir, bench.clock)
    assert searches(bench, "108.00", "109.00") == 2, "what rests is read once"
    assert searches(bench, "109.00", "110.00") == 0
    assert searches(bench, "110.00", "111.00") > 0
    assert filled(bench) == ["LIMIT", "MARKET", "STOP"]
    # The trail of almost nothing, then the wide one, each at a quote after one that moved it.
    assert searches(bench, "120.00", "121.00") > 0, "the filled limit is still known"
    assert searches(bench, "130.00", "131.00") == 0
    assert searches(bench, "129.99", "131.00") > 0
    assert filled(bench) == ["LIMIT", "MARKET", "STOP", "TRAILING_STOP"]
    assert searches(bench, "100.00", "101.00") > 0
    assert filled(bench) == ["LIMIT", "MARKET", "STOP", "TRAILING_STOP", "TRAILING_STOP"]
    bench.parts.close()


def test_a_vain_look_at_trails_hides_no_order_of_the_same_unit(bench: Bench) -> None:
    """The look writes what the first of two quotes decided."""
    account = bench.account("ada")
    bench.handle(bench.publish("AAPL", "99.00", "100.00"))
    bench.handle(place(1, account, quantity="9"))
    near = order_of(bench.handle(place(1, account, **SELL | TRAIL | {"trail_amount": "5.00"}))[0])
    bench.handle(place(1, account, **SELL | TRAIL | {"trail_amount": "50.00"}))
    cancel = pb.CancelOrderRequest(order_id=near.id).SerializeToString()
    bench.handle(call(1, "CancelOrder", account, cancel))
    bench.handle(place(1, account, limit_price="95.00", **LIMIT | {"quantity": "10"}))
    both = market_data_pb2.PublishQuotesRequest()
    for bid, ask, size in (("94.50", "95.00", "4"), ("94.00", "94.50", "1000")):
        both.MergeFromString(bench.publish("AAPL", bid, ask, size).body)
        both.quotes[-1].time.FromMicroseconds(bench.clock.now)

    bench.handle(call(7, "PublishQuotes", "", both.SerializeToString()))

    driver = bench.parts.writer.session.driver
    quantities = driver.execute("SELECT quantity FROM fills ORDER BY quantity").fetchall()
    assert quantities == [(4 * SCALE,), (6 * SCALE,), (9 * SCALE,)]


def filled(bench: Bench) -> list[str]:
    """Return the types of the orders that are filled."""
    query = "SELECT order_type FROM orders WHERE status = 'FILLED' ORDER BY order_type"
    return [name for (name,) in bench.parts.writer.session.driver.execute(query)]


def test_after_a_start_and_after_a_failure_resting_orders_are_known(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: SqlUnitOfWork) -> None:
        raise StorageUnavailable("gone")

    bench = Bench(data_dir, ManualClock(NOON))
    account = bench.account("ada")
    bench.handle(bench.publish("AAPL", "99.00", "100.00"))
    bench.handle(place(1, account, limit_price="90.00", **LIMIT))
    bench.parts.close()
    bench = Bench(data_dir, bench.clock)
    with monkeypatch.context() as patch:
        patch.setattr(SqlUnitOfWork, "commit", fail)
        bench.handle(bench.publish("AAPL", "89.00", "90.00"))
    bench.handle(bench.publish("AAPL", "89.00", "90.00"))

    (fills,) = bench.parts.writer.session.driver.execute("SELECT count(*) FROM fills").fetchone()
    bench.parts.close()
    assert fills == 1
