"""Server-Sent Events: streams of the contract, followed upstream and written to HTTP clients."""

import asyncio
from dataclasses import dataclass, replace
from typing import Any

import grpc.aio
from google.protobuf.message_factory import GetMessageClass
from starlette.types import Receive, Send

from rest_bridge import replies
from rest_bridge.errors import RawMetadata, Refusal
from rest_bridge.headers import TICKET_KEY, Metadata
from rest_bridge.limits import ClientDisconnected
from rest_bridge.routes import Route
from rest_bridge.settings import Settings
from rest_bridge.transcoding import EventWriter
from rest_bridge.upstream import Upstream, UpstreamStream

RESUMED_AFTER = "after_sequence"
_SNAPSHOT_WANTED = "include_snapshot"
_FIRST = "subscribed"
_SNAPSHOT = "snapshot_order"
_PAUSE_SECONDS = 0.1
_PAUSE_SECONDS_MAX = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamRequest:
    """What a client asked to follow."""

    route: Route
    body: bytes
    metadata: Metadata

    @property
    def is_resumable(self) -> bool:
        return RESUMED_AFTER in self.route.method.input_type.fields_by_name

    def resumed(self, sequence: int | None, *, has_snapshot: bool) -> bytes:
        """Return the request that resumes after a sequence."""
        if sequence is None or not self.is_resumable:
            return self.body
        message: Any = GetMessageClass(self.route.method.input_type).FromString(self.body)
        setattr(message, RESUMED_AFTER, sequence)
        if has_snapshot:
            message.ClearField(_SNAPSHOT_WANTED)
        return bytes(message.SerializeToString())

    def renewed(self, metadata: RawMetadata) -> "StreamRequest":
        """Return the request with the server's ticket in place of the caller's credential."""
        ticket = next((str(value) for key, value in metadata if key == TICKET_KEY), None)
        if ticket is None:
            return self
        kept = tuple(pair for pair in self.metadata if pair[0] != TICKET_KEY)
        return replace(self, metadata=(*kept, (TICKET_KEY, ticket)))


class EventStreams:
    """The open streams of a bridge."""

    def __init__(self, upstream: Upstream, settings: Settings) -> None:
        self._upstream = upstream
        self._resume_seconds = settings.stream_resume_seconds
        self._ending = asyncio.Event()

    def end_all(self) -> None:
        """End all streams, and open no more: their clients connect again later."""
        self._ending.set()

    async def open(self, request: StreamRequest, receive: Receive) -> "EventStream":
        """Open a stream to the server, for as long as its client waits.

        Raises grpc.aio.AioRpcError or Refusal when it is refused, and ClientDisconnected.
        """
        stream = EventStream(self._upstream, request, self._ending, self._resume_seconds)
        opening = asyncio.ensure_future(stream.open(seconds=0))
        left = asyncio.ensure_future(_client_left(receive))
        ending = asyncio.ensure_future(self._ending.wait())
        try:
            await asyncio.wait([opening, left, ending], return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (opening, left, ending):
                task.cancel()
            await asyncio.wait([opening, left, ending])
        if not opening.cancelled():
            opening.result()
            return stream
        if left.cancelled():
            raise Refusal(503, "UNAVAILABLE", "The bridge is stopping; open the stream again.")
        raise ClientDisconnected


class EventStream:
    """One stream: read no faster than its client reads, and resumed when the server ends it."""

    def __init__(
        self,
        upstream: Upstream,
        request: StreamRequest,
        ending: asyncio.Event,
        resume_seconds: float,
    ) -> None:
        self._upstream = upstream
        self._request = request
        self._ending = ending
        self._resume_seconds = resume_seconds
        self._writer = EventWriter(request.route)
        self._stream: UpstreamStream | None = None
        self._sequence: int | None = None
        self._in_snapshot = self._has_snapshot = False

    @property
    def metadata(self) -> RawMetadata:
        """Return the metadata with which the server opened the stream."""
        return () if self._stream is None else self._stream.metadata

    async def open(self, *, seconds: float) -> None:
        """Resume the stream after the last event written; try again for so many seconds."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        while True:
            body = self._request.resumed(self._sequence, has_snapshot=self._has_snapshot)
            try:
                self._stream = await self._upstream.stream(
                    self._request.route.rpc, body, self._request.metadata
                )
            except grpc.aio.AioRpcError as error:
                if error.code() not in _PASSING or loop.time() >= deadline:
                    raise
            else:
                self._request = self._request.renewed(self._stream.metadata)
                return
            await asyncio.sleep(_PAUSE_SECONDS)

    def close(self) -> None:
        """End the stream to the server."""
        if self._stream is not None:
            self._stream.close()

    async def write(self, receive: Receive, send: Send) -> None:
        """Write events until the client leaves, the server ends the stream, or the bridge stops."""
        work = [
            asyncio.ensure_future(waiting)
            for waiting in (self._pump(send), _client_left(receive), self._ending.wait())
        ]
        try:
            await asyncio.wait(work, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in work:
                task.cancel()
            outcomes = await asyncio.gather(*work, return_exceptions=True)
            self.close()
        if isinstance(outcomes[0], Exception):
            raise outcomes[0]
        await send({"type": "http.response.body"})

    async def _pump(self, send: Send) -> None:
        await _write(send, replies.COME_AGAIN)
        pause = _PAUSE_SECONDS
        while True:
            count = 0
            try:
                assert self._stream is not None, "the stream is open"
                while (message := await self._stream.read()) is not None:
                    count += 1
                    await self._copy(message, send)
                return
            except grpc.aio.AioRpcError as error:
                if error.code() is not grpc.StatusCode.UNAVAILABLE:
                    return
            self.close()
            # A stream that opens and ends at once is reopened after growing pauses.
            pause = _PAUSE_SECONDS if count else min(2 * pause, _PAUSE_SECONDS_MAX)
            await asyncio.sleep(pause)
            try:
                await self.open(seconds=self._resume_seconds)
            except (grpc.aio.AioRpcError, Refusal):
                return

    async def _copy(self, message: bytes, send: Send) -> None:
        event = self._writer.write(message)
        if event is None:
            return
        # For the client the stream has not ended, so it must not begin a second time.
        repeated = event.name == _FIRST and self._sequence is not None
        self._sequence = event.sequence
        self._has_snapshot |= self._in_snapshot and event.name != _SNAPSHOT
        self._in_snapshot = event.name == _SNAPSHOT
        if not repeated:
            await _write(send, event.frame)


_PASSING = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED)
"""Statuses of a refused stream that may be opened a little later."""


async def _client_left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _write(send: Send, body: bytes) -> None:
    await send({"type": "http.response.body", "body": body, "more_body": True})
