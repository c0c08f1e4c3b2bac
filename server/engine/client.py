"""The front's client of the engine: it sends calls, and takes answers and notifications."""

import asyncio
import itertools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol, cast

from server.application.callers import Caller
from server.application.market_feed import QuoteBoard
from server.application.market_record import HeardMinutes
from server.application.staging import Stage
from server.domain.errors import Reason, Refusal
from server.domain.sharding import ANY_SHARD
from server.domain.values import Micros
from server.engine.frames import (
    NOBODY,
    Answer,
    Call,
    FrameBuffer,
    Kind,
    decode_changes,
    decode_confirmed,
    decode_delays,
    decode_moved,
    decode_quotes,
    decode_refusal,
    pack_call,
    unpack_answer,
)
from server.engine.receipts import Receipt

RETRY_SECONDS = 1.0
LOADING_SILENCE_SECONDS_MAX = 120.0
"""An engine that loads sends signs of life more often than this."""

SWEEP_SECONDS = 0.5

AWAY = Refusal(
    reason=Reason.UNAVAILABLE,
    message="The engine is restarting; nothing was done, try again.",
    retry_after_seconds=RETRY_SECONDS,
    is_not_executed=True,
)
OUTCOME_UNKNOWN = Refusal(
    reason=Reason.UNAVAILABLE,
    message="The engine did not answer: the outcome is unknown."
    " Look an order up by its client_order_id, or repeat the call with the same id.",
    retry_after_seconds=RETRY_SECONDS,
)


WAIT_ENDED = Refusal(
    reason=Reason.UNAVAILABLE,
    message="The server is restarting or stopping; repeat the call with the same `from`.",
    retry_after_seconds=RETRY_SECONDS,
)


class EngineRefused(Exception):
    """The engine refused a call, was away, or did not answer."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.reason.value)
        self.refusal = refusal


@dataclass(slots=True, eq=False)
class Asked:
    """A call that waits for its answer.

    `since` is when it was last sent, and `until` when it is no longer repeated. `on_moved` is
    called with the shard that it belongs to, perhaps ANY_SHARD, if the engine did not execute it.
    `receipt` says what it spends.
    """

    name: str
    caller: Caller
    body: bytes
    shard: int
    future: "asyncio.Future[bytes]"
    on_moved: "Callable[[Asked, int], None]"
    receipt: Receipt | None = None
    since: float = 0.0
    until: float = 0.0

    def numbered(self, call_id: int) -> Call:
        """Return the call as the engine gets it."""
        if self.receipt is None:
            return Call(call_id, self.name, self.caller, self.body, self.shard)
        spends, quota = self.receipt.spends, self.receipt.quota
        return Call(call_id, self.name, self.caller, self.body, self.shard, spends, quota)

    def refuse(self, refusal: Refusal) -> None:
        """End the call with a refusal, unless its caller went away."""
        if not self.future.done():
            self.future.set_exception(EngineRefused(refusal))

    def charge(self, answer: Answer) -> None:
        """Take what the engine tells about what the call spends."""
        if self.receipt is not None:
            self.receipt.take(answer.body)

    def settle(self, answer: Answer) -> None:
        """End the call with the engine's answer, unless its caller went away."""
        if self.future.done():
            return
        if answer.kind is Kind.RESPONSE:
            self.future.set_result(answer.body)
        elif answer.kind is Kind.MOVED:
            self.on_moved(self, decode_moved(answer.body))
        else:
            self.refuse(decode_refusal(answer.body))


def refuse_moved(asked: Asked, _: int) -> None:
    """Refuse a call that was not executed, where no other engine can take it."""
    asked.refuse(AWAY)


class Engine(Protocol):
    """What the front asks of an engine."""

    def call(
        self,
        name: str,
        caller: Caller,
        body: bytes,
        shard: int | None = None,
        receipt: Receipt | None = None,
    ) -> "asyncio.Future[bytes]":
        """Let the engine decide and store a call; the future may raise EngineRefused.

        The call goes to whoever owns the shard: without one, that of the caller's user, or any.
        It spends what `receipt` says, which is filled in before the future ends.
        """


