"""The supervisor: `serve` runs the front; it starts, watches and ends the other processes."""

import asyncio
import gc
import logging
import math
import signal
from collections.abc import Callable, Coroutine
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path

import uvloop

from rest_bridge.line_writer import LineWriter
from server.addresses import split_address
from server.application.callers import SERVICE
from server.application.leaderboard import PAUSE_MIN
from server.application.ports import StorageBroken, StorageDamaged, StorageUnavailable
from server.application.rate_limits import UsageMeter
from server.bootstrap import cluster
from server.bootstrap import front as bootstrap
from server.bootstrap.rankings import refreshing
from server.config import LOCK_FILE, Settings, SettingsError
from server.domain.values import SECOND
from server.engine.client import Engine, EngineRefused
from server.engine.cluster import ClusterEngine
from server.engine.frames import encode_usage
from server.market.exchange_sessions import SessionsUnavailable
from server.market.replay_table import ReplayFileError
from server.market.secret import SecretFileError
from server.market.universe_file import UniverseError
from server.processes.announcing import Announcer, call_line, page_told, tell_share, tell_step
from server.processes.children import BridgeProcess, EngineProcess
from server.processes.descriptors import SpareDescriptors, connections_that_fit, raise_limit
from server.processes.engine_tls import engine_gate, opener
from server.processes.exit_status import ExitStatus, ServiceFailed, database_damaged
from server.processes.feeding import FeedProcess, prepare_universe
from server.processes.joining import check_joining
from server.processes.listening import (
    BUSY_RETRY_SECONDS,
    await_free,
    await_listener,
    cannot_listen,
    credentials,
    socket_path,
)
from server.processes.locking import LockHeld, take_lock
from server.processes.metrics import serve_metrics
from server.processes.starting import check_market, damaged, prepare_database
from server.rpc.tokens import JwksError
from server.secret_files import open_data_dir
from server.storage.location import Location

log = logging.getLogger(__name__)

FORGET_IDLE_SECONDS = 60.0
LOOK_SECONDS = 0.25
QUOTES_LOOK_SECONDS = 1.0
TOLD_AGAIN_SECONDS = 60.0


def serve(
    settings: Settings,
    lines: LineWriter,
    *,
    sign_in_link: Callable[[str], str],
    begin_anew: bool = False,
) -> None:
    """Run the service until SIGTERM, SIGINT or SIGHUP.

    `sign_in_link` makes a sign-in link from the URL of the page.

    Raises SettingsError when the service cannot start, ServiceFailed when it cannot go on.
    """
    raise_limit()
    wanted = settings.grpc_connections_max
    fit = connections_that_fit(wanted)
    if fit < wanted:
        log.warning("The limit of open files (ulimit -n) allows %d of %d connections.", fit, wanted)
    database = settings.location
    try:
        open_data_dir(settings)
        with (
            take_lock(settings.data_dir / LOCK_FILE, BUSY_RETRY_SECONDS),
            _lock_of(database),
        ):
            tell_step(settings, f"the database {database}")
            prepare_database(settings, begin_anew=begin_anew)
            if settings.feed:
                tell_step(settings, f"the instruments of the feed {settings.feed}")
                prepare_universe(settings)
            tell_step(settings, f"the market, {settings.replay_file or settings.market}")
            replay = check_market(settings, tell_share(settings))
            check_joining(settings)
            announcer = Announcer(settings, lines, replay, sign_in_link)
            # The bridge connects through a socket that only this user can reach. So it needs no
            # certificates, whatever the public port requires.
            with page_told(settings), socket_path(settings.data_dir) as path:
                uvloop.run(_run(settings, f"unix:{path}", lines, announcer))
    except LockHeld as error:
        raise SettingsError(
            f"data_dir: another server holds {error}: stop it, or set another data_dir"
        ) from None
    except StorageBroken as error:
        raise damaged(database, error) from None
    except StorageUnavailable as error:
        raise SettingsError(f"database: {database}: {error}") from None
    except (
        UniverseError,
        SecretFileError,
        SessionsUnavailable,
        ReplayFileError,
        JwksError,
    ) as error:
        raise SettingsError(str(error)) from None


def _lock_of(database: Location) -> AbstractContextManager[None]:
    """Lock a file; an engine locks a database of PostgreSQL by its session."""
    if isinstance(database, Path):
        return take_lock(database.with_name(f"{database.name}.lock"), BUSY_RETRY_SECONDS)
    return nullcontext()


