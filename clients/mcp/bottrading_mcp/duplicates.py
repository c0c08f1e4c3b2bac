"""Duplicates: an order that an agent repeats is placed once, even if the agent gives no id."""

import asyncio
import hashlib
import json
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from bottrading_client import AsyncBotTradingClient, InvalidRequest, Order, OrderStatus

WINDOW_SECONDS = 120
ORDERS_WITHIN_WINDOW = 100
"""More orders than an account may place within the window, unless its operator raised the limit."""

DERIVED_ID = re.compile(r"(mcp-[0-9a-f]{16}-)([0-9]{1,12})(?:-([0-9]{1,6}))?")
"""A hash of the arguments, the time of the first attempt in seconds, and a count.

It counts the identical orders that were REJECTED before.
"""


@dataclass(frozen=True, slots=True)
class Placement:
    """The id of an order, and when it was first sent: seconds on this machine's clock."""

    client_order_id: str
    placed_at: float


class DuplicateGuard:
    """Finds the id of an identical order of the last 120 s, or creates a new one.

    The id encodes the arguments and the time, so that it can be found among the account's orders
    after this process has ended. The time is that of this machine, because a replayed market has a
    time of its own. The id of a REJECTED order is not used again: a repetition is
    placed anew.
    """

    def __init__(self, client: AsyncBotTradingClient, clock: Callable[[], float]) -> None:
        self._client = client
        self._clock = clock
        self._newest: dict[str, Placement] = {}
        self._looking_up = asyncio.Lock()

    async def place(
        self, send: Callable[[str], Awaitable[Order]], **asked: str | None
    ) -> tuple[Order, float]:
        """Send an order under its id; return the order and how many seconds ago it was first sent.

        Raises BotTradingError if the lookup or `send` fails; a repetition then uses the same id.
        """
        order, placement = await self._send(send, asked)
        if order.replayed and order.status is OrderStatus.REJECTED:
            # The answer to the first order was lost, or is on its way to another caller.
            order, placement = await self._send(send, asked)
        return order, self._clock() - placement.placed_at

    async def _send(
        self, send: Callable[[str], Awaitable[Order]], asked: dict[str, str | None]
    ) -> tuple[Order, Placement]:
        text = json.dumps(asked, sort_keys=True)
        prefix = f"mcp-{hashlib.sha256(text.encode()).hexdigest()[:16]}-"
        async with self._looking_up:
            self._newest = {key: one for key, one in self._newest.items() if self._is_new(one)}
            placement = self._newest.get(prefix) or await self._stored(prefix, asked["symbol"])
            self._newest[prefix] = placement
        order = await send(placement.client_order_id)
        if order.status is OrderStatus.REJECTED and self._newest.get(prefix) == placement:
            del self._newest[prefix]
        return order, placement

    async def _stored(self, prefix: str, symbol: str | None) -> Placement:
        """Return the placement of an identical order of the account, or a new one."""
        rejections = 0
        try:
            async for order in self._client.orders(symbol=symbol, limit=ORDERS_WITHIN_WINDOW):
                parts = DERIVED_ID.fullmatch(order.client_order_id or "")
                if parts is None or parts[1] != prefix:
                    continue
                placement = Placement(parts[0], float(parts[2]))
                if not self._is_new(placement):
                    break
                if order.status is not OrderStatus.REJECTED:
                    return placement
                rejections = max(rejections, int(parts[3] or 0) + 1)
        except InvalidRequest:
            """Errors of the order are reported when it is placed."""
        now = self._clock()
        name = f"{prefix}{int(now)}"
        return Placement(f"{name}-{rejections}" if rejections else name, now)

    def _is_new(self, placement: Placement) -> bool:
        return self._clock() - placement.placed_at < WINDOW_SECONDS
