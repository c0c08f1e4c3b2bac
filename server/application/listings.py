"""Listings: what a query is to find, and how far a bounded look for it went."""

from dataclasses import dataclass
from typing import Generic, TypeVar

from server.domain.bar import BarFilter
from server.domain.instrument import AssetType
from server.domain.order import OrderStatus
from server.domain.user import Permissions
from server.domain.values import Micros

Item = TypeVar("Item")
Filter = TypeVar("Filter")


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderFilter:
    """Which orders to list of those that `permissions` allow; `status` OPEN: every live one."""

    account_id: str
    permissions: Permissions
    status: OrderStatus | None
    symbol: str | None
    after: Micros | None
    until: Micros | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FillFilter:
    """Which fills to list of those that `permissions` allow."""

    account_id: str
    permissions: Permissions
    symbol: str | None
    order_id: str | None
    after: Micros | None
    until: Micros | None


@dataclass(frozen=True, slots=True)
class PageOf(Generic[Filter]):
    """A page of what a filter lets through; the first one has an empty token."""

    wanted: Filter
    limit: int
    token: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OneOrder:
    """An order of an account by one of its two ids; the other one is empty."""

    account_id: str
    permissions: Permissions
    order_id: str
    client_order_id: str


@dataclass(frozen=True, slots=True)
class BarsOf:
    """Bars of a symbol."""

    symbol: str
    wanted: BarFilter


@dataclass(frozen=True, slots=True)
class InstrumentFilter:
    """Instruments of an asset type, or of any; `text`, in lower case, is in symbol or name."""

    asset_type: AssetType | None
    text: str


@dataclass(frozen=True, slots=True)
class Found(Generic[Item]):
    """What a bounded look found; below the sequence `looked_down_to` it did not look.

    None: all that there is was looked at, or `items` are as many as were asked for.
    """

    items: list[Item]
    looked_down_to: int | None = None
