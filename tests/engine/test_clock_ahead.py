"""A clock that is ahead: for a moment, for good, and before a restart."""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bottrading.v1 import market_data_pb2, order_pb2
from server.application import clock_watch
from server.domain.values import DAY, SCALE, SECOND
from server.engine.frames import Kind
from tests.engine.bench import Bench, order_of, place
from tests.engine.ledger import StoredBook, connect
from tests.support.venue import NOON, ManualClock

RESTING = {"order_type": order_pb2.ORDER_TYPE_LIMIT, "limit_price": "1.00"}
DAY_ORDER = RESTING | {"time_in_force": order_pb2.TIME_IN_FORCE_DAY}


class Machine:
    """An engine whose time of day can be set while the time since boot goes on."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir
        self.clock, self.since_boot = ManualClock(NOON), ManualClock(0)
        self.start()

    def start(self) -> None:
        self.bench = Bench(self.data_dir, self.clock, since_boot=self.since_boot)

    def restart(self) -> None:
        self.bench.parts.close()
        self.start()

    def wait(self, seconds: int) -> None:
        """Let seconds pass, each as the engine's loop does."""
        for _ in range(seconds):
            self.clock.turn(seconds=1)
            self.since_boot.turn(seconds=1)
            self.bench.handle(passing=True)

    def quote(self) -> int:
        """Publish a quote; return how many were accepted."""
        (answer,) = (
            it
            for it in self.bench.handle(self.bench.publish("AAPL", "99.00", "100.00"))
            if it.kind is Kind.RESPONSE
        )
        return market_data_pb2.PublishQuotesResponse.FromString(answer.body).accepted

    def status(self, account: str, **fields: Any) -> order_pb2.OrderStatus.ValueType:
        (answer,) = self.bench.handle(place(1, account, **fields))
        return order_of(answer).status

    def stored(self, account: str) -> list[str]:
        """Return the stored statuses of an account's orders."""
        connection = connect(self.data_dir)
        book = StoredBook(connection, account)
        book.read_orders()
        connection.close()
        return [order.status.value for order in book.orders.values()]

    def standing(self) -> list[bool]:
        """Let time pass; return whether the market was reported as stopped."""
        told = self.bench.handle(passing=True)
        return [it.body != b"\0" for it in told if it.kind is Kind.MARKET_STOPPED]


@pytest.fixture
def machine(data_dir: Path) -> Iterator[Machine]:
    made = Machine(data_dir)
    yield made
    made.bench.parts.close()


@pytest.mark.parametrize("restarts", [False, True])
def test_a_market_order_fills_again_once_the_clock_is_set_back(
    machine: Machine, restarts: bool
) -> None:
    account = machine.bench.account("ada")
    assert machine.quote() == 1
    machine.clock.now += DAY
    machine.wait(3)
    assert machine.quote() == 1
    machine.wait(1)
    machine.clock.now -= DAY
    if restarts:
        machine.restart()

    assert machine.quote() == 1
    assert machine.status(account) == order_pb2.ORDER_STATUS_FILLED


def test_a_quote_that_lies_ahead_values_positions_and_is_not_traded_on(machine: Machine) -> None:
    account = machine.bench.account("ada")
    machine.quote()
    assert machine.status(account) == order_pb2.ORDER_STATUS_FILLED
    machine.clock.now += DAY
    machine.bench.handle(machine.bench.publish("AAPL", "119.00", "120.00"))
    machine.clock.now -= DAY

    assert machine.status(account) == order_pb2.ORDER_STATUS_REJECTED
    quote = machine.bench.parts.feed.board.get("AAPL")
    assert quote is not None
    assert quote.bid == 119 * SCALE


def test_the_market_is_told_to_stand_while_its_newest_quote_lies_ahead(
    machine: Machine, caplog: pytest.LogCaptureFixture
) -> None:
    machine.quote()
    machine.clock.now += DAY
    machine.quote()
    assert machine.standing() == []
    machine.clock.now -= DAY

    with caplog.at_level(logging.WARNING):
        assert machine.standing() == [True]
        assert machine.standing() == []
    (line,) = [it.getMessage() for it in caplog.records if "behind" in it.getMessage()]
    assert line.startswith("The clock is 86400 s behind the newest quote;")

    machine.restart()
    assert machine.standing() == [True]
    machine.quote()
    assert machine.standing() == [False]


def test_orders_do_not_expire_while_the_clock_is_ahead_for_a_moment(machine: Machine) -> None:
    account = machine.bench.account("ada")
    machine.quote()
    assert machine.status(account, **DAY_ORDER) == order_pb2.ORDER_STATUS_OPEN
    machine.wait(1)
    machine.clock.now += DAY
    # Right after the jump, before a second has passed: this quote reaches the order.
    machine.bench.handle(machine.bench.publish("AAPL", "0.50", "0.51"))
    machine.wait(clock_watch.TRUSTED_AFTER // SECOND - 2)
    assert machine.stored(account) == ["OPEN"]

    machine.clock.now -= DAY
    machine.wait(2)
    assert machine.stored(account) == ["OPEN"]


def test_orders_expire_when_the_clock_stays_ahead(
    machine: Machine, caplog: pytest.LogCaptureFixture
) -> None:
    account = machine.bench.account("ada")
    machine.quote()
    assert machine.status(account, **DAY_ORDER) == order_pb2.ORDER_STATUS_OPEN
    machine.wait(1)
    machine.clock.now += DAY
    with caplog.at_level(logging.WARNING):
        machine.wait(1 + clock_watch.TRUSTED_AFTER // SECOND)

    assert machine.stored(account) == ["CANCELLED"]
    told = [it.getMessage() for it in caplog.records if it.name == clock_watch.__name__]
    assert told == [
        "The clock jumped ahead by 86400 s; nothing expires until it has kept the new time"
        " for 60 s.",
        "The clock has kept its new time; orders and options that are due expire now.",
    ]


def test_a_second_jump_begins_the_wait_anew(machine: Machine) -> None:
    account = machine.bench.account("ada")
    machine.quote()
    machine.status(account, **DAY_ORDER)
    machine.wait(1)
    machine.clock.now += DAY
    machine.wait(40)
    machine.clock.now += DAY
    machine.wait(40)
    assert machine.stored(account) == ["OPEN"]

    machine.wait(21)
    assert machine.stored(account) == ["CANCELLED"]


def test_a_machine_that_slept_ends_what_is_over_at_once(machine: Machine) -> None:
    account = machine.bench.account("ada")
    machine.quote()
    machine.status(account, **DAY_ORDER)
    machine.wait(1)
    machine.clock.now += DAY
    machine.since_boot.now += DAY
    machine.wait(1)

    assert machine.stored(account) == ["CANCELLED"]
