"""One open stream: its call sends on it, and other parts of the server may end it."""

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Sequence

from grpc.aio import InternalError, ServicerContext

from server.application.order_updates import LogEntry
from server.domain.errors import Refusal
from server.domain.values import Micros

Headers = Sequence[tuple[str, str]]


class StreamEnded(Exception):
    """The server ended the stream; `why` is the refusal that the reader gets."""

    def __init__(self, why: Refusal, last_sequence: int | None) -> None:
        super().__init__(why.reason.value)
        self.why = why
        self.last_sequence = last_sequence


class OpenStream:
    """Sends messages; tracks whether one waits for its reader, and what was sent last.

    Sending runs in its own task (`run`). If all interceptors awaited the sender, each
    message would resume all of them.
    """

    __slots__ = (
        "_context",
        "_headers",
        "_looks",
        "_seen",
        "_sent",
        "_task",
        "account_id",
        "bot_key_id",
        "ending",
        "ends_at",
        "is_sending",
        "last_sequence",
    )

    def __init__(
        self,
        context: ServicerContext[bytes, bytes],
        *,
        account_id: str,
        bot_key_id: str | None,
        headers: Callable[[], Headers],
        ends_at: Micros | None = None,
    ) -> None:
        self._context = context
        self._headers = headers
        self._task: asyncio.Task[None] | None = None
        self.account_id = account_id
        self.bot_key_id = bot_key_id
        self.ends_at = ends_at
        self.is_sending = False
        self._sent = self._seen = self._looks = 0
        self.last_sequence: int | None = None
        self.ending: Refusal | None = None

    async def run(self, sending: Coroutine[None, None, None]) -> None:
        """Send the initial metadata, then run the sender until the stream ends.

        Raises StreamEnded if the server ends the stream.
        """
        try:
            await self._context.send_initial_metadata(tuple(self._headers()))
        except BaseException as error:
            sending.close()  # The caller left before anything was sent.
            if isinstance(error, InternalError):
                raise asyncio.CancelledError from None
            raise
        self._task = asyncio.get_running_loop().create_task(sending)
        if self.ending is not None:
            self._task.cancel()
        try:
            await self._task
        except asyncio.CancelledError:
            if self.ending is None:
                raise
            raise StreamEnded(self.ending, self.last_sequence) from None
        except InternalError:
            # gRPC raises this if the caller leaves while a message is on its way.
            raise asyncio.CancelledError from None

    async def send(self, message: bytes, sequence: int | None = None) -> None:
        """Send a message; waits while the reader is slow.

        The reader can resume after `sequence` once it has the message. A message that is on its way
        when the stream is ended arrives before the end does.
        """
        if sequence is not None:
            self.last_sequence = sequence
        self.is_sending = True
        await self._context.write(message)
        self.is_sending = False
        self._sent += 1

    async def send_entries(self, entries: Iterable[LogEntry]) -> None:
        """Send entries of a log like `send`, one after another."""
        write = self._context.write
        for entry in entries:
            self.last_sequence = entry.sequence
            self.is_sending = True
            await write(entry.message)
            self._sent += 1
        self.is_sending = False

    def look(self) -> int:
        """Return how many checks in a row have found the reader taking nothing."""
        stands = self.is_sending and self._seen == self._sent
        self._looks = self._looks + 1 if stands else 0
        self._seen = self._sent
        return self._looks

    def end(self, why: Refusal) -> None:
        """End the stream; only the first reason counts."""
        if self.ending is None:
            self.ending = why
            if self._task is not None:
                self._task.cancel()
