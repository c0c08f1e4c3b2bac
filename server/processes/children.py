"""The processes that `serve` starts and watches: the engine and the bridge."""

import asyncio
import logging
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

from server.application.callers import Caller
from server.bootstrap.front import FrontBase
from server.config import Settings, child_environment
from server.domain.invariants import BrokenInvariant
from server.engine.client import AWAY, Asked, SocketEngine, refused
from server.engine.frames import LENGTH
from server.engine.receipts import Receipt
from server.processes.exit_status import ExitStatus, ServiceFailed, database_damaged

log = logging.getLogger(__name__)

RESTART_PAUSE_SECONDS = 0.05
RESTART_PAUSE_SECONDS_MAX = 2.0
STEADY_SECONDS = 10.0
"""After a process that lived this long, the pause is the shortest one again."""

EXIT_SECONDS_MAX = 5.0
WATCH_SECONDS = 0.1

# Without -P, files in the directory where `serve` was called could shadow our modules.
PYTHON = (sys.executable, "-P", "-m")

Lend: TypeAlias = Callable[[], AbstractContextManager[None]]


class Patience:
    """The pause before a restart: it doubles while the process keeps ending soon."""

    def __init__(self) -> None:
        self._pause = RESTART_PAUSE_SECONDS

    def pause(self, lived_seconds: float) -> float:
        """Return the seconds to wait after a process that lived for `lived_seconds`."""
        if lived_seconds >= STEADY_SECONDS:
            self._pause = RESTART_PAUSE_SECONDS
        pause, self._pause = self._pause, min(2 * self._pause, RESTART_PAUSE_SECONDS_MAX)
        return pause


class EngineProcess:
    """The engine in a process of its own, started again whenever it ends or cannot be started.

    `lend` frees the descriptors that a start needs.
    """

    def __init__(
        self,
        settings: Settings,
        base: FrontBase,
        lend: Lend,
        *,
        on_ready: Callable[[], None],
        on_lost: Callable[[], None],
    ) -> None:
        self._settings = settings
        self._base = base
        self._lend = lend
        self._on_ready = on_ready
        self._on_lost = on_lost
        self._lost = asyncio.Event()
        self._client: SocketEngine | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def call(
        self,
        name: str,
        caller: Caller,
        body: bytes,
        shard: int | None = None,
        receipt: Receipt | None = None,
    ) -> "asyncio.Future[bytes]":
        if self._client is None:
            return refused(AWAY)
        return self._client.call(name, caller, body, shard, receipt)

    @property
    def is_ready(self) -> bool:
        """Tell whether calls can be sent."""
        return self._client is not None and self._client.is_ready

    def send(self, asked: Asked) -> None:
        """Send a call to an engine that is ready."""
        if self._client is None:
            raise BrokenInvariant("only an engine that is ready is sent calls")
        self._client.send(asked)

    async def run(self) -> None:
        """Start the process and restart it, until cancelled.

        Raises ServiceFailed if the engine finds the database damaged, or other servers that differ.
        """
        loop, patience = asyncio.get_running_loop(), Patience()
        while True:
            begun = loop.time()
            try:
                await self._start()
            except OSError as error:
                log.error("The engine cannot be started: %s; trying again.", error)
                if self._process is not None:
                    self._process.kill()
            else:
                await self._lost.wait()
                log.error("The engine ended; starting it again.")
            if self._process is not None:
                await exited(self._process, EXIT_SECONDS_MAX)
                if self._process.returncode == ExitStatus.DATABASE_DAMAGED:
                    raise database_damaged(self._settings.location)
                if self._process.returncode == ExitStatus.USAGE:
                    raise ServiceFailed(
                        ExitStatus.USAGE,
                        "another server of this venue differs from this one: the log says in what",
                    )
            await asyncio.sleep(patience.pause(loop.time() - begun))

    def end_waits(self) -> None:
        """Refuse calls that wait for a time of the replay, those that come later too."""
        if self._client is not None:
            self._client.end_waits()

    async def stop(self) -> None:
        """Let the process finish the calls that it took, and wait until it exits."""
        if self._client is not None:
            self._client.close()
        if self._process is not None:
            await exited(self._process, EXIT_SECONDS_MAX)

    async def _start(self) -> None:
        """Start the process and connect to it; raise OSError if that is not possible now."""
        self._process = None
        self._lost.clear()
        # Raises OSError for a missing database, because SQLite would create the file. The log shows
        # a repeated failure once, with a count.
        if isinstance(self._settings.location, Path):
            self._settings.location.stat()
        with self._lend():
            ours, theirs = socket.socketpair()
            with theirs, _closed_on_failure(ours):
                self._process = subprocess.Popen(
                    [
                        *PYTHON,
                        "server.processes.engine_process",
                        str(theirs.fileno()),
                        self._settings.log_format,
                    ],
                    pass_fds=[theirs.fileno()],
                    stdin=subprocess.DEVNULL,
                    env=child_environment(),
                    start_new_session=True,
                )
        with _closed_on_failure(ours):
            await self._connect(ours)

    async def _connect(self, ours: socket.socket) -> None:
        body = replace(self._settings.for_engine(), terms=self._base.terms).to_json()
        ours.sendall(LENGTH.pack(len(body)) + body)
        ours.setblocking(False)
        _, self._client = await asyncio.get_running_loop().create_connection(
            lambda: SocketEngine(
                self._base.notifications,
                self._on_ready,
                self._disconnected,
                self._hangs,
                answer_seconds_max=self._settings.engine_answer_seconds,
            ),
            sock=ours,
        )

    def _disconnected(self) -> None:
        self._lost.set()
        self._on_lost()

    def _hangs(self) -> None:
        if self._process is None:
            raise BrokenInvariant("only an engine that runs is watched")
        log.error("The engine does not answer; ending it.")
        self._process.kill()


