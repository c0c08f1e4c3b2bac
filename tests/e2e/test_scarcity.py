"""`bottrading serve` when a resource runs out or a process fails: it keeps restarting it."""

import os
import re
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import grpc
import httpx
import pytest

from bottrading.v1 import bot_trading_pb2, bot_trading_pb2_grpc
from server.processes.descriptors import OTHERS, SPARE
from server.processes.exit_status import ExitStatus
from tests.support.process import (
    STOP_SECONDS_MAX,
    Process,
    channel,
    command_line,
    free_port,
    make_key,
)
from tests.support.strangers import is_open, stranger

DOCUMENTED = re.compile(r"^\| `(\d)` \|", re.MULTILINE)


@contextmanager
def descriptors_limited(pid: int, most: int) -> Iterator[None]:
    """Set the limit of open files of a running process."""
    soft, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (most, hard))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (soft, hard))


def await_true(condition: Callable[[], bool], service: Process) -> None:
    deadline = time.monotonic() + STOP_SECONDS_MAX
    while not condition():
        assert time.monotonic() < deadline, service.log.read_text()
        time.sleep(0.02)


def limited_to(descriptors: int) -> list[str]:
    """Return the command that starts the server with so many descriptors, whatever it asks for."""
    shell = f'ulimit -n {descriptors} && exec "$0" -m server "$@"'
    return ["/bin/sh", "-c", shell, sys.executable]


def has_key(address: str, key: str) -> bool:
    """Tell whether a new connection with a key is served."""
    with channel(address) as opened:
        stub = bot_trading_pb2_grpc.BotTradingStub(opened)
        try:
            request = bot_trading_pb2.GetAccountRequest()
            stub.GetAccount(request, metadata=(("x-bot-key", key),), timeout=5)
        except grpc.RpcError:
            return False
    return True


def test_idle_connections_to_the_operators_page_take_no_descriptors_from_others(
    tmp_path: Path,
) -> None:
    metrics = ("127.0.0.1", free_port())
    where = f"{metrics[0]}:{metrics[1]}"
    with (
        Process(tmp_path / "data", command=limited_to(160), metrics=where) as service,
        ExitStack() as strangers,
    ):
        key = make_key(service)
        for _ in range(160):
            idle = strangers.enter_context(socket.create_connection(metrics, timeout=20))
            idle.sendall(b"GET /metrics HTTP/1.1\r\n")

        assert has_key(service.grpc, key)
        assert "bottrading_calls_total" in httpx.get(f"http://{where}/metrics", timeout=20).text
        assert "Traceback" not in service.log.read_text()


@pytest.mark.parametrize("part", ["engine", "bridge"])
def test_a_part_that_cannot_be_started_for_a_while_is_started_when_the_cause_is_gone(
    tmp_path: Path, part: str
) -> None:
    with Process(tmp_path / "data", rest=True, requests_per_minute="0") as service:
        key = make_key(service)
        module = {"engine": b"engine_process", "bridge": b"rest_bridge"}[part]
        (victim,) = [pid for pid in service.children() if module in command_line(pid)]
        with descriptors_limited(service.process.pid, 3):
            os.kill(victim, signal.SIGKILL)
            message = f"The {part} cannot be started"
            await_true(lambda: service.log.read_text().count(message) >= 2, service)
            assert service.process.poll() is None

        service.wait_until_ready()
        assert has_key(service.grpc, key)
        assert len(service.children()) == 2
        assert service.stop() == ExitStatus.STOPPED


def test_as_many_files_as_the_system_allows_may_be_open(tmp_path: Path) -> None:
    shell = 'ulimit -Sn 300 && exec "$0" -m server "$@"'
    command = ["/bin/sh", "-c", shell, sys.executable]
    with Process(tmp_path / "data", command=command) as service:
        soft, hard = resource.prlimit(service.process.pid, resource.RLIMIT_NOFILE)
        assert soft == hard


def test_strangers_who_take_all_places_make_room_for_customers(tmp_path: Path) -> None:
    with (
        ExitStack() as strangers,
        Process(tmp_path / "data", grpc_connections_max="60", requests_per_minute="0") as service,
    ):
        key = make_key(service)
        with channel(service.grpc) as opened:
            stub = bot_trading_pb2_grpc.BotTradingStub(opened)
            request = bot_trading_pb2.StreamOrderUpdatesRequest()
            stream = stub.StreamOrderUpdates(request, metadata=(("x-bot-key", key),))
            assert stream.initial_metadata()
            connections = [strangers.enter_context(stranger(service.grpc)) for _ in range(100)]

            await_true(lambda: sum(map(is_open, connections)) < 50, service)
            assert all(has_key(service.grpc, key) for _ in range(5))
            assert stream.is_active()
            assert "idle connections" in service.log.read_text()


def test_as_many_strangers_as_files_may_be_open_do_not_keep_the_engine_from_starting_again(
    tmp_path: Path,
) -> None:
    limit = OTHERS + 2 * SPARE
    with (
        ExitStack() as strangers,
        Process(tmp_path / "data", command=limited_to(limit), rest=True) as service,
    ):
        key = make_key(service)
        for _ in range(2 * limit):
            strangers.enter_context(stranger(service.grpc))
        engine = service.engine()
        os.kill(engine, signal.SIGKILL)

        await_true(lambda: has_key(service.grpc, key), service)
        service.wait_until_ready()
        assert service.engine() != engine
        assert "cannot be started" not in service.log.read_text()


def test_a_bridge_that_cannot_be_started_as_it_is_set_ends_the_service(tmp_path: Path) -> None:
    missing = str(tmp_path / "missing.pem")
    with Process(
        tmp_path / "data", rest=True, wait=False, rest_certificate=missing, rest_key=missing
    ) as service:
        assert service.process.wait(STOP_SECONDS_MAX) == ExitStatus.USAGE
        told = service.log.read_text().splitlines()
    assert any(missing in line for line in told)
    assert told[-1].startswith("bottrading: rest: ")


def test_a_part_that_ends_by_itself_ends_the_service_with_a_status_of_its_own(
    tmp_path: Path,
) -> None:
    """A half-dead service is worse than none, because only an ended one is restarted."""
    broken = (
        "from server import cli; from server.processes import supervisor;"
        " supervisor.FORGET_IDLE_SECONDS = 'never'; cli.main()"
    )
    with Process(tmp_path / "data", command=[sys.executable, "-c", broken], wait=False) as service:
        children = service.process.wait(STOP_SECONDS_MAX), service.log.read_text()
    assert children[0] == ExitStatus.PART_ENDED
    assert children[1].splitlines()[-1].startswith("bottrading: the part 'limits'")


def test_a_process_can_be_started_by_the_reserve_when_no_descriptor_is_left() -> None:
    code = """
import os, resource, socket, subprocess
from contextlib import suppress
from server.processes.descriptors import SpareDescriptors
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
spare = SpareDescriptors()
with suppress(OSError):
    while True:
        os.dup(0)
for _ in range(2):
    with spare.lent():
        ours, theirs = socket.socketpair()
        with ours, theirs:
            passed = [theirs.fileno()]
            subprocess.run(["true"], stdin=subprocess.DEVNULL, pass_fds=passed, check=True)
with suppress(OSError):
    socket.socketpair()
    raise AssertionError("the reserve was not taken back")
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_every_exit_status_is_documented() -> None:
    text = Path("docs/operators.md").read_text()
    assert [int(status) for status in DOCUMENTED.findall(text)] == list(ExitStatus)
