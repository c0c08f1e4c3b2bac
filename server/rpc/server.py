"""The gRPC server: its limits, its interceptors in their order, and its health."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import aio as health

from server.rpc.call import Interceptor
from server.rpc.chain import Chain
from server.rpc.dispatch import Dispatcher
from server.rpc.health_watches import HealthWatches
from server.rpc.interceptors.accounts import NamedAccounts
from server.rpc.interceptors.authentication import Authentication
from server.rpc.interceptors.connections import Connections
from server.rpc.interceptors.draining import Draining
from server.rpc.interceptors.errors import ErrorTranslation
from server.rpc.interceptors.in_flight import InFlight
from server.rpc.interceptors.observability import Observability
from server.rpc.interceptors.sign_in import SignIns
from server.rpc.interceptors.streams import OpenStreams
from server.rpc.reflection import enable_reflection
from server.rpc.sockets import cut
from server.wire.contract import Method

MESSAGE_BYTES_MAX = 64 * 1024
METADATA_BYTES_MAX = 8 * 1024
STREAMS_PER_CONNECTION_MAX = 64
OPEN_CALLS_MAX = 20_000
"""The most open calls, authenticated or not; an interceptor limits those in progress."""
HANDSHAKE_TIMEOUT_MS = 5_000
CONNECTION_IDLE_MS_MAX = 5 * 60_000
CONNECTION_AGE_MS_MAX = 60 * 60_000
CONNECTION_AGE_GRACE_MS = 30_000
KEEPALIVE_INTERVAL_MS = 60_000
KEEPALIVE_TIMEOUT_MS = 20_000
PING_INTERVAL_MS_MIN = 5_000
"""gRPC clients may ping every 10 s; after a late ping the next one may follow soon."""
PING_STRIKES_MAX = 10
"""Number of early pings in a row, without data in between, that counts as a flood."""
FINISHED_LOOK_SECONDS = 0.02
UNTAKEN_ANSWER_SECONDS = 1.0

OPTIONS: Sequence[tuple[str, int]] = (
    # Two servers on one port must be an error; otherwise they would share calls by chance.
    ("grpc.so_reuseport", 0),
    ("grpc.max_receive_message_length", MESSAGE_BYTES_MAX),
    ("grpc.max_metadata_size", METADATA_BYTES_MAX),
    ("grpc.absolute_max_metadata_size", METADATA_BYTES_MAX),
    ("grpc.max_concurrent_streams", STREAMS_PER_CONNECTION_MAX),
    # gRPC's limit would also refuse clients that respect it, because the server counts an ended
    # stream longer than the client does. Without the limit, floods of resets cost no more.
    ("grpc.http.overload_protection", 0),
    ("grpc.server_handshake_timeout_ms", HANDSHAKE_TIMEOUT_MS),
    ("grpc.max_connection_idle_ms", CONNECTION_IDLE_MS_MAX),
    ("grpc.max_connection_age_ms", CONNECTION_AGE_MS_MAX),
    ("grpc.max_connection_age_grace_ms", CONNECTION_AGE_GRACE_MS),
    ("grpc.keepalive_time_ms", KEEPALIVE_INTERVAL_MS),
    ("grpc.keepalive_timeout_ms", KEEPALIVE_TIMEOUT_MS),
    # Pings are accepted without an open call too.
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.min_ping_interval_without_data_ms", PING_INTERVAL_MS_MIN),
    ("grpc.http2.max_ping_strikes", PING_STRIKES_MAX),
)

Detail: TypeAlias = tuple[tuple[str, str], ...]

CONNECTIONS_OPTION = "grpc.max_allowed_incoming_connections"


@dataclass(frozen=True, slots=True, kw_only=True)
class Links:
    """The interceptors, outermost first, each with the reason for its place."""

    observability: Observability  # Every call leaves a trace, refused ones too.
    errors: ErrorTranslation  # Nothing but our own statuses leaves the links below.
    draining: Draining = field(default_factory=Draining)  # Nothing begins that cannot finish.
    authentication: Authentication  # Nothing is spent or read before a caller is known.
    connections: Connections  # The connection of a known caller is a known one.
    in_flight: InFlight  # A stranger must not take a customer's place.
    rate_limits: Interceptor  # Limits belong to callers and come before all work.
    accounts: NamedAccounts  # No account is looked up for a call that a limit refuses.
    sign_ins: SignIns  # A token is not used up by a call that a limit refuses.
    streams: OpenStreams  # A call that was refused takes no place.

    def ordered(self) -> list[Interceptor]:
        """Return the interceptors, outermost first."""
        return [
            self.observability,
            self.errors,
            self.draining,
            self.authentication,
            self.connections,
            self.in_flight,
            self.rate_limits,
            self.accounts,
            self.sign_ins,
            self.streams,
        ]


class _Health(health.HealthServicer):  # type: ignore[misc]  # without types
    """The servicer of health; what it sends besides the status is for people and readiness."""

    def __init__(self, detail: Callable[[], Detail]) -> None:
        super().__init__()
        self._detail = detail

    async def Check(  # noqa: N802 — the contract's name
        self, request: health_pb2.HealthCheckRequest, context: Any
    ) -> Any:
        """Answer with the status, and with the detail as trailing metadata."""
        context.set_trailing_metadata(self._detail())
        return await super().Check(request, context)


class RpcServer:
    """The server of the contract, with health and, if enabled, reflection.

    `detail` returns what a check of health sends besides the status.
    """

    def __init__(
        self,
        methods: Sequence[Method],
        links: Links,
        dispatcher: Dispatcher,
        *,
        with_reflection: bool,
        detail: Callable[[], Detail] = tuple,
    ) -> None:
        self._draining = links.draining
        self._ports: frozenset[int] = frozenset()
        watches = HealthWatches(links.authentication.account_of)
        chain = Chain(methods, links.ordered(), dispatcher, watches)
        self._server = grpc.aio.server(
            interceptors=[chain],
            options=[*OPTIONS, (CONNECTIONS_OPTION, links.connections.places())],
            maximum_concurrent_rpcs=OPEN_CALLS_MAX,
        )
        self._is_ready = self._has_stopped = False
        self._telling: asyncio.Future[None] | None = None
        self._health = _Health(detail)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        if with_reflection:
            services = sorted({method.path.split("/")[1] for method in methods})
            enable_reflection(services, self._server)

    def bind(self, address: str, credentials: grpc.ServerCredentials | None = None) -> int:
        """Bind a port and return it; raise RuntimeError if it is in use."""
        if credentials is not None:
            port = self._server.add_secure_port(address, credentials)
        else:
            port = self._server.add_insecure_port(address)
        self._ports |= {port}
        return port

    async def start(self) -> None:
        """Answer calls; health says NOT_SERVING until `set_ready`."""
        await self.set_ready(ready=False)
        await self._server.start()

    async def set_ready(self, *, ready: bool) -> None:
        """Set whether health says SERVING, unless the market has stopped."""
        self._is_ready = ready
        await self._tell_health()

    def set_stopped(self, *, is_stopped: bool) -> None:
        """Set whether the market has stopped; while it has, health says NOT_SERVING."""
        if is_stopped is not self._has_stopped:
            self._has_stopped = is_stopped
            self._telling = asyncio.ensure_future(self._tell_health())

    async def _tell_health(self) -> None:
        status = health_pb2.HealthCheckResponse
        is_serving = self._is_ready and not self._has_stopped
        await self._health.set("", status.SERVING if is_serving else status.NOT_SERVING)

    async def stop(self, grace_seconds: float) -> None:
        """Refuse new calls, let those in flight finish, then end all connections.

        Callers who do not read their answers delay the end by at most a second.
        """
        self._draining.begin()
        await _wait_while(lambda: self._draining.at_work, grace_seconds)
        await _wait_while(lambda: self._draining.open, min(UNTAKEN_ANSWER_SECONDS, grace_seconds))
        cut(self._ports)
        await self._server.stop(None)


async def _wait_while(counts: Callable[[], int], seconds_max: float) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds_max):
            while counts():  # noqa: ASYNC110 — cheaper for calls than an event
                await asyncio.sleep(FINISHED_LOOK_SECONDS)
