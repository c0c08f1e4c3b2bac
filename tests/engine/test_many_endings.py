"""Many endings: thousands of orders expire at one moment while callers wait."""

from collections import Counter
from pathlib import Path

import pytest

from bottrading.v1 import order_pb2
from server.application import endings
from server.application.ports import StorageUnavailable
from server.domain.values import SECOND
from server.storage.unit_of_work import SqlUnitOfWork
from tests.engine.bench import Bench, at, order_of, place
from tests.engine.ledger import StoredBook, connect
from tests.support.audit import audit
from tests.support.venue import NOON, ManualClock

ACCOUNTS = 5
ORDERS_OF_ONE = 200
HOLDERS = 250
ORDERS = ACCOUNTS * ORDERS_OF_ONE
RESTING = {"order_type": order_pb2.ORDER_TYPE_LIMIT, "limit_price": "1.00"}
DAY_ORDER = RESTING | {"time_in_force": order_pb2.TIME_IN_FORCE_DAY}


class SlowClock(ManualClock):
    """A clock on which each reading takes longer than endings may take in one go."""

    def __call__(self) -> int:
        self.now += SECOND // 30
        return self.now


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def bench(data_dir: Path, told: list[str]) -> Bench:
    return Bench(
        data_dir,
        ManualClock(NOON),
        monotonic=SlowClock(0),
        tell_progress=lambda: told.append("alive"),
    )


def test_calls_are_answered_between_parts_of_many_expiries(bench: Bench, told: list[str]) -> None:
    accounts = _rest(bench)
    bench.clock.now += 86_400 * SECOND

    passes: list[int] = []
    while not passes or bench.parts.service.is_behind:
        told.clear()
        bench.handle(passing=True)
        passes.append(len(told))
        (answer,) = bench.handle(place(len(passes), accounts[0], **RESTING))
        assert order_of(answer).status == order_pb2.ORDER_STATUS_OPEN

    assert max(passes) * endings.ENDED_A_TRANSACTION <= ORDERS / 3
    assert min(passes[:-1]) > 0
    bench.parts.close()
    assert _statuses(bench.data_dir, accounts) == {"CANCELLED": ORDERS, "OPEN": len(passes)}
    audit(bench.data_dir)


def test_an_order_whose_time_is_over_is_not_filled_while_it_waits_to_end(bench: Bench) -> None:
    accounts = _rest(bench)
    bench.clock.now += 86_400 * SECOND
    bench.handle(passing=True)
    assert bench.parts.service.is_behind

    bench.handle(bench.publish("AAPL", "0.49", "0.50", size="100000"))
    _pass_until_nothing_is_left(bench)

    bench.parts.close()
    assert _statuses(bench.data_dir, accounts) == {"CANCELLED": ORDERS}


def test_options_that_many_hold_are_settled_in_parts(bench: Bench, told: list[str]) -> None:
    option = "AAPL250117C00260000"
    bench.clock.now = at("01-17 20:00")
    accounts = [bench.account(f"bot {number}") for number in range(HOLDERS)]
    bench.handle(bench.publish("AAPL", "270.00", "270.00"))
    bench.handle(bench.publish(option, "11.00", "11.00", size="100000"))
    for account in accounts:
        bench.handle(place(1, account, symbol=option))
    bench.clock.now = at("01-18 00:00")

    passes = _pass_until_nothing_is_left(bench)

    assert passes >= HOLDERS // endings.ENDED_A_TRANSACTION
    bench.parts.close()
    connection = connect(bench.data_dir)
    held = [StoredBook(connection, account).positions[option].quantity for account in accounts]
    connection.close()
    assert set(held) == {0}
    audit(bench.data_dir)


def test_endings_that_cannot_be_stored_wait_for_the_next_second(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    accounts = _rest(bench)
    bench.clock.now += 86_400 * SECOND

    def fail(_: SqlUnitOfWork) -> None:
        raise StorageUnavailable("gone")

    with monkeypatch.context() as failing:
        failing.setattr(SqlUnitOfWork, "commit", fail)
        bench.handle(passing=True)
        assert not bench.parts.service.is_behind

    _pass_until_nothing_is_left(bench)
    bench.parts.close()
    assert _statuses(bench.data_dir, accounts) == {"CANCELLED": ORDERS}


def _rest(bench: Bench) -> list[str]:
    """Let every account place orders that wait until the end of the day."""
    accounts = [bench.account(f"bot {number}") for number in range(ACCOUNTS)]
    bench.handle(bench.publish("AAPL", "99.00", "100.00", size="100000"))
    for account in accounts:
        bench.handle(*(place(number, account, **DAY_ORDER) for number in range(ORDERS_OF_ONE)))
    return accounts


def _pass_until_nothing_is_left(bench: Bench) -> int:
    bench.handle(passing=True)
    passes = 1
    while bench.parts.service.is_behind:
        bench.handle(passing=True)
        passes += 1
    return passes


def _statuses(data_dir: Path, accounts: list[str]) -> Counter[str]:
    """Count the stored orders of some accounts by their status."""
    connection = connect(data_dir)
    found: Counter[str] = Counter()
    for account_id in accounts:
        book = StoredBook(connection, account_id)
        book.read_orders()
        found.update(order.status.value for order in book.orders.values())
    connection.close()
    return found
