"""Listings: the filters of queries, and how far a bounded search went."""

from dataclasses import dataclass
from typing import Generic, TypeVar

from server.domain.bar import BarFilter
from server.domain.instrument import AssetType
from server.domain.order import Order, OrderStatus
from server.domain.user import Permissions
from server.domain.values import Micros

Item = TypeVar("Item")
Filter = TypeVar("Filter")


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderFilter:
    """The orders to list, among those that `permissions` allow; `status` OPEN is every live one."""

    account_id: str
    permissions: Permissions
    status: OrderStatus | None
    symbol: str | None
    after: Micros | None
    until: Micros | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FillFilter:
    """The fills to list, among those that `permissions` allow."""

    account_id: str
    permissions: Permissions
    symbol: str | None
    order_id: str | None
    after: Micros | None
    until: Micros | None


@dataclass(frozen=True, slots=True)
class PageOf(Generic[Filter]):
    """Asks for a page of a filtered listing; the token of the first page is empty."""

    wanted: Filter
    limit: int
    token: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OneOrder:
    """Names an order of an account by one of its two ids; the other id is empty."""

    account_id: str
    permissions: Permissions
    order_id: str
    client_order_id: str


@dataclass(frozen=True, slots=True)
class OnePosition:
    """Names a position of an account."""

    account_id: str
    symbol: str


@dataclass(frozen=True, slots=True)
class BarsOf:
    """Bars of a symbol."""

    symbol: str
    wanted: BarFilter


@dataclass(frozen=True, slots=True)
class InstrumentFilter:
    """Instruments of an asset type, or of any, with the lower-case `text` in symbol or name."""

    asset_type: AssetType | None
    text: str


@dataclass(frozen=True, slots=True)
class Found(Generic[Item]):
    """The result of a bounded search that stopped at the sequence `looked_down_to`.

    None means that everything was searched, or that `items` has as many as were asked for.
    """

    items: list[Item]
    looked_down_to: int | None = None


@dataclass(frozen=True, slots=True)
class OrderWithLegs:
    """An order, and the other orders of its group if it is the group's first."""

    order: Order
    legs: tuple[Order, ...] = ()
