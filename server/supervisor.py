"""The supervisor: starts, watches and ends the processes of `serve`, which is the front itself."""

import asyncio
import errno
import logging
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import grpc
from prometheus_client import start_http_server

from server.application.ports import StorageBroken, StorageUnavailable
from server.bootstrap import front as bootstrap
from server.bootstrap import venue
from server.config import (
    LOCK_FILE,
    SOCKET_FILE,
    Settings,
    SettingsError,
    child_environment,
    split_address,
)
from server.engine.client import EngineRefused, SocketEngine
from server.engine.frames import LENGTH
from server.engine.frames import Method as EngineMethod
from server.engine.service import encode_usage
from server.line_writer import LineWriter
from server.locking import LockHeld, take_lock
from server.market.secret import SecretFileError
from server.market.universe_file import UniverseError
from server.rpc.tokens import JwksError
from server.storage.migrate import SchemaTooNew, bring_up_to_date

log = logging.getLogger(__name__)

BUSY_RETRY_SECONDS = 2.0
BUSY_RETRY_PAUSE_SECONDS = 0.1
ENGINE_RESTART_PAUSE_SECONDS = 0.05
ENGINE_RESTART_PAUSE_SECONDS_MAX = 2.0
CHILD_EXIT_SECONDS = 5.0
FORGET_IDLE_SECONDS = 60.0
SOCKET_PATH_BYTES_MAX = 100


class Supervisor:
    """Runs the front in this process, the engine and the bridge in processes of their own."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._stopping = asyncio.Event()
        self._ready = asyncio.Event()
        self._base = bootstrap.build_base(settings)
        self._engine = EngineProcess(settings, self._base, self._on_ready, self._on_lost)
        self._lines = LineWriter(sys.stderr.fileno()) if settings.log_calls else None
        self._front = bootstrap.build(
            settings, self._base, self._engine,
            write_line=self._lines.write if self._lines else None,
        )  # fmt: skip
        self._bridge: subprocess.Popen[bytes] | None = None
        self._restarts: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Serve until SIGTERM or SIGINT, then let calls in flight finish."""
        # The bridge comes in through a socket that only this user can reach, so that it needs
        # no certificates however the public port is guarded.
        with _socket_path(self._settings.data_dir) as path:
            await self._run(f"unix:{path}")

    async def _run(self, local: str) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stopping.set)
        await self._bind(local)
        if self._settings.metrics:
            host, port = split_address(self._settings.metrics)
            start_http_server(port, host, self._front.registry)
        await self._engine.start()
        await self._front.server.start()
        if not self._settings.no_rest:
            self._start_bridge(local)
        background = [
            asyncio.create_task(self._flush_usage()),
            asyncio.create_task(self._forget_idle()),
            asyncio.create_task(self._watch_bridge(local)),
        ]
        await self._stopping.wait()
        for task in background:
            task.cancel()
        await self._drain()

    async def _bind(self, local: str) -> None:
        await _await_free("grpc", self._settings.grpc)
        if not self._settings.no_rest:
            await _await_free("rest", self._settings.rest)
        try:
            self._front.server.bind(self._settings.grpc, _credentials(self._settings))
            self._front.server.bind(local)
        except RuntimeError:
            raise SettingsError(_busy("grpc", self._settings.grpc)) from None

    def _on_ready(self) -> None:
        log.info("Ready: gRPC on %s", self._settings.grpc)
        self._restart(self._front.server.set_ready(ready=True))

    def _on_lost(self) -> None:
        if self._stopping.is_set():
            return
        log.error("The engine ended; starting it again.")
        self._restart(self._restart_engine())

    async def _restart_engine(self) -> None:
        await self._front.server.set_ready(ready=False)
        await self._engine.restart()

    def _restart(self, work: Coroutine[object, object, None]) -> None:
        task = asyncio.create_task(work)
        self._restarts.add(task)
        task.add_done_callback(self._restarts.discard)

    def _start_bridge(self, local: str) -> None:
        settings = self._settings
        command = [
            sys.executable, "-m", "rest_bridge", "--target", local,
            "--rest", settings.rest, "--exit-with-stdin",
        ]  # fmt: skip
        if settings.insecure:
            command.append("--insecure")
        # Only this process holds the write end: the bridge sees its end even after SIGKILL.
        self._bridge = subprocess.Popen(
            command, stdin=subprocess.PIPE, env=child_environment(), start_new_session=True
        )

    async def _watch_bridge(self, local: str) -> None:
        while True:
            await asyncio.sleep(BUSY_RETRY_PAUSE_SECONDS)
            if self._bridge is not None and self._bridge.poll() is not None:
                log.error("The bridge ended with %d; starting it again.", self._bridge.returncode)
                await asyncio.sleep(1)
                self._start_bridge(local)

    async def _flush_usage(self) -> None:
        while True:
            await asyncio.sleep(self._settings.usage_flush_seconds)
            await self._store_usage()

    async def _store_usage(self) -> None:
        calls, keys = self._base.meter.take()
        if not calls and not keys:
            return
        try:
            body = encode_usage(calls, keys)
            await self._engine.call(EngineMethod.RECORD_USAGE, "", "", body)
        except EngineRefused:
            self._base.meter.put_back(calls, keys)

    async def _forget_idle(self) -> None:
        while True:
            await asyncio.sleep(FORGET_IDLE_SECONDS)
            self._front.limits.forget_idle()

    async def _drain(self) -> None:
        await self._front.server.set_ready(ready=False)
        if self._bridge is not None:
            self._bridge.terminate()
            await _exited(self._bridge, self._settings.drain_seconds)
        await self._front.server.stop(self._settings.drain_seconds)
        await self._store_usage()
        await self._engine.stop()
        self._base.close()
        self._front.journal.flush()
        if self._lines is not None:
            self._lines.close()


