"""Kills under load: every change answered before kill -9 is there after the next start."""

import os
import random
import signal
import time
from pathlib import Path

import grpc
import pytest

from bottrading.v1 import bot_trading_pb2, bot_trading_pb2_grpc, order_pb2
from tests.e2e.test_processes import UNFENCED, Burst
from tests.support.audit import audit
from tests.support.process import (
    POLL_SECONDS,
    START_SECONDS_MAX,
    Process,
    channel,
    make_key,
    wait_until_gone,
)

KILLS = int(os.environ.get("SOAK_KILLS", "5"))
ANSWERED_MAX = 300


def place_first(service: Process, key: str, name: str) -> None:
    """Place an order as soon as the engine accepts one; health may be the previous engine's."""
    request = bot_trading_pb2.PlaceOrderRequest(
        symbol="AAPL", side=order_pb2.SIDE_BUY, quantity="0.01", client_order_id=name
    )
    deadline = time.monotonic() + START_SECONDS_MAX
    with channel(service.grpc) as opened:
        stub = bot_trading_pb2_grpc.BotTradingStub(opened)
        while True:
            try:
                stub.PlaceOrder(request, metadata=(("x-bot-key", key),), timeout=5)
            except grpc.RpcError:
                assert time.monotonic() < deadline, service.log.read_text()
                time.sleep(POLL_SECONDS)
            else:
                return


@pytest.mark.both
@pytest.mark.timeout(60 + 15 * KILLS)
def test_no_answered_order_is_lost_over_many_kills(data_dir: Path) -> None:
    """The engine and the front are killed in turn, after a random number of orders."""
    chance, answered = random.Random(1), dict[str, str]()
    with Process(data_dir, **UNFENCED) as service:
        key = make_key(service)
        for number in range(KILLS):
            place_first(service, key, f"{number}-first")
            enough = chance.randrange(ANSWERED_MAX)
            burst = Burst(service.grpc, key, threads=4, prefix=f"{number}-", enough=enough)
            assert burst.some.wait(30)
            if number % 2:
                os.kill(service.engine(), signal.SIGKILL)
                burst.join()
                service.wait_until_ready()
            else:
                children = service.children()
                service.kill()
                burst.join()
                wait_until_gone(children)
                service.start()
            answered |= burst.answered
            assert set(answered.values()) <= audit(service.data_dir)
            with channel(service.grpc) as opened:
                stub = bot_trading_pb2_grpc.BotTradingStub(opened)
                for name, order_id in list(burst.answered.items())[-50:]:
                    request = bot_trading_pb2.GetOrderRequest(client_order_id=name)
                    found = stub.GetOrder(request, metadata=(("x-bot-key", key),))
                    assert found.order.id == order_id
        assert service.stop() == 0
    assert set(answered.values()) <= audit(data_dir)
    assert len(answered) >= KILLS