class BridgeProcess:
    """The REST bridge in a process of its own, started again as the engine is."""

    def __init__(self, settings: Settings, target: str, lend: Lend) -> None:
        self._settings = settings
        self._target = target
        self._lend = lend
        self._process: subprocess.Popen[bytes] | None = None

    async def run(self) -> None:
        """Start the process and restart it, until cancelled.

        Raises ServiceFailed if the bridge cannot start with its settings.
        """
        loop, patience = asyncio.get_running_loop(), Patience()
        while True:
            begun = loop.time()
            try:
                self._process = self._start()
            except OSError as error:
                log.error("The bridge cannot be started: %s; trying again.", error)
            else:
                status = await ended(self._process)
                if status == ExitStatus.USAGE:
                    raise ServiceFailed(
                        ExitStatus.USAGE,
                        "rest: the bridge cannot be started with these settings: its log line"
                        " before this one says which setting is wrong",
                    )
                log.error("The bridge ended with status %d; starting it again.", status)
            await asyncio.sleep(patience.pause(loop.time() - begun))

    def terminate(self) -> None:
        """Tell the process to take no new calls and to finish those in flight."""
        if self._process is not None:
            self._process.terminate()

    async def stop(self, timeout_seconds: float) -> None:
        """Wait until the process has ended; kill it after the timeout."""
        if self._process is not None:
            await exited(self._process, timeout_seconds)

    def _start(self) -> "subprocess.Popen[bytes]":
        command = [
            *PYTHON,
            "rest_bridge",
            "--target",
            self._target,
            "--rest",
            self._settings.rest,
            "--log-format",
            self._settings.log_format,
            "--exit-with-stdin",
        ]
        if self._settings.insecure:
            command.append("--insecure")
        # Only this process has the pipe's write end: even SIGKILL of this process closes the pipe.
        with self._lend():
            return subprocess.Popen(
                command, stdin=subprocess.PIPE, env=child_environment(), start_new_session=True
            )


@contextmanager
def _closed_on_failure(connection: socket.socket) -> Iterator[None]:
    try:
        yield
    except BaseException:
        connection.close()
        raise


async def ended(process: "subprocess.Popen[bytes]") -> int:
    """Wait for a process to end by itself; return its exit status."""
    while (status := process.poll()) is None:  # noqa: ASYNC110 — a process sets no event
        await asyncio.sleep(WATCH_SECONDS)
    return status


async def exited(process: "subprocess.Popen[bytes]", timeout_seconds: float) -> None:
    """Wait for a process to end; kill it when it takes too long."""
    deadline = asyncio.get_running_loop().time() + timeout_seconds
    while process.poll() is None:
        if asyncio.get_running_loop().time() > deadline:
            process.kill()
        await asyncio.sleep(0.01)
