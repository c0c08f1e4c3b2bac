"""Limits of a connection in bytes, time and number, which uvicorn lacks."""

import asyncio
import logging
import socket
import weakref
from functools import partial
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn._types import ASGI3Application
from uvicorn.protocols.http.httptools_impl import (
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
)

from rest_bridge import replies
from rest_bridge.errors import Refusal, body_too_large, not_executed
from rest_bridge.places import Places, network_of
from rest_bridge.settings import Settings

# uvicorn warns about each request that is not HTTP: anyone could fill the disk with warnings.
_logger = logging.getLogger("rest_bridge.connections")
_logger.setLevel(logging.ERROR)


class ClientDisconnected(Exception):
    """The client left before its request was complete; nobody waits for an answer."""


async def read_body(receive: Receive, bytes_max: int) -> bytes:
    """Read a request's body.

    Raises Refusal if it is too large, and ClientDisconnected if the client leaves before its end.
    """
    body = b""
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnected
        body += message["body"]
        if len(body) > bytes_max:
            raise body_too_large(bytes_max)
        more = message["more_body"]
    return body


class LingeringClose:
    """Middleware that closes a connection if its request was answered before its body was read.

    It sends the whole answer and reads the rest of the body for a while before it closes. If it
    closed at once, the kernel would discard the answer because of the unread bytes.
    """

    def __init__(self, app: ASGIApp, linger_seconds: float) -> None:
        self._app = app
        self._linger_seconds = linger_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and _announces_body(scope):
            exchange = _Exchange(receive, send, self._linger_seconds)
            await self._app(scope, exchange.receive, exchange.send)
        else:
            await self._app(scope, receive, send)


def _announces_body(scope: Scope) -> bool:
    return any(
        (name == b"content-length" and value != b"0") or name == b"transfer-encoding"
        for name, value in scope["headers"]
    )


class _Exchange:
    """One request and its answer; tracks whether the body was read to its end."""

    def __init__(self, receive: Receive, send: Send, linger_seconds: float) -> None:
        self._receive = receive
        self._send = send
        self._linger_seconds = linger_seconds
        self._body_is_read = False

    async def receive(self) -> Message:
        message = await self._receive()
        self._body_is_read = not message.get("more_body", False)
        return message

    async def send(self, message: Message) -> None:
        if self._body_is_read:
            await self._send(message)
        elif message["type"] == "http.response.start":
            await self._send(
                {**message, "headers": [*message["headers"], (b"connection", b"close")]}
            )
        elif message.get("more_body", False):
            await self._send(message)
        else:
            await self._send({**message, "more_body": True})
            await self._drain()
            await self._send({"type": "http.response.body"})

    async def _drain(self) -> None:
        try:
            async with asyncio.timeout(self._linger_seconds):
                while not self._body_is_read:
                    await self.receive()
        except TimeoutError:
            pass


def bounded_protocol(settings: Settings) -> "partial[BoundedProtocol]":
    """Return the factory of uvicorn's connections, each within the limits of the settings."""
    return partial(BoundedProtocol, settings=settings, places=Places(settings))


def credential_was_taken(scope: Scope) -> None:
    """Mark the connection of a request as a customer's: the server accepted its credential."""
    reference = scope.get("state", {}).get(_CONNECTION)
    connection = reference() if reference is not None else None
    if connection is not None:
        connection.become_customers()


def replace_policy(scope: Scope, policy: str) -> None:
    """Answer the request in hand with a Content-Security-Policy of its own."""
    reference = scope.get("state", {}).get(_CONNECTION)
    connection = reference() if reference is not None else None
    if connection is not None:
        connection.replace_header(b"content-security-policy", policy.encode("ascii"))


_CONNECTION = "bottrading.connection"


