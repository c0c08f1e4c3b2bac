"""Connections: who came in by which, and which are closed when places for new ones run out."""

import asyncio
import errno
import os
import socket
import struct
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass

from server.rpc.call import Call, Handler
from server.wire.contract import Method

CROWDED = 0.9
"""Share of the places from which on room is made."""

ROOMY = 0.8
"""Share of the places that stay taken when room was made."""

DESCRIPTORS = "/dev/fd"
LAST_RECEIVED = struct.Struct("52xI")
"""`tcpi_last_data_recv` within Linux' `struct tcp_info`, in milliseconds."""


@dataclass(frozen=True, slots=True)
class Connection:
    """A connection of this process; `peer` is written as gRPC writes it."""

    descriptor: int
    peer: str
    idle_ms: int


class Connections:
    """Stands behind authentication: who comes this far by a connection is no stranger there.

    gRPC itself closes what comes in beyond the places, whoever it is, so that room must be made
    before. `places` tells how many there are, `lend` descriptors to look around with.
    """

    def __init__(
        self, places: Callable[[], int], lend: Callable[[], AbstractContextManager[None]]
    ) -> None:
        self.places = places
        self._lend = lend
        self._known: set[str] = set()
        self._at_work: Counter[str] = Counter()

    def wrap(self, method: Method, proceed: Handler) -> Handler:
        """Return a handler that takes note of the connection that a call came by."""

        async def handle(call: Call) -> bytes:
            peer = call.context.peer()
            self._known.add(peer)
            self._at_work[peer] += 1
            try:
                return await proceed(call)
            finally:
                self._at_work[peer] -= 1
                if not self._at_work[peer]:
                    del self._at_work[peer]

        return handle

    async def make_room(self, port: int) -> int:
        """Close connections to a port when nearly all places are taken; return how many.

        Strangers go first, the idlest first; a connection with a customer's call in flight stays.
        """
        places = self.places()
        found = await asyncio.to_thread(self._look, port, places)
        if found is None:
            return 0
        self._known &= {one.peer for one in found} | self._at_work.keys()
        if len(found) <= places * CROWDED:
            return 0
        idle = sorted(
            (one for one in found if one.peer not in self._at_work),
            key=lambda one: (one.peer in self._known, -one.idle_ms),
        )
        surplus = len(found) - int(places * ROOMY)
        return await asyncio.to_thread(self._close, idle[:surplus], port)

    def _look(self, port: int, places: int) -> list[Connection] | None:
        """Return the connections to a port; None while so few files are open that all fits.

        Also None where no descriptor is left to look with: there will be one next time.
        """
        try:
            with self._lend():
                with os.scandir(DESCRIPTORS) as entries:
                    numbers = [int(entry.name) for entry in entries]
                if max(len(numbers), len(self._known)) <= places * CROWDED:
                    return None
                looks = (_connection(number, port) for number in numbers)
                return [one for one in looks if one is not None]
        except OSError:
            return None

    def _close(self, connections: list[Connection], port: int) -> int:
        with self._lend():
            return sum(_shut_down(one, port) for one in connections)


def _connection(descriptor: int, port: int) -> Connection | None:
    """Return what a descriptor is; None unless it is a connection to a port."""
    opened = _socket(descriptor)
    if opened is None:
        return None
    with opened:
        peer = _peer(opened, port)
        return None if peer is None else Connection(descriptor, peer, _idle_ms(opened))


def _shut_down(connection: Connection, port: int) -> bool:
    """Let gRPC see the end of a connection; it may have closed it and be using its number anew."""
    try:
        opened = _socket(connection.descriptor)
    except OSError:
        return False
    if opened is None:
        return False
    with opened:
        if _peer(opened, port) != connection.peer:
            return False
        with suppress(OSError):
            opened.shutdown(socket.SHUT_RDWR)
        return True


def _socket(descriptor: int) -> socket.socket | None:
    """Return a socket by a descriptor of its own, which may be closed; None for other files.

    Raises OSError where no descriptor is left.
    """
    try:
        own = os.dup(descriptor)
    except OSError as error:
        if error.errno == errno.EBADF:
            return None
        raise
    try:
        return socket.socket(fileno=own)
    except OSError:
        os.close(own)
        return None


def _peer(opened: socket.socket, port: int) -> str | None:
    """Return the other end of a connection to a port as gRPC writes it, else None."""
    try:
        if opened.family not in (socket.AF_INET, socket.AF_INET6):
            return None
        if opened.getsockname()[1] != port:
            return None
        host, peer_port = opened.getpeername()[:2]
    except OSError:  # It only listens, or its other end is gone.
        return None
    host = host.removeprefix("::ffff:")
    if ":" not in host:
        return f"ipv4:{host}:{peer_port}"
    return f"ipv6:%5B{host.replace('%', '%25')}%5D:{peer_port}"


def _idle_ms(opened: socket.socket) -> int:
    """Return how long ago the other end sent something; 0 on systems that do not tell."""
    if not hasattr(socket, "TCP_INFO"):
        return 0
    told = opened.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, LAST_RECEIVED.size)
    return int(LAST_RECEIVED.unpack(told)[0])
