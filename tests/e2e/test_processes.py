"""The processes of `bottrading serve`: how they start, die and drain, and what they leave."""

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import grpc
import pytest

from bottrading.v1 import (
    bot_trading_pb2,
    bot_trading_pb2_grpc,
    order_pb2,
)
from tests.support.audit import audit
from tests.support.process import Process, channel, free_port, make_key, wait_until_gone

UNFENCED: dict[str, Any] = {
    "orders_per_minute": "0",
    "requests_per_minute": "0",
    "person_requests_per_minute": "0",
    "initial_balance": "900000000.00",
}


class Burst:
    """Orders from several threads until the server goes away; remembers what was answered."""

    def __init__(
        self, address: str, key: str, threads: int, *, prefix: str = "", enough: int = 100
    ) -> None:
        self.answered: dict[str, str] = {}
        self.some = threading.Event()
        self._address, self._metadata = address, (("x-bot-key", key),)
        self._prefix, self._enough = prefix, enough
        self._threads = [
            threading.Thread(target=self._run, args=(number,)) for number in range(threads)
        ]
        for thread in self._threads:
            thread.start()

    def join(self) -> None:
        for thread in self._threads:
            thread.join(30)

    def _run(self, number: int) -> None:
        with channel(self._address) as opened:
            stub = bot_trading_pb2_grpc.BotTradingStub(opened)
            for count in range(100_000):
                name = f"{self._prefix}{number}-{count}"
                request = bot_trading_pb2.PlaceOrderRequest(
                    symbol="AAPL", side=order_pb2.SIDE_BUY, quantity="0.01", client_order_id=name
                )
                try:
                    order = stub.PlaceOrder(request, metadata=self._metadata, timeout=5).order
                except grpc.RpcError:
                    return
                self.answered[name] = order.id
                if len(self.answered) > self._enough:
                    self.some.set()


@pytest.mark.parametrize("victim", ["front", "engine"])
def test_after_kill_9_in_a_burst_every_answered_order_is_there_and_nothing_is_half_done(
    tmp_path: Path, victim: str
) -> None:
    with Process(tmp_path / "data", **UNFENCED) as service:
        key = make_key(service)
        burst = Burst(service.grpc, key, threads=8)
        assert burst.some.wait(30)
        children = service.children()
        if victim == "front":
            service.kill()
            wait_until_gone(children)
        else:
            os.kill(service.engine(), signal.SIGKILL)
        burst.join()
        if victim == "front":
            service.start()
        else:
            service.wait_until_ready()

        with channel(service.grpc) as opened:
            stub = bot_trading_pb2_grpc.BotTradingStub(opened)
            for name, order_id in list(burst.answered.items())[-200:]:
                request = bot_trading_pb2.GetOrderRequest(client_order_id=name)
                answer = stub.GetOrder(request, metadata=(("x-bot-key", key),))
                assert answer.order.id == order_id
            replay = bot_trading_pb2.PlaceOrderRequest(
                symbol="AAPL", side=order_pb2.SIDE_BUY, quantity="0.01", client_order_id="0-0"
            )
            again = stub.PlaceOrder(replay, metadata=(("x-bot-key", key),)).order
        assert again.replayed
        assert again.id == burst.answered["0-0"]
        assert service.stop() == 0
    stored = audit(tmp_path / "data")
    assert set(burst.answered.values()) <= stored


def test_when_the_engine_dies_it_is_back_within_a_second(tmp_path: Path) -> None:
    with Process(tmp_path / "data") as service:
        os.kill(service.engine(), signal.SIGKILL)
        begun = time.monotonic()
        while service.is_serving():
            assert time.monotonic() - begun < 1
        service.wait_until_ready()
        assert time.monotonic() - begun < 2.5  # The second is for a machine that is not busy.


def test_while_the_data_directory_is_gone_the_engine_is_not_started_and_that_is_one_line(
    tmp_path: Path,
) -> None:
    data_dir = tmp_path / "data"
    with Process(data_dir) as service:
        data_dir.rename(tmp_path / "elsewhere")
        os.kill(service.engine(), signal.SIGKILL)
        log = service.wait_until_told("The engine cannot be started: .*No such file.*")
        assert not data_dir.exists()
        (tmp_path / "elsewhere").rename(data_dir)
        service.wait_until_ready()

        assert service.stop() == 0
        assert "Traceback" not in log + service.log.read_text()


