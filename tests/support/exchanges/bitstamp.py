"""A stand-in for Bitstamp: public REST version 2 and its order books by differences."""

from collections.abc import Iterable
from typing import Any

from aiohttp import web

from tests.support.exchanges.server import Connection, StandIn

FIRST = 1_700_000_000_000_000


class Bitstamp(StandIn):
    """Serves BTC/USD. Its socket sends differences alone; the whole book comes over REST."""

    def __init__(self) -> None:
        super().__init__()
        self._time = FIRST
        self._levels: dict[str, dict[str, str]] = {"bids": {}, "asks": {}}

    def routes(self) -> Iterable[web.RouteDef]:
        return [
            web.get("/api/v2/markets/", self._markets),
            web.get("/api/v2/order_book/{pair}/", self._order_book),
            web.get("/", self.serve_socket),
        ]

    async def change(self, side: str, price: str, size: str) -> None:
        """Set the size of a level; a size of 0 takes it away."""
        self._time += 1_000_000
        self._levels[side][price] = size
        data = {**self._times(), "bids": [], "asks": [], side: [[price, size, "1"]]}
        channel = "diff_order_book_btcusd"
        await self.send({"event": "data", "channel": channel, "data": data}, channel)

    async def take(self, connection: Connection, message: dict[str, Any]) -> None:
        channel = message["data"]["channel"]
        answer = {"event": "bts:subscription_succeeded", "channel": channel, "data": {}}
        await connection.send(answer)
        self.subscribe(connection, channel)

    def _times(self) -> dict[str, str]:
        return {"timestamp": str(self._time // 1_000_000), "microtimestamp": str(self._time)}

    async def _order_book(self, request: web.Request) -> web.Response:
        levels = {
            side: [[price, size] for price, size in levels.items() if float(size)]
            for side, levels in self._levels.items()
        }
        return web.json_response({**self._times(), **levels})

    async def _markets(self, request: web.Request) -> web.Response:
        market = {
            "name": "BTC/USD",
            "market_symbol": "btcusd",
            "base_currency": "BTC",
            "base_decimals": 8,
            "counter_currency": "USD",
            "counter_decimals": 0,
            "minimum_order_value": "10",
            "trading": "Enabled",
            "instant_order_counter_decimals": 2,
            "instant_and_market_orders": "Enabled",
            "description": "Bitcoin / U.S. dollar",
            "market_type": "SPOT",
        }
        return web.json_response([market])