class EngineProcess:
    """The engine in a process of its own, started again whenever it ends."""

    def __init__(
        self, settings: Settings, base: bootstrap.FrontBase, on_ready: Callable[[], None],
        on_lost: Callable[[], None],
    ) -> None:  # fmt: skip
        self._settings = settings
        self._base = base
        self._on_ready = on_ready
        self._on_lost = on_lost
        self._pause = ENGINE_RESTART_PAUSE_SECONDS
        self._client: SocketEngine | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def call(
        self, method: EngineMethod, caller_id: str, bot_key_id: str, body: bytes
    ) -> "asyncio.Future[bytes]":
        """Have a call decided and stored."""
        assert self._client is not None, "the engine is started before the server"
        return self._client.call(method, caller_id, bot_key_id, body)

    async def start(self) -> None:
        """Start the process and connect to it."""
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "server.engine_process", str(theirs.fileno())],
                pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL, env=child_environment(),
                start_new_session=True,
            )  # fmt: skip
        body = self._settings.for_engine().to_json()
        ours.sendall(LENGTH.pack(len(body)) + body)
        ours.setblocking(False)
        loop = asyncio.get_running_loop()
        _, self._client = await loop.create_connection(
            lambda: SocketEngine(self._base.doorbells, self._ready, self._on_lost), sock=ours
        )

    async def restart(self) -> None:
        """Start the process again; the pause doubles while it keeps ending at its start."""
        assert self._process is not None
        await _exited(self._process, CHILD_EXIT_SECONDS)
        await asyncio.sleep(self._pause)
        self._pause = min(2 * self._pause, ENGINE_RESTART_PAUSE_SECONDS_MAX)
        await self.start()

    async def stop(self) -> None:
        """Let the process finish what it took and exit."""
        if self._client is not None:
            self._client.close()
        if self._process is not None:
            await _exited(self._process, CHILD_EXIT_SECONDS)

    def _ready(self) -> None:
        self._pause = ENGINE_RESTART_PAUSE_SECONDS
        self._on_ready()


def serve(settings: Settings) -> None:
    """Run the service; raise SettingsError when it cannot start."""
    try:
        settings.data_dir.mkdir(parents=True, exist_ok=True)
        with take_lock(settings.data_dir / LOCK_FILE, BUSY_RETRY_SECONDS):
            bring_up_to_date(settings.database_url)
            # The engine would fail on these at every start; here they are one clear line.
            engine = settings.for_engine()
            venue.quote_source(engine, venue.universe(engine))
            import uvloop

            uvloop.run(_run(settings))
    except LockHeld:
        raise SettingsError(f"data_dir: {settings.data_dir} is in use by another server") from None
    except (SchemaTooNew, StorageBroken, StorageUnavailable) as error:
        raise SettingsError(f"database: {error}") from None
    except (UniverseError, SecretFileError, JwksError) as error:
        raise SettingsError(str(error)) from None
    except OSError as error:
        raise SettingsError(f"{error.filename}: {error.strerror}") from None


async def _run(settings: Settings) -> None:
    await Supervisor(settings).run()


@contextmanager
def _socket_path(data_dir: Path) -> Iterator[Path]:
    """Give a path for a socket: in the data directory, unless that is too deep for one."""
    path = data_dir.resolve() / SOCKET_FILE
    if len(os.fsencode(path)) <= SOCKET_PATH_BYTES_MAX:
        yield path
        path.unlink(missing_ok=True)
    else:
        with TemporaryDirectory(prefix="bottrading-") as directory:
            yield Path(directory) / SOCKET_FILE


def _credentials(settings: Settings) -> grpc.ServerCredentials | None:
    if settings.tls_certificate is None or settings.tls_key is None:
        return None
    authority = settings.tls_client_ca.read_bytes() if settings.tls_client_ca else None
    return grpc.ssl_server_credentials(
        [(settings.tls_key.read_bytes(), settings.tls_certificate.read_bytes())],
        root_certificates=authority,
        require_client_auth=authority is not None,
    )


async def _await_free(setting: str, address: str) -> None:
    """Wait until nobody listens at an address that another process is to take."""
    host, port = split_address(address)
    deadline = asyncio.get_running_loop().time() + BUSY_RETRY_SECONDS
    while True:
        try:
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            with socket.socket(family) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind((host.strip("[]"), port))
            return
        except OSError as error:
            busy = error.errno == errno.EADDRINUSE
            if not busy or asyncio.get_running_loop().time() > deadline:
                raise SettingsError(_busy(setting, address)) from None
            await asyncio.sleep(BUSY_RETRY_PAUSE_SECONDS)


def _busy(setting: str, address: str) -> str:
    return f"{setting}: {address} is busy or not an address of this machine"


async def _exited(process: "subprocess.Popen[bytes]", timeout_seconds: float) -> None:
    """Wait for a process to end; kill it when it takes too long."""
    deadline = asyncio.get_running_loop().time() + timeout_seconds
    while process.poll() is None:
        if asyncio.get_running_loop().time() > deadline:
            process.kill()
        await asyncio.sleep(0.01)
