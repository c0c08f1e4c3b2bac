"""Results of calls about all orders or positions: the orders, and how many were skipped."""

from collections.abc import Iterable
from typing import Self

from bottrading_client.models import Order


class CancelledOrders(tuple[Order, ...]):
    """The orders that were cancelled, newest first.

    `skipped` live orders stayed, because the key may not act on their instruments.
    """

    skipped: int

    def __new__(cls, orders: Iterable[Order] = (), *, skipped: int = 0) -> Self:
        cancelled = super().__new__(cls, orders)
        cancelled.skipped = skipped
        return cancelled


class ClosingOrders(CancelledOrders):
    """The orders that close positions, by symbol.

    `skipped` positions have no closing order: the key may not trade them, or they have expired.
    """
