"""What streams send, and how they go on after a break: shared by clients of both kinds."""

import logging
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Generic, TypeVar

import grpc
from google.protobuf.message import Message

from bottrading.v1 import bot_trading_pb2 as trading
from bottrading.v1 import market_data_pb2 as market
from bottrading_client.attempts import Backoff
from bottrading_client.call import Services
from bottrading_client.enums import ErrorReason
from bottrading_client.errors import (
    BotTradingError,
    RateLimited,
    ServiceUnavailable,
    error_of,
)
from bottrading_client.messages import read
from bottrading_client.models import AccountUpdate, Order, OrderUpdate, Quote, SnapshotOrder

log = logging.getLogger("bottrading_client")

Item = TypeVar("Item")
Update = OrderUpdate | AccountUpdate | SnapshotOrder
"""What a stream of order updates yields; tell them apart with `match` or `isinstance`."""


class Following(ABC, Generic[Item]):
    """What a stream asks for and makes of what comes, over any number of connections."""

    @abstractmethod
    def method(self, services: Services) -> Any:
        """Return the method that opens the stream."""

    @abstractmethod
    def request(self) -> Message:
        """Return the request that goes on where the stream is."""

    @abstractmethod
    def take(self, message: Any) -> Item | None:
        """Return what is new in a message; None for what only says how far the stream is."""


class FollowingOrderUpdates(Following[Update]):
    """Follows the log of the account from a sequence on."""

    def __init__(
        self, after_sequence: int | None, symbols: Sequence[str], *, include_snapshot: bool
    ) -> None:
        self.last_sequence = after_sequence
        self._symbols = symbols
        self._snapshot_wanted = include_snapshot
        self._snapshot_begun = False

    def method(self, services: Services) -> Any:
        """Return StreamOrderUpdates."""
        return services.trading.StreamOrderUpdates

    def request(self) -> trading.StreamOrderUpdatesRequest:
        """Return the request that goes on after the last sequence."""
        return trading.StreamOrderUpdatesRequest(
            after_sequence=self.last_sequence,
            symbols=self._symbols,
            include_snapshot=self._snapshot_wanted,
        )

    def take(self, message: trading.StreamOrderUpdatesResponse) -> Update | None:
        """Return an update, or an order of the snapshot, and remember how far the log was sent."""
        kind, sequence = message.WhichOneof("message"), message.sequence
        if kind == "snapshot_order":
            self._snapshot_begun = True
            self.last_sequence = sequence
            return SnapshotOrder(sequence=sequence, order=read(Order, message.snapshot_order))
        if self._snapshot_begun:
            self._snapshot_wanted = False
        if self.last_sequence is not None and sequence <= self.last_sequence:
            return None
        self.last_sequence = sequence
        if kind == "order_update":
            return read(OrderUpdate, message.order_update, sequence=sequence)
        if kind == "account_update":
            return read(AccountUpdate, message.account_update, sequence=sequence)
        return None


class FollowingQuotes(Following[Quote]):
    """Follows the newest quotes of some instruments."""

    def __init__(self, symbols: Sequence[str]) -> None:
        self._symbols = symbols
        self._newest: dict[str, Quote] = {}

    def method(self, services: Services) -> Any:
        """Return StreamQuotes."""
        return services.market.StreamQuotes

    def request(self) -> market.StreamQuotesRequest:
        """Return the one request there is: the newest quotes come first."""
        return market.StreamQuotesRequest(symbols=self._symbols)

    def take(self, message: market.StreamQuotesResponse) -> Quote | None:
        """Return a quote, unless it is the one that was there before a break."""
        if not message.HasField("quote"):
            return None
        quote = read(Quote, message.quote)
        if self._newest.get(quote.symbol) == quote:
            return None
        self._newest[quote.symbol] = quote
        return quote


def order_updates(
    after_sequence: int | None = None,
    *,
    symbols: Sequence[str] = (),
    include_snapshot: bool = False,
) -> FollowingOrderUpdates:
    """Follow every change of orders and account, each once and in order, over any break.

    Begins after a sequence, 0 for everything there ever was; left out: with what happens from
    now on, which is from `with` on, or else from the first item on. `last_sequence` says how far
    it is: keep it, and a later run goes on there. `symbols` leave out other orders' updates.
    With `include_snapshot` the live orders come first, once they have caught up with the log; a
    snapshot that breaks comes again.

    A first connection has to succeed within the client's timeout; from then on the stream comes
    again by itself for as long as it takes. It ends with an exception where that cannot help: a
    revoked key, a sequence that the log does not reach.
    """
    return FollowingOrderUpdates(after_sequence, symbols, include_snapshot=include_snapshot)


def quote_updates(symbols: Sequence[str]) -> FollowingQuotes:
    """Follow the newest quotes of up to 100 instruments: those there are, then each that changes.

    The newest wins: what was not read in time is left out, and so is what came during a break.
    Comes again and ends like `order_updates`.
    """
    return FollowingQuotes(symbols)


class Reopening:
    """When a stream that broke is opened again, and whether that helps."""

    def __init__(self, seconds: float) -> None:
        self._ends = time.monotonic() + seconds
        self._was_open = False
        self._backoff = Backoff()

    def received(self) -> None:
        """Take note of a message: the stream is open."""
        self._was_open = True
        self._backoff = Backoff()

    def pause_after(self, failed: grpc.RpcError | None) -> float:
        """Return the seconds until the stream is opened again; raise what makes that pointless."""
        if failed is None:
            return self._backoff.next(None)
        error = error_of(failed)
        pause = self._backoff.next(error.retry_after)
        in_time = self._was_open or time.monotonic() + pause < self._ends
        if not (in_time and self._helps(error)):
            raise error from failed
        log.info("Stream broke (%s): %s; opening it again in %.1f s", error.status, error, pause)
        return pause

    def _helps(self, error: BotTradingError) -> bool:
        if error.reason == ErrorReason.STREAM_LIMIT_EXCEEDED:
            # The server may not have noticed yet that the stream before is gone.
            return self._was_open
        if isinstance(error, ServiceUnavailable | RateLimited):
            return True
        return error.reason == ErrorReason.CONFLICT
