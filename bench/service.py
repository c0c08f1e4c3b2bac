"""The service under load: started in its own directory, with keys for its accounts."""

import os
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path

import grpc

from bench.processor import children, seconds
from bottrading.v1 import key_management_pb2, key_management_pb2_grpc
from server.bootstrap.adapters import system_clock
from server.config import Settings
from server.domain.user import Identity, Plan
from server.domain.values import SECOND
from server.rpc.tokens import issue
from server.secret_files import jwt_secret

READY_SECONDS_MAX = 180
STOP_SECONDS_MAX = 180
AGAIN_SECONDS = 1.0

UNFENCED = {
    "BOTTRADING_ORDERS_PER_MINUTE": "100000000",
    "BOTTRADING_REQUESTS_PER_MINUTE": "100000000",
    "BOTTRADING_PERSON_REQUESTS_PER_MINUTE": "100000000",
    "BOTTRADING_STREAMS_PER_ACCOUNT": "100000",
    "BOTTRADING_STREAM_BLOCKED_SECONDS": "3600",
    "BOTTRADING_ENGINE_ANSWER_SECONDS": "600",
    "BOTTRADING_INITIAL_BALANCE": "9000000000.00",
}
"""Limits above any load, so that they are counted but never reached."""


class Service:
    """`bottrading serve` as a process, with REST, on free ports.

    `environment` are further variables, for instance of another database than a file.
    """

    def __init__(self, directory: Path, environment: Mapping[str, str] | None = None) -> None:
        self.directory = directory
        self._environment = environment or {}
        self.grpc = f"127.0.0.1:{free_port()}"
        self.rest = f"127.0.0.1:{free_port()}"
        self._log = (directory / "serve.log").open("wb")
        self._process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "server",
                "serve",
                "--data-dir",
                str(directory),
                "--grpc",
                self.grpc,
                "--rest",
                self.rest,
                "--seed",
                "1",
            ],
            env={**os.environ, **UNFENCED, **self._environment},
            stderr=self._log,
        )
        try:
            wait_until_ready(self.rest)
        except BaseException:
            self.stop()
            raise

    def make_keys(self, accounts: int, name: str = "bench") -> list[str]:
        """Return one bot key for each of some new accounts."""
        with grpc.insecure_channel(self.grpc) as channel:
            stub = key_management_pb2_grpc.KeyManagementStub(channel)
            return [self._make_key(stub, f"{name}-{number}") for number in range(accounts)]

    def filled_orders(self) -> int:
        """Return how many orders are stored and filled."""
        path = self.directory / "bottrading.sqlite"
        with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as connection:
            query = "SELECT count(*) FROM orders WHERE status = 'FILLED'"
            return int(connection.execute(query).fetchone()[0])

    def stop(self) -> None:
        """Drain and stop the process."""
        self._process.terminate()
        self._process.wait(STOP_SECONDS_MAX)
        self._log.close()

    def front_kib(self) -> int:
        """Return the memory that the front holds now, in KiB."""
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        (resident,) = (line for line in status.splitlines() if line.startswith("VmRSS:"))
        return int(resident.split()[1])

    def processor_seconds(self) -> dict[str, float]:
        """Return the processor time that front and engine have taken."""
        (engine,) = (
            pid
            for pid, command in children(self._process.pid).items()
            if "engine_process" in command
        )
        return {"front": seconds(self._process.pid), "engine": seconds(engine)}

    def _make_key(self, stub: key_management_pb2_grpc.KeyManagementStub, subject: str) -> str:
        database = self._environment.get("BOTTRADING_DATABASE", "")
        settings = Settings(data_dir=self.directory, database=database)
        identity = Identity(
            issuer=settings.jwt_issuer,
            subject=subject,
            name=subject,
            plan=Plan.STANDARD,
            is_operator=False,
        )
        token = issue(
            settings.token_terms,
            jwt_secret(settings),
            identity,
            now_seconds=system_clock() // SECOND,
            ttl_seconds=600,
        )
        request = key_management_pb2.CreateBotKeyRequest(label="bench")
        deadline = time.monotonic() + READY_SECONDS_MAX
        while True:
            try:
                answer = stub.CreateBotKey(
                    request, metadata=(("authorization", f"Bearer {token}"),)
                )
            except grpc.RpcError as refusal:
                # A slow machine answers late, and an additional key does no harm.
                if refusal.code() != grpc.StatusCode.UNAVAILABLE or time.monotonic() > deadline:
                    raise
                time.sleep(AGAIN_SECONDS)
            else:
                return answer.bot_key.key


def free_port() -> int:
    """Return a port of the loopback that nobody uses."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until_ready(rest: str) -> None:
    """Wait until the bridge says that the service is ready."""
    deadline = time.monotonic() + READY_SECONDS_MAX
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"http://{rest}/readyz", timeout=1):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.05)
    raise TimeoutError(f"{rest} was not ready within {READY_SECONDS_MAX} s")
