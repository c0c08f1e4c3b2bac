"""A proxy for TCP connections, which spreads them over the replicas that are ready."""

import asyncio
from asyncio import StreamReader, StreamWriter
from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum

LOOK_SECONDS = 0.2
LOOK_SECONDS_MAX = 2.0
PART_BYTES = 1 << 16


class Port(StrEnum):
    """What listens at a port of a replica."""

    GRPC = "grpc"
    REST = "rest"


@dataclass(eq=False, slots=True)
class Replica:
    """A server of the venue: its addresses, and whether it takes calls."""

    grpc: str
    rest: str
    is_ready: bool = False

    def address(self, port: Port) -> str:
        return self.grpc if port is Port.GRPC else self.rest


class Proxy:
    """Gives each new connection to the next replica that is ready."""

    def __init__(self, replicas: Iterable[Replica]) -> None:
        self._replicas = deque(replicas)
        self._connections = set[asyncio.Task[None]]()

    async def watch(self) -> None:
        """Keep looking which replicas are ready, until cancelled."""
        while True:
            replicas = tuple(self._replicas)
            found = await asyncio.gather(*(is_ready(it.rest) for it in replicas))
            for replica, ready in zip(replicas, found, strict=True):
                replica.is_ready = ready
            await asyncio.sleep(LOOK_SECONDS)

    async def bind(self, port: Port, address: str) -> asyncio.Server:
        """Return a server at an address, for a port of the replicas; it does not listen yet."""

        def begin(reader: StreamReader, writer: StreamWriter) -> None:
            task = asyncio.create_task(self._carry(port, reader, writer))
            self._connections.add(task)
            task.add_done_callback(self._connections.discard)

        return await asyncio.start_server(begin, *split(address), start_serving=False)

    async def _carry(self, port: Port, reader: StreamReader, writer: StreamWriter) -> None:
        try:
            connected = await self._connect(port)
            if connected is None:
                return
            answers, requests = connected
            sending = asyncio.create_task(copy(reader, requests))
            try:
                await copy(answers, writer)
            finally:
                sending.cancel()
                requests.close()
        finally:
            writer.close()

    async def _connect(self, port: Port) -> tuple[StreamReader, StreamWriter] | None:
        """Connect to the next replica that is ready; return None if there is none."""
        for _ in range(len(self._replicas)):
            replica = self._replicas[0]
            self._replicas.rotate(-1)
            if replica.is_ready:
                # It may have stopped since the last look.
                with suppress(OSError):
                    return await asyncio.open_connection(*split(replica.address(port)))
        return None


async def copy(reader: StreamReader, writer: StreamWriter) -> None:
    """Pass on what one side says, and that it has ended."""
    with suppress(OSError):
        while part := await reader.read(PART_BYTES):
            writer.write(part)
            await writer.drain()
        writer.write_eof()


async def is_ready(rest: str) -> bool:
    """Tell whether the service at an address takes calls."""
    try:
        async with asyncio.timeout(LOOK_SECONDS_MAX):
            reader, writer = await asyncio.open_connection(*split(rest))
            writer.write(f"GET /readyz HTTP/1.0\r\nHost: {rest}\r\n\r\n".encode())
            status = await reader.readline()
            writer.close()
    except (OSError, TimeoutError):
        return False
    return b" 200 " in status


def split(address: str) -> tuple[str, int]:
    """Return host and port."""
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)
