"""Many triggers: one quote that reaches a thousand stops, and a kill while they are filled."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bottrading.v1 import order_pb2
from server.application.ports import StorageBroken, StorageUnavailable
from server.domain.order import Order
from server.storage.unit_of_work import SqlUnitOfWork
from tests.engine.bench import Bench, is_not_executed, order_of, place
from tests.engine.ledger import StoredBook, connect
from tests.support.audit import audit
from tests.support.venue import NOON, ManualClock

ACCOUNTS = 5
STOPS_OF_ONE = 200
STOPS = ACCOUNTS * STOPS_OF_ONE
COMMITS_MAX = 4


def _rest(bench: Bench) -> list[str]:
    """Let every account hold shares, and place its stops below the bid."""
    accounts = [bench.account(f"bot {number}") for number in range(ACCOUNTS)]
    bench.handle(bench.publish("AAPL", "99.00", "100.00", size="100000"))
    stop = {"order_type": order_pb2.ORDER_TYPE_STOP, "side": order_pb2.SIDE_SELL}
    for account in accounts:
        bench.handle(place(1, account, quantity=str(STOPS_OF_ONE)))
        placed = bench.handle(
            *(
                place(number, account, stop_price="95.00", **stop)
                for number in range(1, STOPS_OF_ONE + 1)
            )
        )
        assert {order_of(answer).status for answer in placed} == {order_pb2.ORDER_STATUS_OPEN}
    return accounts


def _orders(data_dir: Path, accounts: list[str]) -> list[Order]:
    """Return the stops of all accounts as they are stored."""
    connection = connect(data_dir)
    found = []
    for account_id in accounts:
        book = StoredBook(connection, account_id)
        book.read_orders()
        found += [order for order in book.orders.values() if order.stop_price is not None]
    connection.close()
    return found


@contextmanager
def _commits(bench: Bench) -> Iterator[list[str]]:
    """Collect the transactions that the engine stores."""
    seen: list[str] = []
    writer = bench.parts.writer
    commit = writer.end_transaction

    def note() -> None:
        seen.append("COMMIT")
        commit()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(writer, "end_transaction", note)
        yield seen


def test_one_quote_fills_a_thousand_stops_in_a_handful_of_transactions(bench: Bench) -> None:
    accounts = _rest(bench)

    with _commits(bench) as commits:
        bench.handle(bench.publish("AAPL", "94.00", "94.01", size="100000"))

    assert 1 < len(commits) <= COMMITS_MAX
    bench.parts.close()
    stops = _orders(bench.data_dir, accounts)
    assert len(stops) == STOPS
    assert {order.status.value for order in stops} == {"FILLED"}
    assert len(audit(bench.data_dir)) == STOPS + ACCOUNTS


def test_progress_is_told_between_two_transactions(data_dir: Path) -> None:
    """The front restarts an engine that does not answer for too long."""
    told: list[str] = []
    bench = Bench(data_dir, ManualClock(NOON), tell_progress=lambda: told.append("alive"))
    _rest(bench)
    assert not told

    with _commits(bench) as commits:
        bench.handle(bench.publish("AAPL", "94.00", "94.01", size="100000"))
    bench.parts.close()

    assert len(told) == len(commits) - 1 > 0


@pytest.mark.parametrize("fault", [StorageUnavailable, StorageBroken])
def test_a_kill_between_two_transactions_leaves_no_order_half_done(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, fault: type[Exception]
) -> None:
    accounts = _rest(bench)
    commit, stored = SqlUnitOfWork.commit, list[SqlUnitOfWork]()

    def commit_once(unit: SqlUnitOfWork) -> None:
        if stored:
            raise fault("gone")
        commit(unit)
        stored.append(unit)

    with monkeypatch.context() as dying:
        dying.setattr(SqlUnitOfWork, "commit", commit_once)
        quote = bench.publish("AAPL", "94.00", "94.01", size="100000")
        if fault is StorageBroken:
            with pytest.raises(StorageBroken):
                bench.handle(quote)
        else:
            (*_, told) = bench.handle(quote)
            assert not is_not_executed(told), "the first transaction is stored"
    bench.parts.close()

    stops = _orders(bench.data_dir, accounts)
    done = [order for order in stops if order.status.value == "FILLED"]
    waiting = [order for order in stops if order.status.value == "OPEN"]
    assert 0 < len(done) < len(done) + len(waiting) == STOPS
    assert all(order.triggered_at is None for order in waiting)
    audit(bench.data_dir)

    again = Bench(bench.data_dir, bench.clock)
    again.handle(again.publish("AAPL", "93.00", "93.01", size="100000"))
    again.parts.close()
    stops = _orders(bench.data_dir, accounts)
    assert {order.status.value for order in stops} == {"FILLED"}
    audit(bench.data_dir)
