"""What cancelling all orders returns: the orders, and how many the key left."""

from collections.abc import Iterable
from typing import Self

from bottrading_client.models import Order


class CancelledOrders(tuple[Order, ...]):
    """The orders that were cancelled, newest first.

    `skipped` live ones were left: they are of instruments that the key was not made for.
    """

    skipped: int

    def __new__(cls, orders: Iterable[Order] = (), *, skipped: int = 0) -> Self:
        cancelled = super().__new__(cls, orders)
        cancelled.skipped = skipped
        return cancelled
