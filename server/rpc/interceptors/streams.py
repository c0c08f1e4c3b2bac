"""Streams: their places, and every end that their callers did not request."""

from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from server.application.refusals import KEY_REFUSED
from server.domain.errors import Reason, Refusal
from server.domain.values import Micros
from server.engine.client import RETRY_SECONDS
from server.rpc.call import Call, Handler
from server.rpc.errors import Refused
from server.rpc.open_stream import Headers, OpenStream, StreamEnded
from server.wire.contract import Method

DRAINING = Refusal(
    reason=Reason.UNAVAILABLE,
    message="The server is stopping; open the stream again.",
    retry_after_seconds=RETRY_SECONDS,
)
TOKEN_EXPIRED = Refusal(
    reason=Reason.TOKEN_INVALID,
    message="The stream was ended because the token has expired: open it with a new one.",
)
TOO_SLOW = Refusal(
    reason=Reason.READER_TOO_SLOW,
    message="The stream was ended because its reader took nothing for too long.",
    retry_after_seconds=RETRY_SECONDS,
)

ENDED_KEYS_REMEMBERED_MAX = 10_000
"""A call that was on its way when its key was revoked ends long before so many others are."""


class OpenStreams:
    """The innermost interceptor: opening a stream costs a call, and an open one takes a place."""

    def __init__(
        self,
        *,
        per_account: int,
        in_all: int,
        looks_max: int,
        headers: Callable[[Call], Headers],
    ) -> None:
        self.per_account = per_account
        self._in_all = in_all
        self._looks_max = looks_max
        self._headers = headers
        self._streams: set[OpenStream] = set()
        self._ended_keys: OrderedDict[str, None] = OrderedDict()
        self._counts: Counter[str] = Counter()
        self._draining = False

    def wrap(self, method: Method, proceed: Handler) -> Handler:
        """Return a handler that gives a stream its place."""
        if not method.streams:
            return proceed

        async def handle(call: Call) -> bytes:
            caller = call.caller
            self._check_key(caller.bot_key_id)
            self._check_place(caller.account_id)
            call.stream = stream = OpenStream(
                call.context,
                account_id=caller.account_id,
                bot_key_id=caller.bot_key_id,
                ends_at=caller.ends_at,
                headers=lambda: self._headers(call),
            )
            self._streams.add(stream)
            self._counts[caller.account_id] += 1
            # The place is given back when the call ends, which unread messages can delay.
            done: Any = call.context.add_done_callback
            done(lambda _: self._give_back(caller.account_id))
            try:
                return await proceed(call)
            except StreamEnded as ended:
                raise _ended(ended.why, ended.last_sequence) from None
            finally:
                self._streams.discard(stream)

        return handle

    def __len__(self) -> int:
        """Return how many streams are open."""
        return len(self._streams)

    def __iter__(self) -> Iterator[OpenStream]:
        """Return the open streams."""
        return iter(self._streams)

    def count(self, account_id: str) -> int:
        """Return the number of an account's open streams."""
        return self._counts[account_id]

    def keys(self) -> set[str]:
        """Return the ids of the bot keys that have streams open."""
        return {stream.bot_key_id for stream in self._streams if stream.bot_key_id is not None}

    def end_key(self, bot_key_id: str) -> None:
        """End the streams of a revoked bot key, and open no more."""
        self._ended_keys[bot_key_id] = None
        if len(self._ended_keys) > ENDED_KEYS_REMEMBERED_MAX:
            self._ended_keys.popitem(last=False)
        for stream in self._streams:
            if stream.bot_key_id == bot_key_id:
                stream.end(KEY_REFUSED)

    def end_expired(self, now: Micros) -> None:
        """End the streams of persons whose tokens have expired."""
        for stream in self._streams:
            if stream.ends_at is not None and stream.ends_at <= now:
                stream.end(TOKEN_EXPIRED)

    def end_blocked(self) -> None:
        """Check all streams; end those whose readers took nothing in too many checks."""
        for stream in self._streams:
            if stream.look() > self._looks_max:
                stream.end(TOO_SLOW)

    def drain(self) -> None:
        """End all streams and open no more."""
        self._draining = True
        for stream in self._streams:
            stream.end(DRAINING)

    def _check_key(self, bot_key_id: str | None) -> None:
        # The key may have been revoked after the engine charged the call.
        if bot_key_id in self._ended_keys:
            raise Refused(KEY_REFUSED)

    def _check_place(self, account_id: str) -> None:
        if self._draining:
            raise Refused(DRAINING)
        if self._counts[account_id] >= self.per_account:
            raise _full(f"The account has {self.per_account} streams open; close one first.")
        if self._counts.total() >= self._in_all:
            raise _full(f"The server has {self._in_all} streams open; try again later.")

    def _give_back(self, account_id: str) -> None:
        self._counts[account_id] -= 1
        if not self._counts[account_id]:
            del self._counts[account_id]


def _full(message: str) -> Refused:
    return Refused(
        Refusal(
            reason=Reason.STREAM_LIMIT_EXCEEDED, message=message, retry_after_seconds=RETRY_SECONDS
        )
    )


def _ended(why: Refusal, last_sequence: int | None) -> Refused:
    if last_sequence is None or why is KEY_REFUSED:
        return Refused(why)
    message = f"{why.message} Resume after sequence {last_sequence}."
    return Refused(replace(why, message=message), last_sequence=last_sequence)
