"""Duplicates: an order that an agent repeats without an id of its own is one order."""

import asyncio
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass

from bottrading_client import AsyncBotTradingClient, InvalidRequest

WINDOW_SECONDS = 120
ORDERS_WITHIN_WINDOW = 100
"""More than an account may place within the window, unless its operator lets it."""


@dataclass(frozen=True, slots=True)
class Placement:
    """Under which id an order is sent, and when that was first done: seconds of this machine."""

    client_order_id: str
    placed_at: float


class DuplicateGuard:
    """Finds the id of an identical order of the last 120 s, or makes a new one.

    The id tells what the order asks for and when, so that the account's orders remember it when
    this process has ended; the time is that of this machine, for a replayed market has its own.
    """

    def __init__(self, client: AsyncBotTradingClient, clock: Callable[[], float]) -> None:
        self._client = client
        self._clock = clock
        self._newest: dict[str, Placement] = {}
        self._looking_up = asyncio.Lock()

    @property
    def now(self) -> float:
        """Return the time of this machine."""
        return self._clock()

    async def placement(self, **order: str | None) -> Placement:
        """Return what an order is to be sent as. Raises BotTradingError where it cannot look."""
        text = json.dumps(order, sort_keys=True)
        prefix = f"mcp-{hashlib.sha256(text.encode()).hexdigest()[:16]}-"
        async with self._looking_up:
            self._newest = {key: one for key, one in self._newest.items() if self._is_new(one)}
            known = self._newest.get(prefix) or await self._stored(prefix, order["symbol"])
            placement = known or Placement(f"{prefix}{self.now:.0f}", self.now)
            self._newest[prefix] = placement
        return placement

    async def _stored(self, prefix: str, symbol: str | None) -> Placement | None:
        try:
            async for order in self._client.orders(symbol=symbol, limit=ORDERS_WITHIN_WINDOW):
                name = order.client_order_id or ""
                if name.startswith(prefix) and name.removeprefix(prefix).isdecimal():
                    placement = Placement(name, float(name.removeprefix(prefix)))
                    return placement if self._is_new(placement) else None
        except InvalidRequest:
            # What is wrong with the order is told when it is placed.
            return None
        return None

    def _is_new(self, placement: Placement) -> bool:
        return self.now - placement.placed_at < WINDOW_SECONDS
