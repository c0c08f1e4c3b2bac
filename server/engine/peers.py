"""Peers: the engines of other replicas, as this front is connected to them."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeAlias

from server.domain.invariants import BrokenInvariant
from server.engine.client import Asked, Notifications, SocketEngine
from server.engine.unix_sockets import UNIX, connected

log = logging.getLogger(__name__)

RECONNECT_SECONDS = 0.25

CONNECT_SECONDS_MAX = 10.0
"""An attempt that takes longer begins anew: a network that comes back would answer it late."""

Open: TypeAlias = Callable[[str, Callable[[], SocketEngine]], Awaitable[object]]
"""Connects an engine's client to an address; raises OSError if that is not possible now."""


async def open_unix(address: str, client: Callable[[], SocketEngine]) -> None:
    """Connect to an engine on this machine."""
    path = Path(address.removeprefix(UNIX))
    await asyncio.get_running_loop().create_connection(client, sock=connected(path))


class Peer:
    """An engine of another replica; the connection is opened again whenever it ends.

    `on_change` is called when the connection is ready and when it is lost: notifications may have
    been lost before.
    """

    def __init__(
        self,
        address: str,
        connect: Open,
        notifications: Notifications,
        on_change: Callable[[], None],
        *,
        answer_seconds_max: float,
    ) -> None:
        self._address = address
        self._connect = connect
        self._notifications = notifications
        self._on_change = on_change
        self._answer_seconds_max = answer_seconds_max
        self._lost = asyncio.Event()
        self._client: SocketEngine | None = None
        self._task = asyncio.get_running_loop().create_task(self._keep(), name=f"peer {address}")

    @property
    def is_ready(self) -> bool:
        """Tell whether calls can be sent."""
        return self._client is not None and self._client.is_ready

    def send(self, asked: Asked) -> None:
        """Send a call to an engine that is ready."""
        if self._client is None:
            raise BrokenInvariant("only an engine that is ready is sent calls")
        self._client.send(asked)

    def abort(self) -> None:
        """End the connection for good; the outcome of calls in flight is unknown."""
        self._task.cancel()
        if self._client is not None:
            self._client.abort()

    async def _keep(self) -> None:
        while True:
            self._lost.clear()
            with suppress(OSError):
                async with asyncio.timeout(CONNECT_SECONDS_MAX):
                    await self._connect(self._address, self._made)
                await self._lost.wait()
            self._client = None
            await asyncio.sleep(RECONNECT_SECONDS)

    def _made(self) -> SocketEngine:
        self._client = SocketEngine(
            self._notifications,
            self._ready,
            self._disconnected,
            self._hangs,
            answer_seconds_max=self._answer_seconds_max,
        )
        return self._client

    def _ready(self) -> None:
        log.info("Connected to the engine at %s.", self._address)
        self._on_change()

    def _disconnected(self) -> None:
        log.warning("The connection to the engine at %s ended.", self._address)
        self._lost.set()
        self._on_change()

    def _hangs(self) -> None:
        log.error("The engine at %s does not answer; connecting to it again.", self._address)
        if self._client is not None:
            self._client.abort()
