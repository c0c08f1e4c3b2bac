"""A wire between client and server that loses answers."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Self


class Wire:
    """Passes bytes on both ways; while it is `deaf`, the server's answers are lost."""

    def __init__(self, target: str) -> None:
        self._host, _, self._port = target.rpartition(":")
        self._connections: set[asyncio.Task[None]] = set()
        self.address = ""
        self.deaf = False

    @classmethod
    @asynccontextmanager
    async def to(cls, target: str) -> AsyncIterator[Self]:
        """Lay a wire to a server."""
        wire = cls(target)
        server = await asyncio.start_server(wire._accept, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        wire.address = f"127.0.0.1:{port}"
        try:
            yield wire
        finally:
            wire.cut()
            server.close()
            await server.wait_closed()

    def cut(self) -> None:
        """End all connections; new ones work again."""
        self.deaf = False
        for connection in self._connections:
            connection.cancel()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        there, back = await asyncio.open_connection(self._host, self._port)
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(self._pass(reader, back, answers=False))
                both.create_task(self._pass(there, writer, answers=True))
        except* (asyncio.CancelledError, OSError):
            pass
        finally:
            self._connections.discard(task)
            for end in (writer, back):
                end.transport.abort()

    async def _pass(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, answers: bool
    ) -> None:
        while data := await source.read(65536):
            if not (answers and self.deaf):
                sink.write(data)
                await sink.drain()
        raise ConnectionError
