"""A server on loopback that stands in for an exchange: REST, sockets, and all that goes wrong."""

import asyncio
import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Any, Self

from aiohttp import WSMessage, WSMsgType, web

Message = dict[str, Any] | str | bytes


class Connection:
    """One socket of a client, with the channels that it subscribed to."""

    def __init__(self, socket: web.WebSocketResponse, request: web.Request) -> None:
        self.socket = socket
        self.path = request.path
        self.subscribed: set[str] = set()
        self._transport = request.transport

    async def send(self, message: Message) -> None:
        if isinstance(message, bytes):
            await self.socket.send_bytes(message)
        else:
            text = message if isinstance(message, str) else json.dumps(message)
            await self.socket.send_str(text)

    def abort(self) -> None:
        """Reset the connection, as a lost network does, without a word of goodbye."""
        if self._transport is not None:
            self._transport.abort()


class StandIn(ABC):
    """Answers as its exchange documents it. `silent` answers nothing on sockets, not even pings.

    `greeting` is what the exchange says to every new connection.
    """

    def __init__(self) -> None:
        self.connections: list[Connection] = []
        self.asked: list[str] = []
        self.greeting: Message = ""
        self.silent = False
        self.refusing = False
        self.refusal = "maintenance"
        self.pings = 0
        self._changed = asyncio.Event()
        self._runner: web.AppRunner | None = None
        self.url = ""

    async def __aenter__(self) -> Self:
        @web.middleware
        async def observe(request: web.Request, handler: Any) -> web.StreamResponse:
            self.asked.append(request.path_qs)
            if self.refusing:
                raise web.HTTPServiceUnavailable(text=self.refusal)
            answer: web.StreamResponse = await handler(request)
            return answer

        application = web.Application(middlewares=[observe])
        application.add_routes(self.routes())
        self._runner = web.AppRunner(application, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        host, port = self._runner.addresses[0][:2]
        self.url = f"http://{host}:{port}"
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.lose_connections()
        if self._runner is not None:
            await self._runner.cleanup()

    @abstractmethod
    def routes(self) -> Iterable[web.RouteDef]:
        """Return what the exchange serves."""

    @abstractmethod
    async def take(self, connection: Connection, message: dict[str, Any]) -> None:
        """Answer a client's message."""

    def lose_connections(self) -> None:
        """Reset all connections at once."""
        for connection in self.connections:
            connection.abort()

    async def close_connections(self) -> None:
        """Close all connections politely, as for maintenance."""
        for connection in list(self.connections):
            await connection.socket.close(code=1001, message=b"maintenance")

    async def send(self, message: Message, channel: str = "") -> None:
        """Send to all that subscribed to the channel; without one, to all connections."""
        for connection in list(self.connections):
            if not channel or channel in connection.subscribed:
                await connection.send(message)

    def notify(self) -> None:
        """Let those who wait look again."""
        self._changed.set()

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait until something holds that a client's doing changes."""
        while not holds():
            self._changed.clear()
            await self._changed.wait()

    async def until_subscribed(self, *channels: str) -> None:
        await self.until(
            lambda: set(channels) <= {one for each in self.connections for one in each.subscribed}
        )

    def subscribe(self, connection: Connection, channel: str) -> None:
        connection.subscribed.add(channel)
        self.notify()

    async def serve_socket(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(autoping=False, compress=False)
        await socket.prepare(request)
        connection = Connection(socket, request)
        self.connections.append(connection)
        self.notify()
        try:
            if self.greeting:
                await connection.send(self.greeting)
            async for message in socket:
                await self._take(connection, message)
        except ConnectionError:
            pass
        finally:
            self.connections.remove(connection)
            self.notify()
        return socket

    async def _take(self, connection: Connection, message: WSMessage) -> None:
        if self.silent:
            return
        if message.type is WSMsgType.PING:
            self.pings += 1
            await connection.socket.pong(message.data)
            self.notify()
        elif message.type is WSMsgType.TEXT:
            await self.take(connection, json.loads(message.data))
