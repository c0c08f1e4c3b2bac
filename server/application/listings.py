"""Listings: which orders and fills are wanted, and how far was looked for them."""

from dataclasses import dataclass
from typing import Generic, TypeVar

from server.domain.order import OrderStatus
from server.domain.user import Permissions
from server.domain.values import Micros

Item = TypeVar("Item")


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
class Found(Generic[Item]):
    """What a bounded look found; below the sequence `looked_down_to` it did not look.

    None: all that there is was looked at, or `items` are as many as were asked for.
    """

    items: list[Item]
    looked_down_to: int | None = None
