"""Heartbeats: when the next one of a stream is due."""

import asyncio
from types import TracebackType
from typing import Self


class Heartbeat:
    """Becomes due at every interval, and wakes the stream that waits for something to send."""

    def __init__(self, interval_seconds: float, woken: asyncio.Event) -> None:
        self.is_due = False
        self._interval_seconds = interval_seconds
        self._woken = woken
        self._timer: asyncio.TimerHandle | None = None

    def __enter__(self) -> Self:
        self.restart()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def restart(self) -> None:
        """Become due again after an interval."""
        self.is_due = False
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(self._interval_seconds, self._fall_due)

    def _fall_due(self) -> None:
        self.is_due = True
        self._woken.set()
