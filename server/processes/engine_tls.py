"""TLS between machines: fronts reach engines by certificates of the venue's own authority.

A call names its caller, so whoever may connect to an engine can act for everybody. A replica proves
by its certificate that it is one, whether it connects or is connected to.
"""

import asyncio
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import cast

from server.addresses import TCP, split_address
from server.config import Settings, SettingsError
from server.engine.client import SocketEngine
from server.engine.peers import Open, open_unix
from server.engine.unix_sockets import connected
from server.processes.listening import cannot_listen

HANDSHAKE_SECONDS_MAX = 5.0
CLOSE_SECONDS_MAX = 1.0
KEEPALIVE = {
    socket.TCP_KEEPIDLE: 2,
    socket.TCP_KEEPINTVL: 1,
    socket.TCP_KEEPCNT: 3,
    socket.TCP_USER_TIMEOUT: 5_000,
}
"""Both ends notice within seconds that the other one is unplugged."""


def tls_of_engine(settings: Settings) -> ssl.SSLContext:
    """Return the terms under which other replicas may connect to this one.

    Raise SettingsError if a file of the settings cannot be used.
    """
    return _context(settings, ssl.PROTOCOL_TLS_SERVER)


def tls_to_engines(settings: Settings) -> ssl.SSLContext:
    """Return the terms under which this replica connects to others, whose hosts are checked.

    Raise SettingsError if a file of the settings cannot be used.
    """
    return _context(settings, ssl.PROTOCOL_TLS_CLIENT)


def _context(settings: Settings, side: int) -> ssl.SSLContext:
    context = ssl.SSLContext(side)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.verify_mode = ssl.CERT_REQUIRED
    certificate, key, authority = (str(path) for path in settings.engine_files)
    try:
        context.load_cert_chain(certificate, key)
    except OSError as error:
        told = f"engine_certificate, engine_key: {certificate}, {key}"
        raise SettingsError(f"{told}: {error.strerror}") from None
    try:
        context.load_verify_locations(authority)
    except OSError as error:
        raise SettingsError(f"engine_ca: {authority}: {error.strerror}") from None
    return context


def opener(settings: Settings) -> Open:
    """Return how this replica connects to the engines of others.

    Raise SettingsError if a file of the settings cannot be used.
    """
    if not settings.engine_address:
        return open_unix
    tls = tls_to_engines(settings)

    async def open_tls(address: str, client: Callable[[], SocketEngine]) -> None:
        host, port = split_address(address.removeprefix(TCP))
        transport, _ = await asyncio.get_running_loop().create_connection(
            client,
            host.strip("[]"),
            port,
            ssl=tls,
            ssl_handshake_timeout=HANDSHAKE_SECONDS_MAX,
        )
        keep_alive(transport.get_extra_info("socket"))

    return open_tls


def engine_gate(settings: Settings) -> "EngineGate | None":
    """Return the gate of this replica's engine; None if it has no address for other machines.

    Raise SettingsError if a file of the settings cannot be used.
    """
    if not settings.engine_address or settings.engine_socket is None:
        return None
    return EngineGate(settings.engine_socket, settings.engine_address, tls_of_engine(settings))


def keep_alive(connection: socket.socket) -> None:
    """Let a connection end when its other end is unplugged."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in KEEPALIVE.items():
        connection.setsockopt(socket.IPPROTO_TCP, option, value)


class EngineGate:
    """Passes bytes between the fronts of other machines and the socket of this replica's engine."""

    def __init__(self, engine: Path, address: str, tls: ssl.SSLContext) -> None:
        self._engine = engine
        self._address = address
        self._tls = tls
        self._server: asyncio.Server | None = None
        self._passing: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """Listen; raise SettingsError if the address cannot be bound."""
        host, port = split_address(self._address)
        try:
            self._server = await asyncio.get_running_loop().create_server(
                lambda: _End(self._begin),
                host.strip("[]"),
                port,
                ssl=self._tls,
                ssl_handshake_timeout=HANDSHAKE_SECONDS_MAX,
            )
        except OSError as error:
            raise cannot_listen("engine_address", self._address, error.errno) from None

    async def close(self) -> None:
        """Take no more connections; give those that are open a second to end, as the engine has."""
        if self._server is not None:
            self._server.close()
        if self._passing:
            _, late = await asyncio.wait(self._passing, timeout=CLOSE_SECONDS_MAX)
            for task in late:
                task.cancel()

    def _begin(self, outer: "_End") -> None:
        task = asyncio.get_running_loop().create_task(self._pass_on(outer))
        self._passing.add(task)
        task.add_done_callback(self._passing.discard)

    async def _pass_on(self, outer: "_End") -> None:
        """Pass bytes on in both directions until one of them ends."""
        keep_alive(outer.transport.get_extra_info("socket"))
        inner, ends = _End(), [outer]
        try:
            # The engine may be starting again. Whoever connected tries again, too.
            with suppress(OSError):
                await asyncio.get_running_loop().create_connection(
                    lambda: inner, sock=connected(self._engine)
                )
                ends.append(inner)
                outer.pass_to(inner)
                inner.pass_to(outer)
                lost = [end.lost for end in ends]
                await asyncio.wait(lost, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for end in ends:
                end.transport.close()
            await asyncio.wait([end.lost for end in ends], timeout=CLOSE_SECONDS_MAX)


class _End(asyncio.Protocol):
    """One end of what is passed on: gives what it receives to the other end at once.

    It receives no faster than the other end takes it, and nothing until it is told to pass it on.
    Streams would wake a task for each small frame.
    """

    transport: asyncio.Transport

    def __init__(self, on_made: Callable[["_End"], None] | None = None) -> None:
        self.lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._on_made = on_made
        self._other: asyncio.Transport | None = None
        self._early = bytearray()

    def pass_to(self, other: "_End") -> None:
        """Pass on what was received and what will be."""
        self._other = other.transport
        other.transport.write(bytes(self._early))
        self._early.clear()
        if not self.transport.is_closing():
            self.transport.resume_reading()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.transport.pause_reading()
        if self._on_made is not None:
            self._on_made(self)

    def data_received(self, data: bytes) -> None:
        if self._other is None:
            self._early += data
        else:
            self._other.write(data)

    def pause_writing(self) -> None:
        if self._other is not None and not self._other.is_closing():
            self._other.pause_reading()

    def resume_writing(self) -> None:
        if self._other is not None and not self._other.is_closing():
            self._other.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self.lost.set_result(None)
