"""Blocking clients, for scripts, notebooks and threads."""

import threading
import time
from collections.abc import Callable, Iterator
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


class _Client:
    """A connection to a server, with one credential; threads may share it."""

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
        channel: grpc.Channel | None = None,
    ) -> None:
        target = target_of(target)
        tls = credentials_of(target, root_certificates, insecure=insecure)
        if channel is None:
            channel = (
                grpc.insecure_channel(target, CHANNEL_OPTIONS)
                if tls is None
                else grpc.secure_channel(target, tls, CHANNEL_OPTIONS)
            )
        self._metadata = metadata_of(self._credential, credential, token, account_id)
        self._timeout = timeout
        self._channel = channel
        self._services = Services(channel)
        self._order_ids = OrderIds()
        self._closing = threading.Event()

    def with_timeout(self, seconds: float) -> Self:
        """Return the same client with another deadline for its calls; both share a connection."""
        client = copy(self)
        client._timeout = seconds
        return client

    def close(self) -> None:
        """Close the connection; streams end."""
        self._closing.set()
        self._channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _send(self, call: Call[Result]) -> Result:
        call = self._order_ids.completed(call)
        attempts = Attempts(call, self._timeout)
        method = call.method(self._services)
        while True:
            try:
                answer = method(
                    call.request, timeout=attempts.seconds_left, metadata=self._metadata
                )
                return call.read(answer)
            except grpc.RpcError as failed:
                pause = attempts.pause_after(failed)
            time.sleep(pause)

    def _iterate(self, call: Call[Page[Item]]) -> Iterator[Item]:
        page_call: Call[Page[Item]] | None = call
        while page_call is not None:
            page = self._send(page_call)
            yield from page.items
            page_call = page.following

    def _replay(self, replaying: Replaying[Item]) -> Iterator[Item]:
        patience = Reopening(self._timeout, "No answer")
        while not (replaying.has_ended or self._closing.is_set()):
            try:
                items = self._carried_out(replaying.step(), patience)
            except ClientClosed:
                return
            self._order_ids.reach(replaying.time)
            yield from items

    def _carried_out(self, plan: Plan[Result], patience: Reopening) -> Result:
        results: Any = None
        while True:
            try:
                asked = plan.send(results)
            except StopIteration as end:
                return cast("Result", end.value)
            results = [self._insist(call, patience) for call in asked]

    def _insist(self, call: Call[Result], patience: Reopening) -> Result:
        """Make a call again and again, until it is answered or refused."""
        method = call.method(self._services)
        while True:
            try:
                answer = method(call.request, timeout=WAIT_SECONDS_MAX, metadata=self._metadata)
                patience.received()
                return call.read(answer)
            except grpc.RpcError as failed:
                if self._closing.is_set():
                    raise ClientClosed from failed
                pause = patience.pause_after(failed)
            self._closing.wait(pause)

    def _open(self, stream: Following[Any]) -> Any:
        return stream.method(self._services)(stream.request(), metadata=self._metadata)


class Stream(Generic[Item]):
    """An iterator over the items of a stream, which opens the stream again whenever it breaks.

    For use by one thread; another thread may `close` it.
    """

    def __init__(self, client: _Client, following: Following[Item]) -> None:
        self._client = client
        self._following = following
        self._reopening = Reopening(client._timeout)
        self._call: Any = None
        self._closing = threading.Event()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Item:
        while not self._is_closing():
            item = self._receive()
            if item is not None:
                return item
        raise StopIteration

    def close(self) -> None:
        """End the iteration."""
        self._closing.set()
        if self._call is not None:
            self._call.cancel()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _receive(self) -> Item | None:
        """Return the item of the next message, if it has one; open the stream if it is closed."""
        try:
            if self._call is None:
                self._call = self._client._open(self._following)
                if self._is_closing():
                    self._call.cancel()
            for message in self._call:
                self._reopening.received()
                return self._following.take(message)
            broke = None
        except grpc.RpcError as failed:
            broke = failed
        self._call = None
        if not self._is_closing():
            self._pause(broke)
        return None

    def _pause(self, broke: grpc.RpcError | None) -> None:
        try:
            seconds = self._reopening.pause_after(broke)
        except Exception:
            self._closing.set()
            raise
        self._closing.wait(seconds)

    def _is_closing(self) -> bool:
        return self._closing.is_set() or self._client._closing.is_set()


class OrderUpdates(Stream[Update]):
    """A stream of order updates; `with` waits until it is open, so that nothing is missed."""

    _following: FollowingOrderUpdates

    @property
    def last_sequence(self) -> int | None:
        """Return the sequence to resume after; None before the stream opens, unless given."""
        return self._following.last_sequence

    def __enter__(self) -> Self:
        while self.last_sequence is None:
            self._receive()
        return self


class QuoteUpdates(Stream[Quote]):
    """A stream of quotes."""


def _sends(describe: Callable[Parameters, Call[Result]]) -> Method[Parameters, Result]:
    def perform(client: _Client, call: Call[Result]) -> Result:
        return client._send(call)

    return Method(describe, perform)


def _lists(describe: Callable[Parameters, Call[Page[Item]]]) -> Method[Parameters, Iterator[Item]]:
    def perform(client: _Client, call: Call[Page[Item]]) -> Iterator[Item]:
        return client._iterate(call)

    return Method(describe, perform)


class BotTradingClient(_Client):
    """Trades on the account of a bot key.

    `credential` is the key, by default BOTTRADING_BOT_KEY. With a person's `token` instead, the
    client reads, cancels and closes on the person's account `account_id`, and places no orders.
    Without an `account_id` it reads the first account and changes nothing. `target` is the server's
    "host:port", by default BOTTRADING_TARGET or 127.0.0.1:50051. Beyond this machine the client
    uses TLS, with `root_certificates` (PEM) or those of gRPC, unless `insecure`. `timeout` is the
    deadline of each call in seconds, for all of its attempts together. With a `channel` of your
    own, the client does not use `target`, `root_certificates` and `insecure`.
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
    order_updates = Method(following.order_updates, OrderUpdates)
    quote_updates = Method(following.quote_updates, QuoteUpdates)

    @overload
    def replay(self, interval: BarInterval | str, symbols: str | None = None) -> Iterator[Bar]: ...
    @overload
    def replay(self, interval: BarInterval | str, symbols: Symbols) -> Iterator[ReplayStep]: ...
    def replay(
        self, interval: BarInterval | str, symbols: str | Symbols | None = None
    ) -> Iterator[Bar] | Iterator[ReplayStep]:
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


class KeyManagementClient(_Client):
    """Manages the bot keys and accounts of a person.

    `credential` is the person's token, by default BOTTRADING_TOKEN; the rest is as for
    BotTradingClient.
    """

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
