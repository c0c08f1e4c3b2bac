"""The gRPC client: calls in raw bytes over several channels, taken in turn."""

import asyncio
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

import grpc
import grpc.aio
from grpc_health.v1 import health_pb2, health_pb2_grpc

from rest_bridge.errors import RawMetadata, Refusal, not_executed
from rest_bridge.headers import Metadata
from rest_bridge.settings import Settings

UnaryCall: TypeAlias = "grpc.aio.UnaryUnaryMultiCallable[bytes, bytes]"
StreamCall: TypeAlias = "grpc.aio.UnaryStreamMultiCallable[bytes, bytes]"


QUOTE_HEADERS = {"fresh": "x-fresh-quotes", "stale": "x-stale-quotes"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Readiness:
    """Whether the server takes calls; the numbers of its fresh and stale quotes, if it says so."""

    is_serving: bool
    quotes: dict[str, int] = field(default_factory=dict)


class Upstream:
    """The client of the gRPC server; opened and closed within the event loop that uses it."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lanes: list[_Lane] = []
        self._turns: Iterator[_Lane] = iter(())
        self._stream_lanes: list[_StreamLane] = []
        self._closing: set[asyncio.Future[None]] = set()
        self._health_channel: grpc.aio.Channel

    async def open(self) -> None:
        calls_max = self._settings.upstream_calls_per_channel_max
        self._lanes = [
            _Lane(self._channel(), asyncio.Semaphore(calls_max))
            for _ in range(self._settings.upstream_channels)
        ]
        self._turns = itertools.cycle(self._lanes)
        self._health_channel = self._channel()

    async def close(self) -> None:
        for lane in self._lanes:
            await lane.channel.close()
        for stream_lane in self._stream_lanes:
            await stream_lane.channel.close()
        await self._health_channel.close()

    async def call(self, rpc: str, request: bytes, metadata: Metadata) -> tuple[bytes, RawMetadata]:
        """Make a unary call; return the answer and its trailing metadata.

        Raises grpc.aio.AioRpcError, and Refusal if no place for the call was free in time.
        """
        deadline_seconds = self._settings.upstream_deadline_seconds
        lane = next(self._turns)
        await lane.take_place(deadline_seconds)
        try:
            call = lane.unary(rpc)(request, metadata=metadata, timeout=deadline_seconds)
            return await call, await call.trailing_metadata()
        finally:
            lane.places.release()

    async def stream(self, rpc: str, request: bytes, metadata: Metadata) -> "UpstreamStream":
        """Open a stream and return it once the server says that it is open.

        Raises grpc.aio.AioRpcError when it is refused, and Refusal if the server does not answer in
        time.
        """
        lane = self._stream_lane()
        stream = UpstreamStream(lane, rpc, request, metadata)
        try:
            async with asyncio.timeout(self._settings.upstream_deadline_seconds):
                await stream.opened()
        except TimeoutError:
            stream.close()
            raise Refusal(504, "DEADLINE_EXCEEDED", "The server did not open the stream.") from None
        except BaseException:
            stream.close()
            raise
        return stream

    def _stream_lane(self) -> "_StreamLane":
        """Return a channel with a place for a stream; a new one when all are full."""
        for lane in self._stream_lanes:
            if lane.open < self._settings.upstream_calls_per_channel_max:
                return lane
        # A growing window would buffer more than the client reads.
        lane = _StreamLane(self._channel(("grpc.http2.bdp_probe", 0)), self._drop_idle)
        self._stream_lanes.append(lane)
        return lane

    def _drop_idle(self, lane: "_StreamLane") -> None:
        """Close a channel that carries no stream any more, unless it is the only one."""
        if len(self._stream_lanes) > 1 and lane in self._stream_lanes:
            self._stream_lanes.remove(lane)
            closing = asyncio.ensure_future(lane.channel.close())
            self._closing.add(closing)
            closing.add_done_callback(self._closing.discard)

    async def readiness(self) -> Readiness:
        """Return whether the server takes calls, and how its quotes are if a feed makes them."""
        stub = health_pb2_grpc.HealthStub(self._health_channel)
        call = stub.Check(
            health_pb2.HealthCheckRequest(), timeout=self._settings.readiness_deadline_seconds
        )
        try:
            answer, trailers = await call, await call.trailing_metadata()
        except grpc.aio.AioRpcError:
            return Readiness(is_serving=False)
        told = dict(trailers or ())
        counts = {
            name: int(told[header]) for name, header in QUOTE_HEADERS.items() if header in told
        }
        is_serving = answer.status == health_pb2.HealthCheckResponse.SERVING
        return Readiness(is_serving=is_serving, quotes=counts)

    def _channel(self, *more: tuple[str, int]) -> grpc.aio.Channel:
        options = [
            *more,
            # Otherwise, channels to one target would share one connection and its stream limit.
            ("grpc.use_local_subchannel_pool", 1),
            ("grpc.initial_reconnect_backoff_ms", 100),
            ("grpc.max_reconnect_backoff_ms", 1000),
            ("grpc.max_receive_message_length", self._settings.answer_bytes_max),
            ("grpc.enable_http_proxy", 0),
        ]
        if self._settings.target_ca is None:
            return grpc.aio.insecure_channel(self._settings.target, options=options)
        credentials = grpc.ssl_channel_credentials(
            self._settings.target_ca.read_bytes(),
            _bytes_of(self._settings.target_key),
            _bytes_of(self._settings.target_certificate),
        )
        return grpc.aio.secure_channel(self._settings.target, credentials, options=options)


@dataclass(frozen=True, slots=True)
class _Lane:
    """A channel and the places for calls on it.

    Beyond the server's limit of streams per connection, a call is refused, not queued.
    """

    channel: grpc.aio.Channel
    places: asyncio.Semaphore
    calls: dict[str, UnaryCall] = field(default_factory=dict)

    async def take_place(self, deadline_seconds: float) -> None:
        if not self.places.locked():
            await self.places.acquire()
            return
        try:
            async with asyncio.timeout(deadline_seconds):
                await self.places.acquire()
        except TimeoutError:
            raise not_executed("The server is busy; nothing was done, try again.") from None

    def unary(self, rpc: str) -> UnaryCall:
        call = self.calls.get(rpc)
        if call is None:
            call = self.calls[rpc] = self.channel.unary_unary(rpc)
        return call


@dataclass(slots=True)
class _StreamLane:
    """A channel for streams, the number of its streams, and what to do when that reaches 0."""

    channel: grpc.aio.Channel
    on_idle: Callable[["_StreamLane"], None]
    open: int = 0

    def release(self) -> None:
        """Give a place back."""
        self.open -= 1
        if not self.open:
            self.on_idle(self)


class UpstreamStream:
    """One stream of the server. Closing it gives its place on the channel back."""

    def __init__(self, lane: _StreamLane, rpc: str, request: bytes, metadata: Metadata) -> None:
        self.metadata: RawMetadata = ()
        self._lane: _StreamLane | None = lane
        self._first: bytes | None = None
        calls: StreamCall = lane.channel.unary_stream(rpc)
        self._call = calls(request, metadata=metadata)
        lane.open += 1

    async def opened(self) -> None:
        """Wait until the stream is open. Raises grpc.aio.AioRpcError when it is refused."""
        self.metadata = tuple(await self._call.initial_metadata())
        if not self.metadata:
            # Either a refusal, which the next line raises, or a server that closed without more.
            self._first = await self.read()

    async def read(self) -> bytes | None:
        """Return the next message; None at the end. Raises grpc.aio.AioRpcError."""
        if self._first is not None:
            first, self._first = self._first, None
            return first
        message = await self._call.read()
        return message if isinstance(message, bytes) else None

    def close(self) -> None:
        """End the stream."""
        if self._lane is not None:
            lane, self._lane = self._lane, None
            self._call.cancel()
            lane.release()


def _bytes_of(path: Path | None) -> bytes | None:
    return None if path is None else path.read_bytes()
