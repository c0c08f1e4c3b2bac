"""One open stream, as its servicer sends on it and as others may end it."""

import asyncio
from collections.abc import Callable, Sequence

from grpc.aio import ServicerContext

from server.application.ports import Clock
from server.domain.errors import Refusal
from server.domain.values import Micros

Headers = Sequence[tuple[str, str]]


class OpenStream:
    """Sends messages; knows since when one waits for its reader, and what was sent last."""

    __slots__ = (
        "_context", "_headers", "_monotonic", "_task", "account_id", "blocked_since",
        "bot_key_id", "ending", "last_sequence",
    )  # fmt: skip

    def __init__(
        self, context: ServicerContext[bytes, bytes], *, account_id: str, bot_key_id: str | None,
        headers: Callable[[], Headers], monotonic: Clock,
    ) -> None:  # fmt: skip
        task = asyncio.current_task()
        assert task is not None, "a call is served by a task"
        self._task = task
        self._context = context
        self._headers = headers
        self._monotonic = monotonic
        self.account_id = account_id
        self.bot_key_id = bot_key_id
        self.blocked_since: Micros | None = None
        self.last_sequence: int | None = None
        self.ending: Refusal | None = None

    async def open(self) -> None:
        """Tell the reader that the stream is open, before there is anything to send."""
        await self._context.send_initial_metadata(tuple(self._headers()))

    async def send(self, message: bytes, sequence: int | None = None) -> None:
        """Send a message; waits while the reader is slow.

        `sequence` is what the reader can resume after once it has the message. One that is on
        its way when the stream is ended arrives before the end does.
        """
        if sequence is not None:
            self.last_sequence = sequence
        self.blocked_since = self._monotonic()
        await self._context.write(message)
        self.blocked_since = None

    def end(self, why: Refusal) -> None:
        """End the stream; it is told the first reason only."""
        if self.ending is None:
            self.ending = why
            self._task.cancel()

    def resume(self) -> None:
        """Let the task of an ended stream go on, to tell its reader why."""
        self._task.uncancel()
