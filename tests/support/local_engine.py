"""An engine in the process of the front: every call is a batch."""

import asyncio
import itertools

from server.application.callers import Caller
from server.domain.sharding import ANY_SHARD, shard_of
from server.engine.client import Asked, Notifications, refuse_moved
from server.engine.frames import NOBODY, FrameBuffer, Kind, unpack_answer
from server.engine.receipts import Receipt
from server.engine.service import EngineService


class LocalEngine:
    """An engine in this process, with the calls of one that is connected."""

    def __init__(self, service: EngineService, notifications: Notifications) -> None:
        self._service = service
        self._notifications = notifications
        self._ids = itertools.count(NOBODY + 1)
        self._waiting: dict[int, Asked] = {}

    def call(
        self,
        name: str,
        caller: Caller,
        body: bytes,
        shard: int | None = None,
        receipt: Receipt | None = None,
    ) -> "asyncio.Future[bytes]":
        future: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        call_id = next(self._ids)
        named = shard_of(caller.user_id) if caller.user_id else ANY_SHARD
        named = named if shard is None else shard
        asked = Asked(name, caller, body, named, future, refuse_moved, receipt)
        self._waiting[call_id] = asked
        self._take(self._service.handle([asked.numbered(call_id)]))
        return future

    def pass_time(self) -> None:
        """Let the engine do what is due."""
        self._take(self._service.handle([], passing=True))

    def _take(self, frames: list[bytes]) -> None:
        for frame in FrameBuffer().feed(b"".join(frames)):
            answer = unpack_answer(frame)
            if answer.call_id == NOBODY:
                self._notifications.take(answer)
            elif answer.kind is Kind.SPENT:
                self._waiting[answer.call_id].charge(answer)
            elif answer.kind is not Kind.WAITING:
                self._waiting.pop(answer.call_id).settle(answer)
