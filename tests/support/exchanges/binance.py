"""A stand-in for Binance: the public REST and socket streams of its spot market, as documented."""

from collections.abc import Iterable
from typing import Any

from aiohttp import web

from tests.support.exchanges.server import Connection, StandIn

KLINES_MAX = 1000
Kline = tuple[int, str, str, str, str, str]
"""Begin in milliseconds; open, high, low and close; volume."""


class Binance(StandIn):
    """Serves symbols such as `BTCUSDT`, their klines and the stream of the best bid and ask."""

    def __init__(self) -> None:
        super().__init__()
        self.klines: list[Kline] = []

    def routes(self) -> Iterable[web.RouteDef]:
        return [
            web.get("/api/v3/exchangeInfo", self._exchange_info),
            web.get("/api/v3/klines", self._klines),
            web.get("/ws/{stream}", self.serve_socket),
        ]

    async def quote(self, symbol: str, bid: str, ask: str, size: str = "1.00000000") -> None:
        """Publish the best bid and ask of a symbol such as `BTCUSDT`."""
        message = {"u": 400900217, "s": symbol, "b": bid, "B": size, "a": ask, "A": size}
        await self.send(message, f"{symbol.lower()}@bookTicker")

    async def burst(self, symbol: str, count: int) -> None:
        """Publish a number of quotes of a symbol, as fast as they can be sent."""
        for number in range(1, count + 1):
            await self.quote(symbol, f"{number}.00000000", f"{number + 1}.00000000")

    async def take(self, connection: Connection, message: dict[str, Any]) -> None:
        await connection.send({"result": None, "id": message["id"]})
        for stream in message["params"]:
            self.subscribe(connection, stream)

    async def _exchange_info(self, request: web.Request) -> web.Response:
        symbols = [_symbol("BTC", "USDT", "0.01"), _symbol("ETH", "USDT", "0.01")]
        return web.json_response({"timezone": "UTC", "symbols": symbols})

    async def _klines(self, request: web.Request) -> web.Response:
        begin = int(request.query.get("startTime", 0))
        length = min(int(request.query.get("limit", 500)), KLINES_MAX)
        rows = [row for row in self.klines if row[0] >= begin][:length]
        return web.json_response([[*row, row[0] + 59_999, "0", 1, "0", "0", "0"] for row in rows])


def _symbol(base: str, quote: str, tick: str) -> dict[str, Any]:
    return {
        "symbol": base + quote,
        "status": "TRADING",
        "baseAsset": base,
        "baseAssetPrecision": 8,
        "quoteAsset": quote,
        "quotePrecision": 8,
        "isSpotTradingAllowed": True,
        "isMarginTradingAllowed": True,
        "filters": [
            {
                "filterType": "PRICE_FILTER",
                "minPrice": tick,
                "maxPrice": "1000000.00000000",
                "tickSize": tick,
            },
            {
                "filterType": "LOT_SIZE",
                "minQty": "0.00001000",
                "maxQty": "9000.00000000",
                "stepSize": "0.00001000",
            },
        ],
        "permissions": ["SPOT"],
    }