def test_sigterm_drains_and_leaves_no_process(tmp_path: Path) -> None:
    with Process(tmp_path / "data", rest=True) as service:
        children = service.children()
        assert len(children) == 2

        assert service.stop() == 0
        wait_until_gone(children)


def test_when_serve_is_killed_nothing_is_left_running(tmp_path: Path) -> None:
    with Process(tmp_path / "data", rest=True) as service:
        children = service.children()

        service.kill()
        wait_until_gone(children)


def test_orders_answered_before_sigterm_are_there_after_the_next_start(tmp_path: Path) -> None:
    with Process(tmp_path / "data", **UNFENCED) as service:
        key = make_key(service)
        burst = Burst(service.grpc, key, threads=4)
        assert burst.some.wait(30)
        assert service.stop() == 0
        burst.join()
    assert set(burst.answered.values()) <= audit(tmp_path / "data")


def test_a_slow_reader_of_the_log_does_not_stop_the_service(tmp_path: Path) -> None:
    """Standard error is a pipe that nobody reads: it fills, the service goes on."""
    port, rest = free_port(), free_port()
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "server",
            "serve",
            "--data-dir",
            str(tmp_path / "data"),
            "--grpc",
            f"127.0.0.1:{port}",
            "--rest",
            f"127.0.0.1:{rest}",
            "--no-rest",
            "--seed",
            "1",
        ],
        stderr=subprocess.PIPE,
    )
    try:
        with channel(f"127.0.0.1:{port}") as opened:
            grpc.channel_ready_future(opened).result(timeout=20)
            stub = bot_trading_pb2_grpc.BotTradingStub(opened)
            for _ in range(1_000):
                with pytest.raises(grpc.RpcError) as refused:
                    stub.GetAccount(bot_trading_pb2.GetAccountRequest(), timeout=5)
                assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED
        process.terminate()
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.communicate()


def test_an_engine_that_hangs_is_ended_and_started_again(tmp_path: Path) -> None:
    with Process(tmp_path / "data", engine_answer_seconds="0.5") as service:
        metadata = (("x-bot-key", make_key(service)),)
        engine = service.engine()
        os.kill(engine, signal.SIGSTOP)
        with channel(service.grpc) as opened, pytest.raises(grpc.RpcError) as told:
            bot_trading_pb2_grpc.BotTradingStub(opened).CancelAllOrders(
                bot_trading_pb2.CancelAllOrdersRequest(), metadata=metadata
            )
        assert told.value.code() is grpc.StatusCode.UNAVAILABLE
        service.wait_until_ready()
        assert service.engine() != engine


def test_calls_are_counted_over_a_restart_also_when_they_were_not_flushed(tmp_path: Path) -> None:
    with Process(tmp_path / "data", usage_flush_seconds="3600") as service:
        metadata = (("x-bot-key", make_key(service)),)
        used = []
        for _ in range(2):
            with channel(service.grpc) as opened:
                stub = bot_trading_pb2_grpc.BotTradingStub(opened)
                for _ in range(5):
                    answer = stub.GetAccount(bot_trading_pb2.GetAccountRequest(), metadata=metadata)
            used.append(answer.account.api_calls_used)
            assert service.stop() == 0
            service.start()
    assert used == [5, 10]


def test_the_leaderboard_is_refreshed_by_itself_also_after_a_restart(tmp_path: Path) -> None:
    with Process(tmp_path / "data", **UNFENCED) as service:
        metadata = (("x-bot-key", make_key(service)),)
        with channel(service.grpc) as opened:
            stub = bot_trading_pb2_grpc.BotTradingStub(opened)
            order = bot_trading_pb2.PlaceOrderRequest(
                symbol="AAPL", side=order_pb2.SIDE_BUY, quantity="1"
            )
            stub.PlaceOrder(order, metadata=metadata)
        for _ in range(2):
            assert await_ranked(service, metadata) == 1
            assert service.stop() == 0
            service.start()


def await_ranked(service: Process, metadata: Any) -> int:
    """Return how many accounts are ranked as soon as there are any."""
    deadline = time.monotonic() + 20
    with channel(service.grpc) as opened:
        stub = bot_trading_pb2_grpc.BotTradingStub(opened)
        while time.monotonic() < deadline:
            with suppress(grpc.RpcError):  # Until the first ranking there is none to read.
                request = bot_trading_pb2.GetLeaderboardRequest()
                total: int = stub.GetLeaderboard(request, metadata=metadata).rank_total
                if total:
                    return total
    raise TimeoutError(service.log.read_text())
