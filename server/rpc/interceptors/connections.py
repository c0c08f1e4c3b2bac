"""Connections: who uses which, and which are closed when places for new ones run out."""

import asyncio
import socket
import struct
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass

from server.rpc.call import NOBODY, Call, Handler
from server.rpc.sockets import duplicates, open_descriptors
from server.wire.contract import Method

CROWDED = 0.9
"""Connections are closed when at least this share of places is in use."""

ROOMY = 0.8
"""Connections are then closed until this share of places is in use."""

LAST_RECEIVED = struct.Struct("52xI")
"""`tcpi_last_data_recv` within Linux' `struct tcp_info`, in milliseconds."""


@dataclass(frozen=True, slots=True)
class Connection:
    """A connection of this process; `peer` has the form that gRPC gives it."""

    descriptor: int
    peer: str
    idle_ms: int


class Connections:
    """Runs after authentication: a call with a credential makes its connection a known one.

    gRPC itself closes each new connection beyond the limit, so room must be made before that.
    `places` returns the limit; `lend` frees descriptors for the search.
    """

    def __init__(
        self, places: Callable[[], int], lend: Callable[[], AbstractContextManager[None]]
    ) -> None:
        self.places = places
        self._lend = lend
        self._known: set[str] = set()
        self._at_work: Counter[str] = Counter()

    def wrap(self, method: Method, proceed: Handler) -> Handler:
        """Return a handler that records the connection of a call."""

        async def handle(call: Call) -> bytes:
            peer = call.context.peer()
            if call.principal is not NOBODY:
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
        """Close connections to a port if nearly all places are in use; return how many.

        Strangers' connections are closed first, the longest idle first; one with a customer's call
        in flight stays.
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
        """Return the connections to a port; None if so few files are open that room is left.

        Also None if no descriptor is left for the search; the next search will have one.
        """
        try:
            with self._lend():
                opened = open_descriptors()
                if max(len(opened), len(self._known)) <= places * CROWDED:
                    return None
                return list(_connections(opened, port))
        except OSError:
            return None

    def _close(self, connections: list[Connection], port: int) -> int:
        with self._lend():
            return sum(_shut_down(one, port) for one in connections)


def _connections(descriptors: Iterable[int], port: int) -> Iterator[Connection]:
    """Yield the connections to a port among descriptors."""
    for descriptor, opened in duplicates(descriptors):
        peer = _peer(opened, port)
        if peer is not None:
            yield Connection(descriptor, peer, _idle_ms(opened))


def _shut_down(connection: Connection, port: int) -> bool:
    """Shut a connection down, unless gRPC closed it meanwhile and its number has another use."""
    with suppress(OSError):
        for _, opened in duplicates([connection.descriptor]):
            if _peer(opened, port) == connection.peer:
                with suppress(OSError):
                    opened.shutdown(socket.SHUT_RDWR)
                return True
    return False


def _peer(opened: socket.socket, port: int) -> str | None:
    """Return the peer of a connection to a port in the form of gRPC; None for other sockets."""
    try:
        if opened.family not in (socket.AF_INET, socket.AF_INET6):
            return None
        if opened.getsockname()[1] != port:
            return None
        host, peer_port = opened.getpeername()[:2]
    except OSError:  # The socket only listens, or its peer is gone.
        return None
    host = host.removeprefix("::ffff:")
    if ":" not in host:
        return f"ipv4:{host}:{peer_port}"
    return f"ipv6:%5B{host.replace('%', '%25')}%5D:{peer_port}"


def _idle_ms(opened: socket.socket) -> int:
    """Return how long ago the peer sent something; 0 on systems that do not say."""
    if not hasattr(socket, "TCP_INFO"):
        return 0
    told = opened.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, LAST_RECEIVED.size)
    return int(LAST_RECEIVED.unpack(told)[0])
