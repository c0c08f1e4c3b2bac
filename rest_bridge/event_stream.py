"""Server-Sent Events: streams of the contract, followed upstream and written to HTTP clients."""

import asyncio
from dataclasses import dataclass

import grpc.aio
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from starlette.types import Receive, Send

from rest_bridge import replies
from rest_bridge.errors import RawMetadata, Refusal
from rest_bridge.headers import Metadata
from rest_bridge.routes import Route
from rest_bridge.settings import Settings
from rest_bridge.transcoding import EventWriter
from rest_bridge.upstream import Upstream, UpstreamStream

RESUMED_AFTER = "after_sequence"
_FIRST = "subscribed"
_RESUME_PAUSE_SECONDS = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamRequest:
    """What a client asked to follow."""

    route: Route
    body: bytes
    metadata: Metadata

    @property
    def is_resumable(self) -> bool:
        return RESUMED_AFTER in self.route.method.input_type.fields_by_name

    def after(self, sequence: int | None) -> bytes:
        """Return the request for what follows a sequence."""
        if sequence is None or not self.is_resumable:
            return self.body
        message: Message = GetMessageClass(self.route.method.input_type).FromString(self.body)
        setattr(message, RESUMED_AFTER, sequence)
        return message.SerializeToString()


class EventStreams:
    """The open streams of a bridge."""

    def __init__(self, upstream: Upstream, settings: Settings) -> None:
        self._upstream = upstream
        self._resume_seconds = settings.stream_resume_seconds
        self._ending = asyncio.Event()

    def end_all(self) -> None:
        """End all streams, and open no more: their clients connect again, elsewhere or later."""
        self._ending.set()

    async def open(self, request: StreamRequest) -> "EventStream":
        """Open a stream upstream; raises grpc.aio.AioRpcError or Refusal when it is refused."""
        if self._ending.is_set():
            raise Refusal(503, "UNAVAILABLE", "The bridge is stopping; open the stream again.")
        stream = EventStream(self._upstream, request, self._ending, self._resume_seconds)
        await stream.open(seconds=0)
        return stream


class EventStream:
    """One stream: read upstream no faster than its client reads, and resumed when that ends."""

    def __init__(
        self, upstream: Upstream, request: StreamRequest, ending: asyncio.Event,
        resume_seconds: float,
    ) -> None:  # fmt: skip
        self._upstream = upstream
        self._request = request
        self._ending = ending
        self._resume_seconds = resume_seconds
        self._writer = EventWriter(request.route)
        self._stream: UpstreamStream | None = None
        self._sequence: int | None = None

    @property
    def metadata(self) -> RawMetadata:
        """Return what the server told when it opened the stream."""
        return () if self._stream is None else self._stream.metadata

    async def open(self, *, seconds: float) -> None:
        """Open the stream upstream after what was written; try again for so many seconds."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        while True:
            body = self._request.after(self._sequence)
            try:
                self._stream = await self._upstream.stream(
                    self._request.route.rpc, body, self._request.metadata
                )
            except grpc.aio.AioRpcError as error:
                if not _may_come_back(error) or loop.time() >= deadline:
                    raise
            else:
                return
            await asyncio.sleep(_RESUME_PAUSE_SECONDS)

    def close(self) -> None:
        """End the stream upstream."""
        if self._stream is not None:
            self._stream.close()

    async def write(self, receive: Receive, send: Send) -> None:
        """Write events until the client leaves, the server ends the stream, or all are ended."""
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
        resumed = False
        while True:
            try:
                await self._copy(send, resumed=resumed)
                return
            except grpc.aio.AioRpcError as error:
                if not _may_come_back(error):
                    return
            self.close()
            try:
                await self.open(seconds=self._resume_seconds)
            except (grpc.aio.AioRpcError, Refusal):
                return
            resumed = True

    async def _copy(self, send: Send, *, resumed: bool) -> None:
        assert self._stream is not None, "the stream is open"
        while (message := await self._stream.read()) is not None:
            event = self._writer.write(message)
            if event is None:
                continue
            self._sequence = event.sequence
            # To the client the stream has never ended, so it does not begin either.
            if not (resumed and event.name == _FIRST):
                await _write(send, event.frame)


def _may_come_back(error: grpc.aio.AioRpcError) -> bool:
    """Tell whether a stream was ended by the connection or the server, not by a refusal."""
    return error.code() is grpc.StatusCode.UNAVAILABLE


async def _client_left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _write(send: Send, body: bytes) -> None:
    await send({"type": "http.response.body", "body": body, "more_body": True})
