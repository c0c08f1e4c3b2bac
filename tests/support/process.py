"""The service as its operator runs it: `bottrading serve` in separate processes."""

import os
import pty
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from argparse import ArgumentParser
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

import grpc
import httpx
from grpc_health.v1 import health_pb2, health_pb2_grpc

from bottrading.v1 import key_management_pb2, key_management_pb2_grpc
from server import config
from server.credentials import known_identity, signed_token
from server.domain.user import Plan
from server.venue_settings import ENVIRONMENT_PREFIX
from tests.support.databases import VARIABLE

START_SECONDS_MAX = 30
STOP_SECONDS_MAX = 20
POLL_SECONDS = 0.02
TOKEN_SECONDS = 3600
TOKEN_OPTIONS = ArgumentParser(allow_abbrev=False, exit_on_error=False)
TOKEN_OPTIONS.add_argument("--name")
TOKEN_OPTIONS.add_argument("--plan")
TOKEN_OPTIONS.add_argument("--operator", action="store_true")


class Process:
    """One `bottrading serve`; whatever happens, none of its processes is left running."""

    def __init__(
        self,
        data_dir: Path,
        *options: str,
        rest: bool = False,
        wait: bool = True,
        command: Sequence[str] = (sys.executable, "-m", "server"),
        cwd: Path | None = None,
        terminal: bool = False,
        stdin: int | None = None,
        **settings: str,
    ) -> None:
        self.data_dir = data_dir
        self.grpc = f"127.0.0.1:{free_port()}"
        self.rest = f"127.0.0.1:{free_port()}"
        self.log = data_dir.with_name(f"{data_dir.name}.log")
        self._command = [
            *command,
            "serve",
            "--data-dir",
            str(data_dir),
            "--seed",
            "1",
            "--grpc",
            self.grpc,
            *(["--rest", self.rest] if rest else ["--no-rest"]),
            *options,
        ]
        self._settings = settings
        self._cwd = cwd
        self._stdin = stdin
        self._with_rest = rest
        self._process: subprocess.Popen[bytes] | None = None
        self._wait = wait
        self._on_terminal = terminal
        self._screen: threading.Thread | None = None

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException as error:
            if self._process is not None:
                self.__exit__(type(error), error, None)
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(STOP_SECONDS_MAX)
        if self._screen is not None:
            self._screen.join(STOP_SECONDS_MAX)

    @property
    def process(self) -> "subprocess.Popen[bytes]":
        """Return the front's process."""
        assert self._process is not None
        return self._process

    def start(self) -> None:
        """Start it, again after it ended, and wait until it is ready."""
        environment = {k: v for k, v in os.environ.items() if not k.startswith(ENVIRONMENT_PREFIX)}
        environment |= {f"{ENVIRONMENT_PREFIX}{k.upper()}": v for k, v in self._settings.items()}
        if VARIABLE in os.environ:
            environment.setdefault(VARIABLE, os.environ[VARIABLE])
        with self._standard_error() as error:
            self._process = subprocess.Popen(
                self._command, env=environment, stdin=self._stdin, stderr=error, cwd=self._cwd
            )
        if self._wait:
            self.wait_until_ready()

    def _standard_error(self) -> BinaryIO:
        """Return where standard error goes: to the log, or to a terminal whose screen it shows."""
        if not self._on_terminal:
            return self.log.open("ab")
        ours, theirs = pty.openpty()
        self._screen = threading.Thread(target=copy_screen, args=(ours, self.log))
        self._screen.start()
        return os.fdopen(theirs, "wb", buffering=0)

    def wait_until_told(self, pattern: str) -> str:
        """Wait until a pattern is in the log; return the log."""
        deadline = time.monotonic() + START_SECONDS_MAX
        while True:
            told = self.log.read_text()
            if re.search(pattern, told):
                return told
            assert time.monotonic() < deadline, told
            time.sleep(POLL_SECONDS)

    def wait_until_ready(self) -> None:
        """Wait until gRPC health, and REST if there is one, say that calls can come."""
        deadline = time.monotonic() + START_SECONDS_MAX
        while time.monotonic() < deadline:
            assert self.process.poll() is None, self.log.read_text()
            if self.is_serving() and (not self._with_rest or self.is_rest_ready()):
                return
            time.sleep(POLL_SECONDS)
        raise TimeoutError(self.log.read_text())

    def wait_until_rest_is_ready(self) -> None:
        """Wait until /readyz says that calls can come."""
        deadline = time.monotonic() + START_SECONDS_MAX
        while not self.is_rest_ready():
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(POLL_SECONDS)

    def is_serving(self) -> bool:
        """Tell what gRPC health says."""
        with channel(self.grpc) as opened:
            try:
                answer = health_pb2_grpc.HealthStub(opened).Check(
                    health_pb2.HealthCheckRequest(), timeout=1
                )
            except grpc.RpcError:
                return False
        return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)

    def is_rest_ready(self) -> bool:
        """Tell what /readyz says."""
        return answers(f"http://{self.rest}/readyz")

    def children(self) -> list[int]:
        """Return the process ids of engine and bridge."""
        path = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [int(number) for number in path.read_text().split()]

    def engine(self) -> int:
        """Return the process id of the engine."""
        (found,) = self._engines()
        return found

    def _engines(self) -> list[int]:
        return [pid for pid in self.children() if b"engine_process" in command_line(pid)]

    @contextmanager
    def held_engine(self) -> Iterator[None]:
        """End the engine; the next one starts, and is not ready before the block has ended."""
        before = self.engine()
        os.kill(before, signal.SIGKILL)
        deadline = time.monotonic() + START_SECONDS_MAX
        while (started := self._engines()) in ([], [before]):
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(POLL_SECONDS / 10)
        (engine,) = started
        os.kill(engine, signal.SIGSTOP)
        try:
            assert not self.is_serving(), "the engine was ready before it was stopped"
            yield
        finally:
            os.kill(engine, signal.SIGCONT)

    def feed(self) -> int:
        """Return the process id of the feed."""
        (found,) = [pid for pid in self.children() if b"bottrading_feeds" in command_line(pid)]
        return found

    def token(self, subject: str, *options: str) -> str:
        """Return a token as `bottrading token` prints it, without the start of a process."""
        told = TOKEN_OPTIONS.parse_args(options)
        settings = config.load(data_dir=self.data_dir)
        plan = None if told.plan is None else Plan(told.plan)
        identity = known_identity(
            settings, subject, name=told.name, plan=plan, is_operator=told.operator
        )
        return signed_token(settings, identity, TOKEN_SECONDS)

    def kill(self) -> None:
        """Kill the front with SIGKILL."""
        self.process.kill()
        self.process.wait(STOP_SECONDS_MAX)

    def stop(self) -> int:
        """Stop it with SIGTERM; return its exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(STOP_SECONDS_MAX)


def copy_screen(terminal: int, path: Path) -> None:
    """Append a terminal's output to a file, until nothing writes to the terminal any more."""
    with path.open("ab", buffering=0) as screen, suppress(OSError):
        while part := os.read(terminal, 4096):
            screen.write(part.replace(b"\r\n", b"\n"))
    os.close(terminal)


