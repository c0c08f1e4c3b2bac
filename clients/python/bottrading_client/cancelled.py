"""The result of cancelling all orders: the orders, and how many live orders stayed."""

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