class BoundedProtocol(HttpToolsProtocol):
    """An HTTP connection with a place, a deadline for each request, and a limit of bytes.

    A request (head, body, chunk sizes, trailers) larger than `drained_bytes_max` ends the
    connection.
    """

    def __init__(self, *args: Any, settings: Settings, places: Places, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.logger = _logger
        self._settings = settings
        self._places = places
        self.timeout_keep_alive = min(
            settings.stranger_keep_alive_seconds, settings.keep_alive_seconds
        )
        self.network = ""
        self._deadline: asyncio.TimerHandle | None = None
        self._answering: RequestResponseCycle | None = None
        self._awaits_head = True
        self._request_bytes = 0
        self._malformed = Refusal(400, "MALFORMED_REQUEST", "The request is not HTTP.")

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        _give_up_on_deaf_peers(transport, self._settings.unread_answer_seconds)
        self.network = network_of(self.client[0]) if self.client else ""
        if self._places.take(self):
            self._set_deadline()
        else:
            self._refuse(not_executed("Too many connections; try again."))

    def connection_lost(self, exc: Exception | None) -> None:
        self._places.leave(self)
        self._clear_deadline()
        # Of pipelined requests uvicorn exposes only the newest, not the one that is being answered.
        if self._answering is not None:
            self._answering.disconnected = True
            self._answering.message_event.set()
        super().connection_lost(exc)

    def shutdown(self) -> None:
        super().shutdown()
        self.loop.call_later(self._settings.untaken_answer_seconds, self._end_deaf)

    @property
    def awaits_client(self) -> bool:
        """Tell whether it waits for its client, to send something or to read an answer."""
        return self._awaits_more() or self.flow.write_paused

    @property
    def is_between_requests(self) -> bool:
        """Tell whether it can be ended without loss: no request has begun, no answer is pending."""
        return self._is_idle() and self._awaits_head and not self.transport.get_write_buffer_size()

    def become_customers(self) -> None:
        """Mark the connection as a customer's, which is kept longer between requests."""
        self._places.know(self)
        self.timeout_keep_alive = self._settings.keep_alive_seconds

    def replace_header(self, name: bytes, value: bytes) -> None:
        """Replace a header that all answers have, for the request that is being answered."""
        cycle = self._answering
        if cycle is not None:
            kept = [header for header in cycle.default_headers if header[0] != name]
            cycle.default_headers = [*kept, (name, value)]

    def end(self) -> None:
        """End the connection at once, so that another can have its place."""
        self.transport.abort()

    def data_received(self, data: bytes) -> None:
        self._places.stir(self)
        self._request_bytes += len(data)
        super().data_received(data)
        if self.transport.is_closing():
            return
        if self._awaits_head and self._request_bytes > self._settings.head_bytes_max:
            self._refuse(self._head_too_large())
        elif self._request_bytes > self._settings.drained_bytes_max:
            self.transport.close()
        elif self._deadline is None and self._awaits_more():
            self._set_deadline()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        # A weak reference, because the connection already holds the scope.
        self.scope["state"][_CONNECTION] = weakref.ref(self)

    def on_headers_complete(self) -> None:
        self._awaits_head = False
        head_bytes = len(self.url)
        for name, value in self.headers:
            head_bytes += len(name) + len(value) + len(b": \r\n")
        if head_bytes > self._settings.head_bytes_max:
            self._malformed = self._head_too_large()
            # The parser stops, and uvicorn answers through send_400_response.
            raise ValueError("head too large")
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._clear_deadline()
        self._awaits_head = True
        self._request_bytes = 0
        super().on_message_complete()

    def on_response_complete(self) -> None:
        self._places.stir(self)
        super().on_response_complete()

    def send_400_response(self, msg: str) -> None:
        self._refuse(self._malformed)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        self._answering = cycle
        super()._start_asgi_task(cycle, app)

    def _awaits_more(self) -> bool:
        # Any byte stops uvicorn's timer of an idle connection, even one that does not begin a
        # request.
        return self._is_idle() or not self._awaits_head

    def _is_idle(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def _set_deadline(self) -> None:
        self._deadline = self.loop.call_later(
            self._settings.request_deadline_seconds, self._end_late_request
        )

    def _clear_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _end_late_request(self) -> None:
        if self._awaits_head or self.cycle.response_started:
            self.transport.close()
        else:
            limit = self._settings.request_deadline_seconds
            message = f"The request must arrive within {limit:g} seconds."
            self._refuse(Refusal(408, "MALFORMED_REQUEST", message))

    def _end_deaf(self) -> None:
        """End a connection whose client reads nothing: it must not delay the bridge's end."""
        if self.flow.write_paused:
            self.transport.abort()

    def _head_too_large(self) -> Refusal:
        limit = self._settings.head_bytes_max
        message = f"The request line and headers must have at most {limit} bytes."
        return Refusal(431, "MESSAGE_TOO_LARGE", message)

    def _refuse(self, refusal: Refusal) -> None:
        reply = replies.refusal(refusal, None)
        default_headers = self.server_state.default_headers
        headers = [*default_headers, *reply.headers, (b"connection", b"close")]
        lines = [name + b": " + value + b"\r\n" for name, value in headers]
        self.transport.write(b"".join([STATUS_LINE[reply.status], *lines, b"\r\n", reply.body]))
        self.transport.close()


def _give_up_on_deaf_peers(transport: asyncio.Transport, seconds: float) -> None:
    """Let the kernel end a connection whose peer reads nothing."""
    connection = transport.get_extra_info("socket")
    if connection is not None and connection.family in (socket.AF_INET, socket.AF_INET6):
        timeout_ms = int(seconds * 1000)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, timeout_ms)
