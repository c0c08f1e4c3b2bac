"""`bottrading serve` as processes: starting, dying, draining, and what is left of it."""

import os
import re
import shutil
import signal
import socket
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import grpc
import pytest

from bottrading.v1 import (
    bot_trading_pb2,
    bot_trading_pb2_grpc,
    key_management_pb2,
    key_management_pb2_grpc,
    order_pb2,
)
from tests.support.audit import audit
from tests.support.process import Process, channel, free_port, wait_until_gone

UNFENCED: dict[str, Any] = {
    "orders_per_minute": "1000000",
    "requests_per_minute": "1000000",
    "initial_balance": "900000000.00",
}


def make_key(service: Process, subject: str = "ada") -> str:
    with channel(service.grpc) as opened:
        answer = key_management_pb2_grpc.KeyManagementStub(opened).CreateBotKey(
            key_management_pb2.CreateBotKeyRequest(label="bot"),
            metadata=(("authorization", f"Bearer {service.token(subject)}"),),
        )
    return answer.bot_key.key


class Burst:
    """Orders from several threads until the server goes away; remembers what was answered."""

    def __init__(self, address: str, key: str, threads: int) -> None:
        self.answered: dict[str, str] = {}
        self.some = threading.Event()
        self._address, self._metadata = address, (("x-bot-key", key),)
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
                name = f"{number}-{count}"
                request = bot_trading_pb2.PlaceOrderRequest(
                    symbol="AAPL", side=order_pb2.SIDE_BUY, quantity="0.01", client_order_id=name
                )
                try:
                    order = stub.PlaceOrder(request, metadata=self._metadata, timeout=5).order
                except grpc.RpcError:
                    return
                self.answered[name] = order.id
                if len(self.answered) > 100:
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


@pytest.mark.parametrize("shared", ["data directory", "grpc port", "rest port"])
def test_a_second_server_on_the_same_data_or_port_says_so_and_exits(
    tmp_path: Path, shared: str
) -> None:
    with Process(tmp_path / "one", rest=True) as first:
        data = "one" if shared == "data directory" else "two"
        grpc_address = first.grpc if shared == "grpc port" else f"127.0.0.1:{free_port()}"
        rest_address = first.rest if shared == "rest port" else f"127.0.0.1:{free_port()}"
        second = run(
            "serve", "--data-dir", str(tmp_path / data), "--grpc", grpc_address,
            "--rest", rest_address,
        )  # fmt: skip

        assert second.returncode == 2
        assert second.stdout == ""
        assert re.fullmatch(r"bottrading: .+\n", second.stderr)
        assert first.is_serving()


@pytest.mark.parametrize(
    "arguments",
    [
        ["serve", "--market", "real"],
        ["serve", "--grpc", "localhost"],
        ["serve", "--grpc", "0.0.0.0:50051"],
        ["serve", "--database", "mysql://x"],
        ["token", "ada", "--ttl", "0"],
        ["token", "ada", "--ttl", "90000"],
        ["token", ""],
    ],
)
def test_a_bad_setting_is_one_clear_line_and_exit_status_2(
    tmp_path: Path, arguments: list[str]
) -> None:
    done = run(*arguments, "--data-dir", str(tmp_path / "data"))

    assert done.returncode == 2
    assert re.fullmatch(r"bottrading: .+\n", done.stderr)


@pytest.mark.parametrize(
    ("name", "setting"),
    [
        ("market.secret", None),
        ("bottrading.sqlite", None),
        ("universe.toml", "UNIVERSE_FILE"),
        ("missing.toml", "UNIVERSE_FILE"),
        ("keys.json", "JWT_JWKS"),
        ("missing.json", "JWT_JWKS"),
    ],
)
def test_a_broken_file_is_one_clear_line_and_exit_status_2(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, setting: str | None
) -> None:
    data = tmp_path / "data"
    data.mkdir()
    if "missing" not in name:
        (data / name).write_text("This is not what it should be. " * 100)
    if setting is not None:
        monkeypatch.setenv(f"BOTTRADING_{setting}", str(data / name))

    done = run("serve", "--data-dir", str(data), "--grpc", f"127.0.0.1:{free_port()}", "--no-rest")

    assert done.returncode == 2, done.stderr
    assert re.fullmatch(r"bottrading: .+\n", done.stderr)


def test_secrets_are_made_once_and_readable_by_their_owner_only(tmp_path: Path) -> None:
    tokens = [
        subprocess.Popen(
            [
                sys.executable, "-m", "server", "token", "ada", "--data-dir",
                str(tmp_path / "data"),
            ],
            stdout=subprocess.PIPE,
        )
        for _ in range(4)
    ]  # fmt: skip
    printed = [process.communicate(timeout=30)[0] for process in tokens]

    with Process(tmp_path / "data") as service, channel(service.grpc) as opened:
        for token in printed:
            key_management_pb2_grpc.KeyManagementStub(opened).ListBotKeys(
                key_management_pb2.ListBotKeysRequest(),
                metadata=(("authorization", f"Bearer {token.decode().strip()}"),),
            )
    for name in ("jwt.secret", "bottrading.sqlite"):
        path = tmp_path / "data" / name
        mode = stat.S_IMODE(path.stat().st_mode)
        assert mode & 0o077 == 0, f"{name}: {mode:o}"
    assert not list((tmp_path / "data").glob("jwt.secret?*"))


def test_a_database_of_a_newer_version_is_left_alone(tmp_path: Path, empty_database: Path) -> None:
    (tmp_path / "data").mkdir()
    path = tmp_path / "data" / "bottrading.sqlite"
    shutil.copy(empty_database, path)
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()

    done = run("serve", "--data-dir", str(tmp_path / "data"), "--grpc", f"127.0.0.1:{free_port()}")

    assert done.returncode == 2
    assert "9999" in done.stderr


def test_a_slow_reader_of_the_log_does_not_stop_the_service(tmp_path: Path) -> None:
    """Standard error is a pipe that nobody reads: it fills, the service goes on."""
    port, rest = free_port(), free_port()
    process = subprocess.Popen(
        [
            sys.executable, "-m", "server", "serve", "--data-dir", str(tmp_path / "data"),
            "--grpc", f"127.0.0.1:{port}", "--rest", f"127.0.0.1:{rest}", "--no-rest",
            "--seed", "1",
        ],
        stderr=subprocess.PIPE,
    )  # fmt: skip
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


def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "server", *arguments],
        capture_output=True, text=True, timeout=40, check=False,
    )  # fmt: skip


def test_the_version_is_printed() -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+\n", run("--version").stdout)


def test_a_port_that_is_free_within_two_seconds_is_taken(tmp_path: Path) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        service = Process(tmp_path / "data", "--grpc", f"127.0.0.1:{port}", wait=False)
        service.grpc = f"127.0.0.1:{port}"
        with service:
            holder.close()
            service.wait_until_ready()
