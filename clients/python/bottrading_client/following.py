"""What streams send, and how they resume after a break: shared by clients of both kinds."""

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
    DeadlineExceeded,
    RateLimited,
    ServiceUnavailable,
    error_of,
)
from bottrading_client.market_models import Quote
from bottrading_client.messages import read
from bottrading_client.models import AccountUpdate, Order, OrderUpdate, SnapshotOrder

log = logging.getLogger("bottrading_client")

Item = TypeVar("Item")
Update = OrderUpdate | AccountUpdate | SnapshotOrder
"""The items of a stream of order updates; distinguish them with `match` or `isinstance`."""


class Following(ABC, Generic[Item]):
    """What a stream requests and how it reads messages, over any number of connections."""

    @abstractmethod
    def method(self, services: Services) -> Any:
        """Return the method that opens the stream."""

    @abstractmethod
    def request(self) -> Message:
        """Return the request that resumes the stream where it is."""

    @abstractmethod
    def take(self, message: Any) -> Item | None:
        """Return the item of a message; None for messages that only carry a sequence."""


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
        """Return an update or an order of the snapshot, and store the cursor."""
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
        """Return the request; any stream begins with the newest quotes, also after a break."""
        return market.StreamQuotesRequest(symbols=self._symbols)

    def take(self, message: market.StreamQuotesResponse) -> Quote | None:
        """Return a quote, unless it was already returned before a break."""
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
    """Follow every change of orders and account, exactly once and in order, through any break.

    Begins after `after_sequence`, 0 for the whole log. By default it begins when the stream opens:
    at `with`, or else at the first request for an item. Store `last_sequence`, so that a later run
    goes on there. `symbols` restrict updates of orders to those instruments. With
    `include_snapshot` the live orders come too, once the stream has caught up with the log. If the
    stream breaks within the snapshot, the whole snapshot is sent again.

    The first connection has to succeed within the client's timeout. From then on the stream
    reconnects by itself for as long as it takes. It ends with an exception where reconnecting
    cannot help, such as a revoked key or a sequence beyond the end of the log.
    """
    return FollowingOrderUpdates(after_sequence, symbols, include_snapshot=include_snapshot)


def quote_updates(symbols: Sequence[str]) -> FollowingQuotes:
    """Follow the quotes of up to 100 instruments: first the newest quotes, then each change.

    A slow reader skips to the newest quote, and so does a stream after a break. The stream
    reconnects and ends like `order_updates`.
    """
    return FollowingQuotes(symbols)


class Reopening:
    """When a stream that broke is opened again, and whether that helps."""

    def __init__(self, seconds: float, what: str = "Stream broke") -> None:
        self._what = what
        self._ends = time.monotonic() + seconds
        self._was_open = False
        self._backoff = Backoff()

    def received(self) -> None:
        """Take note of a message: the stream is open."""
        self._was_open = True
        self._backoff = Backoff()

    def pause_after(self, failed: grpc.RpcError | None) -> float:
        """Return the seconds until the stream is reopened; raise the error if that cannot help."""
        if failed is None:
            return self._backoff.next(None)
        error = error_of(failed)
        pause = self._backoff.next(error.retry_after)
        in_time = self._was_open or time.monotonic() + pause < self._ends
        if not (in_time and self._helps(error)):
            raise error from failed
        log.info("%s (%s): %s; trying again in %.1f s", self._what, error.status, error, pause)
        return pause

    def _helps(self, error: BotTradingError) -> bool:
        if error.reason == ErrorReason.STREAM_LIMIT_EXCEEDED:
            # The server may not have noticed yet that the previous stream is gone.
            return self._was_open
        if isinstance(error, ServiceUnavailable | DeadlineExceeded | RateLimited):
            return True
        return error.reason == ErrorReason.CONFLICT
