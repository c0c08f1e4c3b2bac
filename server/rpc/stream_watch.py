"""The watch over open streams: a check that runs every half second."""

import asyncio
import logging

from server.application.order_updates import OrderUpdates
from server.application.ports import Clock, Reads
from server.rpc.interceptors.streams import OpenStreams
from server.rpc.reading import Reading

TICK_SECONDS = 0.5
TICKS_BETWEEN_RINGS = 10

log = logging.getLogger(__name__)


class StreamWatch:
    """Ends blocked and expired streams, and makes up for notifications that were lost."""

    def __init__(
        self,
        streams: OpenStreams,
        updates: OrderUpdates,
        reads: Reads,
        reading: Reading,
        clock: Clock,
    ) -> None:
        self._streams = streams
        self._updates = updates
        self._reads = reads
        self._read = reading
        self._clock = clock
        self._ticks = 0
        self._doubts_keys = False

    def doubt(self) -> None:
        """Note that notifications of revoked keys and of new log entries may be lost."""
        self._doubts_keys = True
        self._updates.notify_all()

    async def run(self) -> None:
        """Check regularly until cancelled."""
        while True:
            await asyncio.sleep(TICK_SECONDS)
            await self.tick()

    async def tick(self) -> None:
        """Check once."""
        self._streams.end_blocked()
        self._streams.end_expired(self._clock())
        self._ticks += 1
        if self._ticks % TICKS_BETWEEN_RINGS == 0:
            self._updates.notify_all()
        if self._doubts_keys:
            await self._end_revoked()

    async def _end_revoked(self) -> None:
        self._doubts_keys = False
        try:
            revoked = await self._read(self._reads.revoked_keys, list(self._streams.keys()))
        except Exception:
            log.exception("Keys of streams cannot be looked up; trying again.")
            self._doubts_keys = True
            return
        for bot_key_id in revoked:
            self._streams.end_key(bot_key_id)
