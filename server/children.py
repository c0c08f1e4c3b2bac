"""The processes that `serve` starts and watches: the engine and the bridge."""

import asyncio
import logging
import socket
import subprocess
import sys
from collections.abc import Callable

from server.bootstrap.front import FrontBase
from server.config import Settings, child_environment
from server.engine.client import SocketEngine
from server.engine.frames import LENGTH, Method

log = logging.getLogger(__name__)

RESTART_PAUSE_SECONDS = 0.05
RESTART_PAUSE_SECONDS_MAX = 2.0
STEADY_SECONDS = 10.0
"""A process that lived this long may be started again at once."""

EXIT_SECONDS_MAX = 5.0
WATCH_SECONDS = 0.1
USAGE_ERROR = 2

# Without -P the directory that `serve` was called in could stand in for our own modules.
PYTHON = (sys.executable, "-P", "-m")


class EngineProcess:
    """The engine in a process of its own, started again whenever it ends."""

    def __init__(
        self, settings: Settings, base: FrontBase, on_ready: Callable[[], None],
        on_lost: Callable[[], None],
    ) -> None:  # fmt: skip
        self._settings = settings
        self._base = base
        self._on_ready = on_ready
        self._on_lost = on_lost
        self._pause = RESTART_PAUSE_SECONDS
        self._started = 0.0
        self._client: SocketEngine | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def call(
        self, method: Method, caller_id: str, bot_key_id: str, body: bytes
    ) -> "asyncio.Future[bytes]":
        """Have a call decided and stored."""
        assert self._client is not None, "the engine is started before the server"
        return self._client.call(method, caller_id, bot_key_id, body)

    async def start(self) -> None:
        """Start the process and connect to it."""
        loop = asyncio.get_running_loop()
        self._started = loop.time()
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [
                    *PYTHON, "server.engine_process", str(theirs.fileno()),
                    self._settings.log_format,
                ],
                pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL, env=child_environment(),
                start_new_session=True,
            )  # fmt: skip
        body = self._settings.for_engine().to_json()
        ours.sendall(LENGTH.pack(len(body)) + body)
        ours.setblocking(False)
        _, self._client = await loop.create_connection(
            lambda: SocketEngine(
                self._base.doorbells,
                self._on_ready,
                self._on_lost,
                self._hangs,
                answer_seconds_max=self._settings.engine_answer_seconds,
            ),
            sock=ours,
        )

    async def restart(self) -> None:
        """Start the process again; the pause doubles while it keeps ending soon."""
        assert self._process is not None
        await exited(self._process, EXIT_SECONDS_MAX)
        if asyncio.get_running_loop().time() - self._started >= STEADY_SECONDS:
            self._pause = RESTART_PAUSE_SECONDS
        await asyncio.sleep(self._pause)
        self._pause = min(2 * self._pause, RESTART_PAUSE_SECONDS_MAX)
        await self.start()

    async def stop(self) -> None:
        """Let the process finish what it took and exit."""
        if self._client is not None:
            self._client.close()
        if self._process is not None:
            await exited(self._process, EXIT_SECONDS_MAX)

    def _hangs(self) -> None:
        assert self._process is not None
        log.error("The engine does not answer; ending it.")
        self._process.kill()


class BridgeProcess:
    """The REST bridge in a process of its own."""

    def __init__(self, settings: Settings, target: str) -> None:
        self._settings = settings
        self._target = target
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the process."""
        command = [
            *PYTHON, "rest_bridge", "--target", self._target, "--rest", self._settings.rest,
            "--log-format", self._settings.log_format, "--exit-with-stdin",
        ]  # fmt: skip
        if self._settings.insecure:
            command.append("--insecure")
        # Only this process holds the write end: the bridge sees its end even after SIGKILL.
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, env=child_environment(), start_new_session=True
        )

    async def watch(self) -> None:
        """Start the process again whenever it ends, unless it cannot be started as it is set."""
        pause = RESTART_PAUSE_SECONDS
        while self._process is not None:
            await asyncio.sleep(WATCH_SECONDS)
            status = self._process.poll()
            if status is None:
                continue
            log.error("The bridge ended with status %d.", status)
            if status == USAGE_ERROR:
                return
            await asyncio.sleep(pause)
            pause = min(2 * pause, RESTART_PAUSE_SECONDS_MAX)
            self.start()

    def terminate(self) -> None:
        """Tell the process to take nothing new and to finish what is in flight."""
        if self._process is not None:
            self._process.terminate()

    async def stop(self, timeout_seconds: float) -> None:
        """Wait until the process that was told to finish has ended."""
        if self._process is not None:
            await exited(self._process, timeout_seconds)


async def exited(process: "subprocess.Popen[bytes]", timeout_seconds: float) -> None:
    """Wait for a process to end; kill it when it takes too long."""
    deadline = asyncio.get_running_loop().time() + timeout_seconds
    while process.poll() is None:
        if asyncio.get_running_loop().time() > deadline:
            process.kill()
        await asyncio.sleep(0.01)
