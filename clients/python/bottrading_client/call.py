"""A call: its method, its request, how its answer is read, and whether it may be repeated."""

from collections.abc import Callable, Iterable
from copy import copy
from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar, cast

import grpc
from google.protobuf.message import Message

from bottrading.v1 import bot_trading_pb2_grpc, key_management_pb2_grpc, market_data_pb2_grpc

if TYPE_CHECKING:
    from grpc import UnaryUnaryMultiCallable

PAGE_ITEMS_MAX = 100

Request = TypeVar("Request", bound=Message)
Answer = TypeVar("Answer", bound=Message)
Result = TypeVar("Result")
Result_co = TypeVar("Result_co", covariant=True)
Item = TypeVar("Item")


class Services:
    """The services of the contract on one channel, of either kind."""

    def __init__(self, channel: grpc.Channel | grpc.aio.Channel) -> None:
        self.trading = bot_trading_pb2_grpc.BotTradingStub(channel)
        self.market = market_data_pb2_grpc.MarketDataStub(channel)
        self.keys = key_management_pb2_grpc.KeyManagementStub(channel)


class Repeating(Enum):
    """What happens if a call without an answer is repeated."""

    READS = auto()
    CHANGES_NOTHING_MORE = auto()
    CHANGES_AGAIN = auto()


@dataclass(frozen=True, slots=True)
class Call(Generic[Result_co]):
    """The description of one call, which clients of either kind can make.

    `client_order_id` is None if the client still has to make one, and empty if there is no order.
    """

    method: Callable[[Services], Any]
    request: Message
    read: Callable[[Any], Result_co]
    repeating: Repeating
    client_order_id: str | None

    def identified(self, client_order_id: str) -> Self:
        """Return the call with an id of its order."""
        request: Any = copy(self.request)
        request.client_order_id = client_order_id
        return replace(self, request=request, client_order_id=client_order_id)


def call(
    method: "Callable[[Services], UnaryUnaryMultiCallable[Request, Answer]]",
    request: Request,
    read: Callable[[Answer], Result],
    repeating: Repeating = Repeating.READS,
    client_order_id: str | None = "",
) -> Call[Result]:
    """Describe a call; method, request and answer must fit one another."""
    return Call(method, request, read, repeating, client_order_id)


@dataclass(frozen=True, slots=True)
class Page(Generic[Item]):
    """One page of a listing, and the call for the next page."""

    items: tuple[Item, ...]
    following: "Call[Page[Item]] | None"


def pages(
    method: "Callable[[Services], UnaryUnaryMultiCallable[Request, Answer]]",
    request: Request,
    read: Callable[[Answer], Iterable[Item]],
    limit: int | None,
) -> Call[Page[Item]]:
    """Describe the call for the first page of a listing that ends after `limit` items."""
    asked: Any = request  # Every request of a listing has a limit and a page token.
    asked.limit = PAGE_ITEMS_MAX if limit is None else min(limit, PAGE_ITEMS_MAX)

    def page(answer: Answer) -> Page[Item]:
        items, told = tuple(read(answer)), cast("Any", answer)
        left = None if limit is None else limit - len(items)
        if not told.next_page_token or left == 0:
            return Page(items, None)
        following = copy(request)
        cast("Any", following).page_token = told.next_page_token
        return Page(items, pages(method, following, read, left))

    return call(method, request, page)
