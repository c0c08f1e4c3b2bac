"""A stand-in for Coinmate: an exchange whose prices ccxt can only ask for again and again."""

from collections.abc import Iterable
from typing import Any

from aiohttp import web

from tests.support.exchanges.server import Connection, StandIn


class Coinmate(StandIn):
    """Serves BTC/EUR over REST alone; `ticker` is what it answers."""

    def __init__(self) -> None:
        super().__init__()
        self.ticker: dict[str, str] = {}

    def routes(self) -> Iterable[web.RouteDef]:
        return [
            web.get("/api/tradingPairs", self._trading_pairs),
            web.get("/api/tickerAll", self._ticker_all),
        ]

    async def take(self, connection: Connection, message: dict[str, Any]) -> None:
        """Take nothing: there are no sockets."""

    def quote(self, bid: str, ask: str, seconds: int) -> None:
        """Set the best bid and ask, and when they were so."""
        self.ticker = {
            "last": bid,
            "high": ask,
            "low": bid,
            "amount": "34.75472959",
            "bid": bid,
            "ask": ask,
            "change": "-0.74239050",
            "open": bid,
            "timestamp": str(seconds),
        }

    async def _trading_pairs(self, request: web.Request) -> web.Response:
        pair = {
            "name": "BTC_EUR",
            "firstCurrency": "BTC",
            "secondCurrency": "EUR",
            "priceDecimals": 1,
            "lotDecimals": 8,
            "minAmount": 0.0002,
        }
        return web.json_response({"error": False, "errorMessage": None, "data": [pair]})

    async def _ticker_all(self, request: web.Request) -> web.Response:
        data = {"BTC_EUR": self.ticker}
        return web.json_response({"error": False, "errorMessage": None, "data": data})
