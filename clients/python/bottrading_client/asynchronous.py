"""Clients for asyncio, with the same methods as the blocking clients in `synchronous`."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import suppress
from copy import copy
from types import TracebackType
from typing import Any, ClassVar, Generic, ParamSpec, Self, TypeVar, cast, overload

import grpc

from bottrading_client import calls, following, key_calls, position_calls, replay_calls
from bottrading_client.attempts import Attempts
from bottrading_client.call import Call, Page, Services
from bottrading_client.connecting import (
    BOT_KEY,
    CHANNEL_OPTIONS,
    TIMEOUT_SECONDS_DEFAULT,
    TOKEN,
    Credential,
    credentials_of,
    metadata_of,
    target_of,
)
from bottrading_client.enums import BarInterval
from bottrading_client.following import Following, FollowingOrderUpdates, Reopening, Update
from bottrading_client.market_models import Bar, Quote
from bottrading_client.method import Method
from bottrading_client.order_ids import OrderIds
from bottrading_client.replaying import (
    WAIT_SECONDS_MAX,
    ClientClosed,
    Plan,
    Replaying,
    ReplayStep,
    Symbols,
    replaying,
)

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")
Item = TypeVar("Item")


class _AsyncClient:
    """A connection to a server, with one credential; made and used within one event loop."""

    _credential: ClassVar[Credential]

    def __init__(
        self,
        credential: str | None = None,
        target: str | None = None,
        *,
        token: str | None = None,
        account_id: str | None = None,
        root_certificates: bytes | None = None,
        insecure: bool = False,
        timeout: float = TIMEOUT_SECONDS_DEFAULT,
        channel: grpc.aio.Channel | None = None,
    ) -> None:
        target = target_of(target)
        tls = credentials_of(target, root_certificates, insecure=insecure)
        if channel is None:
            channel = (
                grpc.aio.insecure_channel(target, CHANNEL_OPTIONS)
                if tls is None
                else grpc.aio.secure_channel(target, tls, CHANNEL_OPTIONS)
            )
        self._metadata = metadata_of(self._credential, credential, token, account_id)
        self._timeout = timeout
        self._channel = channel
        self._services = Services(channel)
        self._order_ids = OrderIds()
        self._closing = asyncio.Event()

    def with_timeout(self, seconds: float) -> Self:
        """Return the same client with another deadline for its calls; both share a connection."""
        client = copy(self)
        client._timeout = seconds
        return client

    async def close(self) -> None:
        """Close the connection; streams end."""
        self._closing.set()
        await self._channel.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def _send(self, call: Call[Result]) -> Result:
        call = self._order_ids.completed(call)
        attempts = Attempts(call, self._timeout)
        method = call.method(self._services)
        while True:
            try:
                answer = await method(
                    call.request, timeout=attempts.seconds_left, metadata=self._metadata
                )
                return call.read(answer)
            except grpc.RpcError as failed:
                pause = attempts.pause_after(failed)
            await asyncio.sleep(pause)

    async def _iterate(self, call: Call[Page[Item]]) -> AsyncIterator[Item]:
        page_call: Call[Page[Item]] | None = call
        while page_call is not None:
            page = await self._send(page_call)
            for item in page.items:
                yield item
            page_call = page.following

    async def _replay(self, replaying: Replaying[Item]) -> AsyncIterator[Item]:
        patience = Reopening(self._timeout, "No answer")
        while not (replaying.has_ended or self._closing.is_set()):
            try:
                items = await self._carried_out(replaying.step(), patience)
            except ClientClosed:
                return
            self._order_ids.reach(replaying.time)
            for item in items:
                yield item

    async def _carried_out(self, plan: Plan[Result], patience: Reopening) -> Result:
        results: Any = None
        while True:
            try:
                asked = plan.send(results)
            except StopIteration as end:
                return cast("Result", end.value)
            results = await asyncio.gather(*(self._insist(call, patience) for call in asked))

    async def _insist(self, call: Call[Result], patience: Reopening) -> Result:
        """Make a call again and again, until it is answered or refused."""
        method = call.method(self._services)
        while True:
            try:
                answer = await method(
                    call.request, timeout=WAIT_SECONDS_MAX, metadata=self._metadata
                )
                patience.received()
                return call.read(answer)
            except grpc.RpcError as failed:
                pause = patience.pause_after(failed)
            except asyncio.CancelledError as failed:
                task = asyncio.current_task()
                if self._closing.is_set() and task is not None and not task.cancelling():
                    raise ClientClosed from failed
                raise
            await asyncio.sleep(pause)

    def _open(self, stream: Following[Any]) -> Any:
        return stream.method(self._services)(stream.request(), metadata=self._metadata)


class AsyncStream(Generic[Item]):
    """An iterator over the items of a stream, which opens the stream again whenever it breaks.

    For use by one task; another task may `close` it. Waiting for an item may be cancelled, for
    instance by a timeout. The next wait then returns that item.
    """

    def __init__(self, client: _AsyncClient, following: Following[Item]) -> None:
        self._client = client
        self._following = following
        self._reopening = Reopening(client._timeout)
        self._call: Any = None
        self._closing = asyncio.Event()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Item:
        while not self._is_closing():
            item = await self._receive()
            if item is not None:
                return item
        raise StopAsyncIteration

    async def close(self) -> None:
        """End the iteration."""
        self._closing.set()
        if self._call is not None:
            self._call.cancel()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def _receive(self) -> Item | None:
        """Return the item of the next message, if it has one; open the stream if it is closed."""
        broke: grpc.RpcError | None = None
        try:
            if self._call is None:
                self._call = self._client._open(self._following)
            message = await self._call.read()
            if message is not grpc.aio.EOF:
                self._reopening.received()
                return self._following.take(message)
        except grpc.RpcError as failed:
            broke = failed
        except asyncio.CancelledError:
            # The wait was cancelled, or `close` ended the call. A call that is still being opened
            # stays open unless it is cancelled here.
            if self._call is not None:
                self._call.cancel()
            self._call = None
            task = asyncio.current_task()
            if not self._is_closing() or (task is not None and task.cancelling()):
                raise
        self._call = None
        if not self._is_closing():
            await self._pause(broke)
        return None

    async def _pause(self, broke: grpc.RpcError | None) -> None:
        try:
            seconds = self._reopening.pause_after(broke)
        except Exception:
            self._closing.set()
            raise
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._closing.wait()

    def _is_closing(self) -> bool:
        return self._closing.is_set() or self._client._closing.is_set()


class AsyncOrderUpdates(AsyncStream[Update]):
    """A stream of order updates; `async with` waits until it is open, so nothing is missed."""

    _following: FollowingOrderUpdates

    @property
    def last_sequence(self) -> int | None:
        """Return the sequence to resume after; None before the stream opens, unless given."""
        return self._following.last_sequence

    async def __aenter__(self) -> Self:
        while self.last_sequence is None:
            await self._receive()
        return self


class AsyncQuoteUpdates(AsyncStream[Quote]):
    """A stream of quotes."""


def _sends(
    describe: Callable[Parameters, Call[Result]],
) -> Method[Parameters, Coroutine[Any, Any, Result]]:
    def perform(client: _AsyncClient, call: Call[Result]) -> Coroutine[Any, Any, Result]:
        return client._send(call)

    return Method(describe, perform)


def _lists(
    describe: Callable[Parameters, Call[Page[Item]]],
) -> Method[Parameters, AsyncIterator[Item]]:
    def perform(client: _AsyncClient, call: Call[Page[Item]]) -> AsyncIterator[Item]:
        return client._iterate(call)

    return Method(describe, perform)


class AsyncBotTradingClient(_AsyncClient):
    """Trades on the account of a bot key, in asyncio; takes the arguments of BotTradingClient.

    It belongs to the event loop in which it is created.
    """

    _credential = BOT_KEY

    account = _sends(calls.account)
    place_order = _sends(calls.place_order)
    preview_order = _sends(calls.preview_order)
    replace_order = _sends(calls.replace_order)
    cancel_order = _sends(calls.cancel_order)
    cancel_all_orders = _sends(calls.cancel_all_orders)
    positions = _sends(position_calls.positions)
    position = _sends(position_calls.position)
    close_position = _sends(position_calls.close_position)
    close_all_positions = _sends(position_calls.close_all_positions)
    order = _sends(calls.order)
    order_by_client_id = _sends(calls.order_by_client_id)
    orders = _lists(calls.orders)
    fills = _lists(calls.fills)
    portfolio = _sends(calls.portfolio)
    portfolio_history = _sends(calls.portfolio_history)
    kpi = _sends(calls.kpi)
    leaderboard = _sends(calls.leaderboard)
    limits = _sends(calls.limits)
    create_stream_ticket = _sends(calls.create_stream_ticket)
    instruments = _sends(calls.instruments)
    quote = _sends(calls.quote)
    quotes = _sends(calls.quotes)
    bars = _sends(calls.bars)
    clock = _sends(calls.clock)
    advance_clock = _sends(replay_calls.advance_clock)
    order_updates = Method(following.order_updates, AsyncOrderUpdates)
    quote_updates = Method(following.quote_updates, AsyncQuoteUpdates)

    @overload
    def replay(
        self, interval: BarInterval | str, symbols: str | None = None
    ) -> AsyncIterator[Bar]: ...
    @overload
    def replay(
        self, interval: BarInterval | str, symbols: Symbols
    ) -> AsyncIterator[ReplayStep]: ...
    def replay(
        self, interval: BarInterval | str, symbols: str | Symbols | None = None
    ) -> AsyncIterator[Bar] | AsyncIterator[ReplayStep]:
        """Follow a lock-step replay, bar after bar; its clock stands while you handle one.

        `interval` is the length of a bar, such as "1d". With one symbol, or without any, the items
        are bars: those of the symbol, or of everything that the file plays. With a list of symbols
        an item is a `ReplayStep`, which holds the bars of all of them. The bars begin with the one
        that runs now, and end with the file.

        When you ask for the item after the last one of a step, the clock moves on to the end of
        the next bar, as soon as all other participants are done too. Whatever breaks, the call is
        repeated for as long as it takes, and the clock moves once. Orders that you place without a
        `client_order_id` get one made of the replay's time, the same in every run.
        """
        return self._replay(replaying(interval, symbols))


class AsyncKeyManagementClient(_AsyncClient):
    """Manages the bot keys and accounts of a person, in asyncio."""

    _credential = TOKEN

    sign_in = _sends(key_calls.sign_in)
    create_key = _sends(key_calls.create_key)
    keys = _sends(key_calls.keys)
    revoke_key = _sends(key_calls.revoke_key)
    open_account = _sends(key_calls.open_account)
    accounts = _sends(key_calls.accounts)
    reset_account = _sends(key_calls.reset_account)
    set_trading_state = _sends(key_calls.set_trading_state)
    set_margin_mode = _sends(key_calls.set_margin_mode)
    set_guard_rails = _sends(key_calls.set_guard_rails)
    deposit = _sends(key_calls.deposit)
