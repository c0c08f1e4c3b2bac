"""An engine that is paused loses its database: what it decides when it wakes up is not stored."""

import os
import signal
import time
from pathlib import Path

import grpc
import psycopg
import pytest

from bottrading.v1 import bot_trading_pb2, bot_trading_pb2_grpc, order_pb2
from server.storage.postgresql_session import PostgresSession
from tests.e2e.test_processes import UNFENCED
from tests.support.audit import audit
from tests.support.process import POLL_SECONDS, START_SECONDS_MAX, Process, channel, make_key


def place(service: Process, key: str, name: str) -> str:
    request = bot_trading_pb2.PlaceOrderRequest(
        symbol="AAPL", side=order_pb2.SIDE_BUY, quantity="0.01", client_order_id=name
    )
    deadline = time.monotonic() + START_SECONDS_MAX
    with channel(service.grpc) as opened:
        stub = bot_trading_pb2_grpc.BotTradingStub(opened)
        while True:
            try:
                answer = stub.PlaceOrder(request, metadata=(("x-bot-key", key),), timeout=10)
            except grpc.RpcError:
                assert time.monotonic() < deadline, service.log.read_text()
                time.sleep(POLL_SECONDS)
            else:
                return str(answer.order.id)


@pytest.mark.timeout(120)
def test_a_paused_engine_that_wakes_up_writes_nothing(venue_url: str, tmp_path: Path) -> None:
    """PostgreSQL ends its session while it is paused, and another one takes the locks."""
    with Process(tmp_path / "data", engine_answer_seconds="60", **UNFENCED) as service:
        key = make_key(service)
        first = place(service, key, "first")
        paused = service.engine()
        os.kill(paused, signal.SIGSTOP)
        other = PostgresSession(venue_url)
        assert other.wait_for_lock(0)
        with psycopg.connect(venue_url, autocommit=True) as connection:
            before = connection.execute("SELECT sum(number) FROM commits").fetchone()
            with channel(service.grpc) as opened:
                stub = bot_trading_pb2_grpc.BotTradingStub(opened)
                request = bot_trading_pb2.PlaceOrderRequest(
                    symbol="AAPL", side=order_pb2.SIDE_BUY, quantity="0.01", client_order_id="lost"
                )
                call = stub.PlaceOrder.future(request, metadata=(("x-bot-key", key),))
                os.kill(paused, signal.SIGCONT)
                told = call.exception()
            after = connection.execute("SELECT sum(number) FROM commits").fetchone()
        other.close()
        second = place(service, key, "second")
        assert service.stop() == 0
    log = service.log.read_text()

    assert isinstance(told, grpc.Call)
    assert told.code() is grpc.StatusCode.UNAVAILABLE
    assert before == after
    assert "The engine has no database" in log
    assert audit(tmp_path / "data") == {first, second}