class Notifications:
    """Passes on the engine's notifications, such as quotes, ended keys and grown logs."""

    def __init__(
        self,
        board: QuoteBoard,
        heard: HeardMinutes,
        *,
        notify_quotes: Callable[[Iterable[str]], None],
        notify_logs: Callable[[Iterable[str]], None],
        end_key: Callable[[str], None],
        forget_user: Callable[[str], None],
        set_time: Callable[[Micros], None],
    ) -> None:
        self._board = board
        self._heard = heard
        self._notify_quotes = notify_quotes
        self._notify_logs = notify_logs
        self._end_key = end_key
        self._forget_user = forget_user
        self._set_time = set_time
        self.tell_stopped: Callable[[bool], object] = lambda _: None
        """Called with whether the market has stopped, and with False when an engine starts."""

        self.tell_delays: Callable[[Mapping[str, int]], object] = lambda _: None
        """Called with how many margin calls wait for a fresh quote of each symbol."""

    def take(self, answer: Answer) -> None:
        """Pass a notification on."""
        match answer.kind:
            case Kind.QUOTES_CHANGED:
                changes = decode_changes(answer.body)
                with Stage() as stage:
                    for quote in changes.quotes:
                        self._board.put(quote, stage)
                    stage.publish()
                self._heard.hear(changes.quotes, changes.minutes)
                self._notify_quotes(quote.symbol for quote in changes.quotes)
            case Kind.QUOTES_CONFIRMED:
                now, symbols = decode_confirmed(answer.body)
                with Stage() as stage:
                    fresh_again = self._board.confirm(symbols, now, stage)
                    stage.publish()
                self._notify_quotes(fresh_again)
            case Kind.QUOTES_LOADED:
                with Stage() as stage:
                    self._board.load(decode_quotes(answer.body), stage)
                    stage.publish()
                self._heard.forget()
                self.tell_stopped(False)
                self.tell_delays({})
            case Kind.KEY_ENDED:
                self._end_key(answer.body.decode())
            case Kind.USER_CHANGED:
                self._forget_user(answer.body.decode())
            case Kind.LOGS_GROWN:
                self._notify_logs(answer.body.decode().split())
            case Kind.TIME_PASSED:
                self._set_time(int.from_bytes(answer.body))
            case Kind.MARKET_STOPPED:
                self.tell_stopped(answer.body != b"\0")
            case Kind.CALLS_DELAYED:
                self.tell_delays(decode_delays(answer.body))