async def _run(settings: Settings, local: str, lines: LineWriter, announcer: Announcer) -> None:
    await Supervisor(settings, local, lines, announcer).run()


class Supervisor:
    """Runs the front in this process, the engine and the bridge in processes of their own.

    `local` is the address of the socket that the bridge connects to.
    """

    def __init__(
        self, settings: Settings, local: str, lines: LineWriter, announcer: Announcer
    ) -> None:
        self._settings = settings
        self._announcer = announcer
        self._local = local
        self._lines = lines
        self._address, self._port = settings.grpc, 0
        self._stopping = asyncio.Event()
        self._base = bootstrap.build_base(settings)
        lend = SpareDescriptors().lent
        self._process = EngineProcess(
            settings, self._base, lend, on_ready=self._on_ready, on_lost=self._on_lost
        )
        self._engine: Engine = self._process
        self._cluster: ClusterEngine | None = None
        if settings.engine_socket is not None:
            connect = opener(settings)
            self._cluster = cluster.build(settings, self._base, self._process, connect, self._doubt)
            self._engine = self._cluster
        self._front = bootstrap.build(
            settings,
            self._base,
            self._engine,
            write_line=lines.write if settings.log_calls else _drop,
            line=call_line(settings),
            connections_max=partial(connections_that_fit, settings.grpc_connections_max),
            lend=lend,
            on_damage=self._fail_for_damage,
        )
        self._bridge = BridgeProcess(settings, local, lend)
        self._gate = engine_gate(settings)
        self._feed = FeedProcess(
            settings,
            local,
            lend,
            self._base.own_tokens.feed_token,
            source=settings.feed,
            symbols=settings.feed_symbols,
        )
        self._watch = bootstrap.stream_watch(self._base)
        self._tasks: set[asyncio.Task[None]] = set()
        self._failure: ServiceFailed | None = None
        self._is_fed = False

    async def run(self) -> None:
        """Serve until SIGTERM, SIGINT or SIGHUP, then let calls in flight finish.

        If a part of the service ended by itself, raises ServiceFailed after those calls.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stopping.set)
        # Under nohup the service must go on when its terminal closes.
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
            loop.add_signal_handler(signal.SIGHUP, self._stopping.set)
        await self._bind()
        await self._front.server.start()
        # Calls make many short-lived objects and hardly any cycles. At the default pace, the
        # collector would walk the objects of the start again and again for nothing.
        gc.freeze()
        gc.set_threshold(50_000, 20, 20)
        tell_step(self._settings, "the engine")
        following = self._cluster and self._keep("cluster", self._cluster.run())
        self._keep("engine", self._process.run())
        if not self._settings.no_rest:
            tell_step(self._settings, "the REST bridge")
            self._keep("bridge", self._bridge.run())
        if self._base.meter is not None:
            self._keep("usage", self._flush_usage(self._base.meter))
        self._keep("limits", self._forget_idle())
        self._keep("leaderboard", self._refresh_leaderboard())
        self._keep("streams", self._watch.run())
        self._keep("connections", self._make_room())
        if self._settings.market == "published":
            self._keep("quotes", self._watch_quotes())
        self._begin("replay", self._announcer.follow_replay(self._base.clock))
        await self._stopping.wait()
        log.info("Stopping as soon as the calls in flight have finished.")
        # Calls in flight may still have to find the owners of their shards.
        for task in self._tasks - {following}:
            task.cancel()
        await self._drain()
        if self._failure is not None:
            raise self._failure

    async def _bind(self) -> None:
        await await_free(self._settings)
        try:
            self._port = self._front.server.bind(self._settings.grpc, credentials(self._settings))
        except RuntimeError:
            raise cannot_listen("grpc", self._settings.grpc) from None
        try:
            self._front.server.bind(self._local)
        except RuntimeError:
            path = self._local.removeprefix("unix:")
            raise SettingsError(f"data_dir: no socket can be made at {path}") from None
        self._address = f"{split_address(self._settings.grpc)[0]}:{self._port}"
        if self._gate is not None:
            await self._gate.open()
        if self._settings.metrics:
            host, port = split_address(self._settings.metrics)
            try:
                serve_metrics(host, port, self._front.registry, self._settings.hosts)
            except OSError as error:
                raise cannot_listen("metrics", self._settings.metrics, error.errno) from None

    def _keep(self, part: str, work: Coroutine[object, object, None]) -> "asyncio.Task[None]":
        """Run a part of the service; if it ends before the service is stopped, the service ends."""
        task = self._begin(part, work)
        task.add_done_callback(self._ended)
        return task

    def _begin(self, part: str, work: Coroutine[object, object, None]) -> "asyncio.Task[None]":
        task = asyncio.get_running_loop().create_task(work, name=part)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self._ended(task)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        error = None if task.cancelled() else task.exception()
        if self._stopping.is_set() or self._failure is not None:
            return
        if isinstance(error, ServiceFailed):
            self._failure = error
        else:
            part = task.get_name()
            log.error("The part %r ended.", part, exc_info=error)
            self._failure = ServiceFailed(
                ExitStatus.PART_ENDED, f"the part {part!r} of the service ended unexpectedly"
            )
        self._stopping.set()

    def _fail_for_damage(self) -> None:
        if not self._stopping.is_set():
            self._failure = database_damaged(self._settings.location)
            self._stopping.set()

    def _on_ready(self) -> None:
        self._doubt()
        self._begin("ready", self._tell_ready())
        if self._settings.feed and not self._is_fed:
            self._is_fed = True
            self._begin("feed", self._feed.run())

    async def _tell_ready(self) -> None:
        await self._front.server.set_ready(ready=True)
        if not self._settings.no_rest:
            await await_listener(self._settings.rest)
        self._announcer.ready(self._address)

    def _on_lost(self) -> None:
        self._doubt()
        self._begin("health", self._front.server.set_ready(ready=False))

    def _doubt(self) -> None:
        # A notification of the last batch may be lost: a key that seems live may be revoked.
        self._base.keyring.forget_all()
        self._watch.doubt()

    async def _flush_usage(self, meter: UsageMeter) -> None:
        while True:
            await asyncio.sleep(self._settings.usage_flush_seconds)
            await self._store_usage(meter)

    async def _store_usage(self, meter: UsageMeter) -> None:
        calls, keys = meter.take()
        if not calls and not keys:
            return
        try:
            body = encode_usage(calls, keys)
            await self._engine.call("RecordUsage", SERVICE, body)
        except EngineRefused:
            meter.put_back(calls, keys)

    async def _forget_idle(self) -> None:
        while True:
            await asyncio.sleep(FORGET_IDLE_SECONDS)
            self._front.limits.forget_idle()

    async def _make_room(self) -> None:
        closed, told = 0, -math.inf
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            closed += await self._front.connections.make_room(self._port)
            now = asyncio.get_running_loop().time()
            if closed and now > told + TOLD_AGAIN_SECONDS:
                log.warning("Closed %d idle connections to make room for others.", closed)
                closed, told = 0, now

    async def _watch_quotes(self) -> None:
        while True:
            await asyncio.sleep(QUOTES_LOOK_SECONDS)
            news = self._front.quote_watch.look()
            if news is not None:
                log.log(logging.WARNING if news.is_warning else logging.INFO, "%s", news.line)

    async def _refresh_leaderboard(self) -> None:
        where, loop = self._settings.location, asyncio.get_running_loop()
        with refreshing(where, self._base.rankings, self._front.leaderboard) as refresh:
            while True:
                try:
                    pause = await loop.run_in_executor(None, refresh)
                except StorageDamaged:
                    raise database_damaged(where) from None
                except (StorageUnavailable, StorageBroken, OSError):
                    log.warning("The leaderboard could not be refreshed.", exc_info=True)
                    pause = PAUSE_MIN
                await asyncio.sleep(pause / SECOND)

    async def _drain(self) -> None:
        await self._front.server.set_ready(ready=False)
        self._bridge.terminate()
        self._feed.terminate()
        self._base.streams.drain()
        self._process.end_waits()
        await self._bridge.stop(self._settings.drain_seconds)
        await self._feed.stop(self._settings.drain_seconds)
        await self._front.server.stop(self._settings.drain_seconds)
        if self._base.meter is not None:
            await self._store_usage(self._base.meter)
        if self._cluster is not None:
            self._cluster.close()
        await self._process.stop()
        if self._gate is not None:
            await self._gate.close()
        await self._base.close()
        self._front.journal.flush()


def _drop(_: bytes) -> None:
    return None
