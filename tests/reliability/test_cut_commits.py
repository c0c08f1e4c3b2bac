"""Connections that are cut in the middle of a COMMIT: the service never repeats what it sent."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from bottrading.v1 import bot_trading_pb2_grpc as rpc
from server.domain.values import SCALE
from server.engine.client import OUTCOME_UNKNOWN
from tests.e2e.test_processes import UNFENCED
from tests.reliability.callers import Placed, request_of
from tests.support.audit import audit
from tests.support.databases import opened
from tests.support.postgresql import Server
from tests.support.process import POLL_SECONDS, START_SECONDS_MAX, Process, channel, make_key
from tests.support.proxy import Cut, Proxy
from tests.support.venue import told

CUTS = int(os.environ.get("SOAK_CUTS", "5"))
KINDS = [Cut.BEFORE, Cut.AFTER, Cut.HALF, Cut.HALF_ANSWER, Cut.ANSWERED]
STORED = {Cut.AFTER, Cut.HALF_ANSWER, Cut.ANSWERED}
"""After these cuts the server has executed the COMMIT."""


@pytest.fixture
def proxy(postgresql: Server, venue_url: str) -> Iterator[Proxy]:
    """Return what is between the service and its database."""
    made = Proxy(postgresql.directory)
    yield made
    made.close()


class Caller:
    """A bot that places an order, perhaps twice."""

    def __init__(self, service: Process) -> None:
        self._metadata = (("x-bot-key", make_key(service)),)
        self._channel = channel(service.grpc)
        self._stub = rpc.BotTradingStub(self._channel)

    def place(self, order: Placed) -> bool:
        """Place an order; tell whether it was answered, and not refused as unknown."""
        try:
            answer = self._stub.PlaceOrder(request_of(order), metadata=self._metadata, timeout=20)
        except grpc.RpcError as error:
            refusal = told(error)
            assert (refusal.code, refusal.executed) == (grpc.StatusCode.UNAVAILABLE, None), refusal
            assert refusal.message == OUTCOME_UNKNOWN.message
            return False
        order.order_id = answer.order.id
        return True

    def place_again(self, order: Placed) -> bool:
        """Repeat an order until the next engine answers; tell whether it was stored before."""
        deadline = time.monotonic() + START_SECONDS_MAX
        while True:
            try:
                call = self._stub.PlaceOrder
                answer = call(request_of(order), metadata=self._metadata, timeout=20).order
            except grpc.RpcError as error:
                refusal = told(error)
                assert refusal.code is grpc.StatusCode.UNAVAILABLE, refusal
                assert time.monotonic() < deadline, refusal
                time.sleep(POLL_SECONDS)
            else:
                order.order_id = answer.id
                return bool(answer.replayed)

    def close(self) -> None:
        self._channel.close()


def stored(directory: Path, order: Placed) -> list[str]:
    """Return the ids of all orders that are stored with the quantity of one."""
    with opened(directory) as database:
        rows = database.execute("SELECT id FROM orders WHERE quantity = ?", [order.quantity])
    return [order_id for (order_id,) in rows]


@pytest.mark.timeout(60 + 10 * CUTS)
def test_an_order_whose_commit_was_cut_is_never_repeated_by_the_service(
    venue_url: str, proxy: Proxy, tmp_path: Path
) -> None:
    """Its outcome is unknown. Only its caller repeats it, and by its client_order_id it is one."""
    directory = tmp_path / "data"
    with Process(directory, database=proxy.url(venue_url), **UNFENCED) as service:
        caller = Caller(service)
        for number in range(CUTS):
            cut, name = KINDS[number % len(KINDS)], f"cut-{number}" if number % 2 else ""
            order = Placed(SCALE + number, name)
            # The quantity is in what the engine stores, and nowhere else.
            proxy.mark, proxy.cut = str(order.quantity).encode(), cut
            assert caller.place(order) is (cut is Cut.ANSWERED)
            assert proxy.cut is Cut.NEVER
            if name:
                assert caller.place_again(order) is (cut in STORED)
                assert stored(directory, order) == [order.order_id]
            else:
                caller.place_again(Placed(2 * SCALE + number, f"next-{number}"))
                assert len(stored(directory, order)) == (cut in STORED)
        assert proxy.cuts == CUTS
        caller.close()
        assert service.stop() == 0
    audit(directory)
