"""Callers that place orders while parts of a venue are killed, and remember what they were told."""

import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc

from bottrading.v1 import bot_trading_pb2 as pb
from bottrading.v1 import bot_trading_pb2_grpc as rpc
from bottrading.v1 import order_pb2
from server.domain.values import SCALE
from tests.support.databases import Opened
from tests.support.process import POLL_SECONDS, channel
from tests.support.venue import Told, told

SYMBOL = "AAPL"
ORDERS_MAX = 1_000_000
"""A caller places fewer orders; its number and that of the order make a quantity of its own."""

SILENCE_SECONDS_MAX = 30.0


@dataclass(slots=True)
class Placed:
    """An order as its caller knows it; no two orders have the same quantity.

    `order_id` is empty until the order was answered. Until then, it is stored only if an outcome
    was unknown.
    """

    quantity: int
    client_order_id: str
    order_id: str = ""
    is_unknown: bool = False
    asked: float = 0.0
    answered: float = 0.0


@dataclass(frozen=True, slots=True)
class Place:
    """Where a caller calls, and with which key."""

    address: str
    key: str


@dataclass(slots=True)
class Caller:
    """Places orders one after the other.

    Each second order has a client_order_id and is repeated until it is answered. The others are
    sent once, so that only the service itself could double them.
    """

    place: Place
    number: int
    stopping: threading.Event
    pausing: threading.Event
    is_idle: bool = False
    orders: list[Placed] = field(default_factory=list)
    refusals: list[Told] = field(default_factory=list)

    def run(self) -> None:
        metadata = (("x-bot-key", self.place.key),)
        with channel(self.place.address) as opened:
            stub = rpc.BotTradingStub(opened)
            while not self.stopping.wait(POLL_SECONDS):
                self.is_idle = self.pausing.is_set()
                if self.is_idle:
                    continue
                count = len(self.orders)
                name = f"{self.number}-{count}" if count % 2 else ""
                order = Placed(SCALE + self.number * ORDERS_MAX + count, name)
                self.orders.append(order)
                self._send(order, stub, metadata)

    def _send(self, order: Placed, stub: Any, metadata: Any) -> None:
        begun = time.monotonic()
        while not order.order_id:
            order.asked = time.monotonic()
            try:
                answer = stub.PlaceOrder(request_of(order), metadata=metadata, timeout=20).order
            except grpc.RpcError as error:
                refusal = told(error)
                self.refusals.append(refusal)
                assert refusal.code is grpc.StatusCode.UNAVAILABLE, refusal
                order.is_unknown |= refusal.executed != "false"
                if not order.client_order_id:
                    return
                assert time.monotonic() < begun + SILENCE_SECONDS_MAX, refusal
                time.sleep(POLL_SECONDS)
            else:
                assert order.is_unknown or not answer.replayed, "what was not executed is stored"
                order.order_id, order.answered = answer.id, time.monotonic()

    def goes_on(self, since: float) -> float | None:
        """Return when the first call was answered that began after a moment; None before that."""
        first = None
        for order in reversed(self.orders):
            if 0 < order.asked <= since:
                break
            if order.order_id:
                first = order.answered
        return first


class Callers:
    """Several callers at once, at one or several fronts."""

    def __init__(self, places: Sequence[Place]) -> None:
        self._stopping, self._pausing = threading.Event(), threading.Event()
        self.callers = [
            Caller(place, number, self._stopping, self._pausing)
            for number, place in enumerate(places)
        ]

    @contextmanager
    def calling(self) -> Iterator[None]:
        """Let them call during the block, and finish what they have begun."""
        with ThreadPoolExecutor(len(self.callers)) as threads:
            done = [threads.submit(caller.run) for caller in self.callers]
            try:
                yield
            finally:
                self._stopping.set()
        for each in done:
            each.result()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Let them begin nothing new from now on until after the block."""
        self._pausing.set()
        try:
            yield
        finally:
            self._pausing.clear()

    def wait_until_idle(self) -> None:
        """Wait until every paused caller has finished what it had begun."""
        deadline = time.monotonic() + SILENCE_SECONDS_MAX
        while not all(caller.is_idle for caller in self.callers):
            assert time.monotonic() < deadline, [caller.refusals[-1:] for caller in self.callers]
            time.sleep(POLL_SECONDS)

    def wait_until_they_go_on(self, since: float, *, but_at: str = "") -> float:
        """Wait until every caller was answered again; return the seconds of the last one.

        `but_at` is the address of a front whose callers need not be answered.
        """
        deadline = time.monotonic() + SILENCE_SECONDS_MAX
        callers = [caller for caller in self.callers if caller.place.address != but_at]
        while None in (moments := [caller.goes_on(since) for caller in callers]):
            assert time.monotonic() < deadline, [caller.refusals[-1:] for caller in callers]
            time.sleep(POLL_SECONDS)
        return max(moment for moment in moments if moment is not None) - since

    @property
    def orders(self) -> list[Placed]:
        return [order for caller in self.callers for order in caller.orders]

    def check(self, database: Opened) -> None:
        """Compare with what is stored: nothing answered is lost, and nothing is doubled."""
        stored = dict[int, list[tuple[str, str]]]()
        rows = database.execute("SELECT quantity, id, client_order_id FROM orders")
        for quantity, order_id, name in rows:
            stored.setdefault(quantity, []).append((order_id, name or ""))
        for order in self.orders:
            found = stored.pop(order.quantity, [])
            if order.order_id:
                assert found == [(order.order_id, order.client_order_id)], order
            elif order.is_unknown:
                assert len(found) <= 1, (order, found)
            else:
                assert found == [], order
        assert stored == {}, "orders are stored that nobody has placed"


def request_of(order: Placed) -> pb.PlaceOrderRequest:
    """Return the request that places an order at the price of the market."""
    whole, part = divmod(order.quantity, SCALE)
    return pb.PlaceOrderRequest(
        symbol=SYMBOL,
        side=order_pb2.SIDE_BUY,
        quantity=f"{whole}.{part:08d}",
        client_order_id=order.client_order_id or None,
    )
