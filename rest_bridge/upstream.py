"""The gRPC client: calls in raw bytes over several channels, taken in turn."""

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import TypeAlias

import grpc
import grpc.aio
from grpc_health.v1 import health_pb2, health_pb2_grpc

from rest_bridge.errors import RawMetadata
from rest_bridge.headers import Metadata
from rest_bridge.settings import Settings

StreamCall: TypeAlias = "grpc.aio.UnaryStreamMultiCallable[bytes, bytes]"
UnaryCalls: TypeAlias = Iterator["grpc.aio.UnaryUnaryMultiCallable[bytes, bytes]"]


class Upstream:
    """The server that the bridge speaks for. Opened and closed within the event loop it serves."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._channels: list[grpc.aio.Channel] = []
        self._unary: dict[str, UnaryCalls] = {}

    async def open(self) -> None:
        self._channels = [self._channel() for _ in range(self._settings.upstream_channels + 1)]

    async def close(self) -> None:
        for channel in self._channels:
            await channel.close()

    async def call(self, rpc: str, request: bytes, metadata: Metadata) -> tuple[bytes, RawMetadata]:
        """Make a unary call; return the answer and its trailing metadata.

        Raises grpc.aio.AioRpcError.
        """
        calls = self._unary.get(rpc)
        if calls is None:
            calls = self._unary[rpc] = itertools.cycle(
                [channel.unary_unary(rpc) for channel in self._channels[:-1]]
            )
        call = next(calls)(
            request, metadata=metadata, timeout=self._settings.upstream_deadline_seconds
        )
        return await call, await call.trailing_metadata()

    async def first_of_stream(self, rpc: str, request: bytes, metadata: Metadata) -> None:
        """Open a stream, wait for its first message and end it. Raises grpc.aio.AioRpcError."""
        calls: StreamCall = self._channels[-1].unary_stream(rpc)
        call = calls(request, metadata=metadata, timeout=self._settings.upstream_deadline_seconds)
        await call.read()
        call.cancel()

    async def is_serving(self) -> bool:
        stub = health_pb2_grpc.HealthStub(self._channels[-1])
        try:
            answer = await stub.Check(
                health_pb2.HealthCheckRequest(), timeout=self._settings.readiness_deadline_seconds
            )
        except grpc.aio.AioRpcError:
            return False
        return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)

    def _channel(self) -> grpc.aio.Channel:
        options = [
            # Channels to one target would otherwise share one connection and its stream limit.
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


def _bytes_of(path: Path | None) -> bytes | None:
    return None if path is None else path.read_bytes()