class SocketEngine(asyncio.Protocol):
    """An engine in another process, at the other end of a socket.

    Until the engine has loaded the database, calls are refused with AWAY, however long that takes.
    All calls of one turn of the event loop are sent in one write. When the connection ends, calls
    in flight end with an unknown outcome, and `on_lost` is called.
    """

    def __init__(
        self,
        notifications: Notifications,
        on_ready: Callable[[], None],
        on_lost: Callable[[], None],
        on_hang: Callable[[], None],
        *,
        answer_seconds_max: float,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._notifications = notifications
        self._on_ready = on_ready
        self._on_lost = on_lost
        self._on_hang = on_hang
        self._answer_seconds_max = answer_seconds_max
        self._transport: asyncio.WriteTransport | None = None
        self._is_ready = self._is_left = False
        self._buffer = FrameBuffer()
        # In the order of the calls: the first one has waited longest.
        self._waiting: dict[int, Asked] = {}
        # Calls that wait for a time of the replay: the engine owes them no answer yet.
        self._later: dict[int, Asked] = {}
        self._ends_waits = False
        self._connected = self._heard = 0.0
        self._ids = itertools.count(NOBODY + 1)
        self._outgoing: list[bytes] = []

    def call(
        self,
        name: str,
        caller: Caller,
        body: bytes,
        shard: int | None = None,
        receipt: Receipt | None = None,
    ) -> "asyncio.Future[bytes]":
        if not self.is_ready:
            return refused(AWAY)
        named = ANY_SHARD if shard is None else shard
        asked = Asked(name, caller, body, named, self._loop.create_future(), refuse_moved, receipt)
        self.send(asked)
        return asked.future

    @property
    def is_ready(self) -> bool:
        """Tell whether the engine has loaded the database and is connected."""
        return self._is_ready and self._transport is not None

    def send(self, asked: Asked) -> None:
        """Send a call to an engine that is ready."""
        call_id = next(self._ids)
        asked.since = self._loop.time()
        self._waiting[call_id] = asked
        if not self._outgoing:
            self._loop.call_soon(self._send)
        self._outgoing.append(pack_call(asked.numbered(call_id)))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.WriteTransport", transport)
        self._connected = self._loop.time()
        self._loop.call_later(SWEEP_SECONDS, self._sweep)

    def data_received(self, data: bytes) -> None:
        for frame in self._buffer.feed(data):
            answer = unpack_answer(frame)
            if answer.kind is Kind.WAITING:
                self._later[answer.call_id] = self._waiting.pop(answer.call_id)
                if self._ends_waits:
                    self.end_waits()
            elif answer.kind is Kind.SPENT:
                self._waiting[answer.call_id].charge(answer)
            elif answer.call_id in self._waiting:
                self._waiting.pop(answer.call_id).settle(answer)
            elif answer.call_id != NOBODY:
                self._answer_later(answer)
            elif answer.kind is Kind.READY:
                self._is_ready = True
                self._on_ready()
            elif answer.kind is Kind.LEAVING:
                self._is_ready, self._is_left = False, True
            elif answer.kind is Kind.SIGN_OF_LIFE:
                self._heard = self._loop.time()
            else:
                self._notifications.take(answer)
        if self._is_left and not self._waiting:
            self.close()

    def _answer_later(self, answer: Answer) -> None:
        asked = self._later.pop(answer.call_id, None)
        if asked is not None:  # None: the wait was ended.
            asked.settle(answer)

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None
        self._outgoing.clear()
        waiting, self._waiting = self._waiting, {}
        for asked in waiting.values():
            asked.refuse(OUTCOME_UNKNOWN)
        self.end_waits()
        self._on_lost()

    def end_waits(self) -> None:
        """Refuse the calls that wait for a time of the replay, those that come later too."""
        self._ends_waits = True
        later, self._later = self._later, {}
        for asked in later.values():
            asked.refuse(WAIT_ENDED)

    def close(self) -> None:
        """Close the connection: the engine finishes the calls that it took, and exits."""
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """End the connection at once: the outcome of calls in flight is unknown."""
        if self._transport is not None:
            self._transport.abort()

    def _sweep(self) -> None:
        """Call `on_hang` when the engine is silent for too long while it loads or owes an answer.

        Each sign of life ends the silence before it.
        """
        if self._transport is None:
            return
        now = self._loop.time()
        if self._is_ready:
            oldest = next(iter(self._waiting.values()), None)
            owed_since = now if oldest is None else oldest.since
            silent, silent_max = now - max(owed_since, self._heard), self._answer_seconds_max
        else:
            silent, silent_max = (
                now - max(self._connected, self._heard),
                LOADING_SILENCE_SECONDS_MAX,
            )
        if silent > silent_max:
            self._on_hang()
        else:
            self._loop.call_later(SWEEP_SECONDS, self._sweep)

    def _send(self) -> None:
        if self._transport is not None and self._outgoing:
            self._transport.write(b"".join(self._outgoing))
        self._outgoing.clear()


def refused(refusal: Refusal) -> "asyncio.Future[bytes]":
    """Return a future that raises EngineRefused, for a call that was never sent."""
    future: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
    future.set_exception(EngineRefused(refusal))
    return future
