"""Ids of orders whose caller gives none."""

import uuid
from datetime import UTC, datetime
from itertools import count
from typing import TypeVar

from bottrading_client.call import Call

Result = TypeVar("Result")


class OrderIds:
    """Makes ids of orders: random ones, or in a lock-step replay ids made of its time.

    So the orders of a bot have the same ids in every run of a replay. Threads may share it.
    """

    def __init__(self) -> None:
        self._time: datetime | None = None
        self._numbers = count(1)

    def reach(self, time: datetime) -> None:
        """Make ids of this time of a replay from now on."""
        if time != self._time:
            self._time, self._numbers = time, count(1)

    def completed(self, call: Call[Result]) -> Call[Result]:
        """Return a call with an id if it needs one and has none."""
        return call.identified(self._next()) if call.client_order_id is None else call

    def _next(self) -> str:
        if self._time is None:
            return str(uuid.uuid4())
        moment = self._time.astimezone(UTC).replace(tzinfo=None).isoformat()
        return f"{moment}Z-{next(self._numbers)}"