@contextmanager
def bridge(target: str) -> Iterator[str]:
    """Run `bottrading bridge` in front of a server; yield its URL once it answers."""
    url = f"http://127.0.0.1:{free_port()}"
    command = [sys.executable, "-m", "server", "bridge", "--target", target]
    process = subprocess.Popen([*command, "--rest", url.removeprefix("http://")])
    try:
        deadline = time.monotonic() + START_SECONDS_MAX
        while not answers(f"{url}/healthz"):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(POLL_SECONDS)
        yield url
        process.terminate()
        assert process.wait(STOP_SECONDS_MAX) == 0
    finally:
        process.kill()
        process.wait()


def answers(url: str) -> bool:
    """Tell whether a GET succeeds."""
    try:
        return httpx.get(url, timeout=1).status_code == 200
    except httpx.TransportError:
        return False


def make_key(service: Process, subject: str = "ada") -> str:
    """Return a new bot key of a person."""
    with channel(service.grpc) as opened:
        answer = key_management_pb2_grpc.KeyManagementStub(opened).CreateBotKey(
            key_management_pb2.CreateBotKeyRequest(label="bot"),
            metadata=(("authorization", f"Bearer {service.token(subject)}"),),
        )
    return str(answer.bot_key.key)


def command_line(pid: int) -> bytes:
    """Return the command line of a process; empty when it has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""


def wait_until_gone(pids: list[int]) -> None:
    """Wait until processes have ended."""
    deadline = time.monotonic() + STOP_SECONDS_MAX
    while any(command_line(pid) for pid in pids):
        assert time.monotonic() < deadline, f"{pids} still run"
        time.sleep(POLL_SECONDS)


def channel(address: str) -> grpc.Channel:
    """Open a channel of its own, with a connection that nothing shares."""
    return grpc.insecure_channel(address, options=[("grpc.use_local_subchannel_pool", 1)])


def free_port() -> int:
    """Return a port of the loopback that nobody uses."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
