"""`make run-cluster`: a venue of two replicas, started, used through its proxy, and stopped."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from bottrading.v1 import bot_trading_pb2, bot_trading_pb2_grpc, order_pb2
from tests.support.process import channel, command_line, free_port

ROOT = Path(__file__).parents[2]
SECONDS_MAX = 100
STOP_SECONDS_MAX = 30


class RunCluster:
    """The command as somebody runs it at a terminal; its proxy is at free ports."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.grpc, self.rest = (f"127.0.0.1:{free_port()}" for _ in range(2))

    @contextmanager
    def started(self) -> Iterator["subprocess.Popen[str]"]:
        """Run it until the end of the block."""
        with subprocess.Popen(
            [
                *(sys.executable, "-m", "examples.cluster", "--directory", self.directory),
                *("--grpc", self.grpc, "--rest", self.rest),
            ],
            cwd=ROOT,
            env={key: it for key, it in os.environ.items() if not key.startswith("BOTTRADING_")},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        ) as process:
            try:
                yield process
            finally:
                process.terminate()

    def told(self, process: "subprocess.Popen[str]", last: str = "Ctrl-C") -> str:
        """Return what it tells up to a line with a text, by default until it is ready."""
        assert process.stdout is not None
        lines = list[str]()
        while not lines or last not in lines[-1]:
            lines.append(process.stdout.readline())
            assert lines[-1], "".join(lines)
        return "".join(lines)

    def interrupt(self, process: "subprocess.Popen[str]") -> str:
        """Interrupt it as Ctrl-C does; return what it tells then."""
        os.killpg(process.pid, signal.SIGINT)
        told, _ = process.communicate(timeout=STOP_SECONDS_MAX)
        assert process.returncode == 0, told
        return told

    def calls(self, number: int) -> list[str]:
        """Return the methods of all calls that a replica has logged."""
        return [line["method"] for line in self.lines(number) if line["event"] == "call"]

    def lines(self, number: int) -> list[dict[str, Any]]:
        log = (self.directory / f"replica-{number}.log").read_text()
        return [json.loads(line) for line in log.splitlines()]

    def place(self, key: str, name: str) -> str:
        """Place an order over a connection of its own."""
        request = bot_trading_pb2.PlaceOrderRequest(
            symbol="AAPL", side=order_pb2.SIDE_BUY, quantity="1", client_order_id=name
        )
        with channel(self.grpc) as opened:
            stub = bot_trading_pb2_grpc.BotTradingStub(opened)
            answer = stub.PlaceOrder(request, metadata=(("x-bot-key", key),), timeout=10)
        return str(answer.order.id)


@pytest.fixture
def cluster() -> Iterator[RunCluster]:
    """Return the command with a new directory, which any user can reach."""
    directory = Path(tempfile.mkdtemp(prefix="cluster"))
    directory.chmod(0o755)
    yield RunCluster(directory / "data-cluster")
    shutil.rmtree(directory)


def make_key(told: str) -> str:
    """Run the commands that it prints; return the key."""
    commands = "".join(re.findall(r"^    (.*\n)", told, re.MULTILINE))
    commands = commands.replace(".venv/bin/bottrading", f"{sys.executable} -m server")
    done = subprocess.run(
        ["bash", "-euc", commands],
        check=False,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=SECONDS_MAX,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def server_of(process: "subprocess.Popen[str]", name: str) -> int:
    """Return the process id of a replica."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    (found,) = [int(it) for it in children if name.encode() in command_line(int(it))]
    return found


@pytest.mark.timeout(2 * SECONDS_MAX)
def test_bots_trade_over_both_replicas_and_after_a_second_start_over_one_that_is_left(
    cluster: RunCluster,
) -> None:
    names = [f"order {number}" for number in range(4)]
    with cluster.started() as process:
        key = make_key(cluster.told(process))
        placed = [cluster.place(key, name) for name in names]
        told = cluster.interrupt(process)
    assert told.splitlines()[-1] == "Everything has stopped."
    assert not (cluster.directory / "postgresql" / "data" / "postmaster.pid").exists()
    for number in (1, 2):
        assert cluster.calls(number).count("PlaceOrder") == 2
        assert [it for it in cluster.lines(number) if it.get("level") == "ERROR"] == []

    with cluster.started() as process:
        cluster.told(process)
        assert [cluster.place(key, name) for name in names] == placed

        os.kill(server_of(process, "replica-1"), signal.SIGKILL)
        cluster.told(process, "replica 1 has ended with status -9")
        assert len({cluster.place(key, name) for name in ("fifth", "sixth")}) == 2
        cluster.interrupt(process)


def test_an_address_that_is_in_use_is_told_before_anything_is_started(cluster: RunCluster) -> None:
    host, _, port = cluster.rest.partition(":")
    with socket.create_server((host, int(port))), cluster.started() as process:
        told, _ = process.communicate(timeout=SECONDS_MAX)

    assert process.returncode == 1
    assert "address already in use" in told
    assert "Starting" not in told
    assert list(cluster.directory.iterdir()) == []
