"""A stand-in for Kraken: REST version 0 and WebSocket version 2, as publicly documented."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from tests.support.exchanges.server import Connection, StandIn

OHLC_ROWS_MAX = 720
_STATUS = {"api_version": "v2", "connection_id": 1, "system": "online", "version": "2.0.10"}
_OLD_NAMES = {"BTC": ("XXBT", "XBT"), "ETH": ("XETH", "ETH"), "USD": ("ZUSD", "USD")}


@dataclass(frozen=True, slots=True)
class Pair:
    """A pair by the name that the WebSocket uses: `BTC/USD`."""

    symbol: str
    price_decimals: int = 1
    amount_decimals: int = 8

    @property
    def id(self) -> str:
        return "".join(self.assets)

    @property
    def assets(self) -> list[str]:
        return [_OLD_NAMES.get(code, (code, code))[0] for code in self.symbol.split("/")]

    @property
    def alternative_names(self) -> list[str]:
        return [_OLD_NAMES.get(code, (code, code))[1] for code in self.symbol.split("/")]


class Kraken(StandIn):
    """Serves pairs, candles and the ticker. A quote that is set is the snapshot from then on."""

    def __init__(self, *pairs: Pair) -> None:
        super().__init__()
        self.pairs = pairs or (Pair("BTC/USD"), Pair("ETH/USD", price_decimals=2))
        self.candles: dict[str, list[tuple[int, str, str, str, str, str]]] = {}
        self.tickers: dict[str, dict[str, Any]] = {}
        self.quotes_in_tickers = True
        self.answers_pings = True
        self.greeting = {"channel": "status", "type": "update", "data": [_STATUS]}

    def routes(self) -> Iterable[web.RouteDef]:
        return [
            web.get("/0/public/Assets", self._assets),
            web.get("/0/public/AssetPairs", self._asset_pairs),
            web.get("/0/public/OHLC", self._ohlc),
            web.get("/v2", self.serve_socket),
        ]

    async def quote(
        self,
        symbol: str,
        bid: float,
        ask: float,
        bid_size: float = 1.0,
        ask_size: float = 1.0,
        last: float | None = None,
    ) -> None:
        """Publish the best bid and ask of a pair; `last` is the bid unless it is given."""
        ticker = _ticker(symbol, bid, ask, bid_size, ask_size, bid if last is None else last)
        self.tickers[symbol] = ticker
        await self.send(self._ticker_message(symbol, "update"), symbol)
        await self.send(self._book_message(symbol), f"book {symbol}")

    async def take(self, connection: Connection, message: dict[str, Any]) -> None:
        times = {"time_in": "2026-01-05T14:30:00.000Z", "time_out": "2026-01-05T14:30:00.001Z"}
        answer = {"method": message["method"], "req_id": message.get("req_id"), **times}
        if message["method"] == "ping":
            self.pings += 1
            if self.answers_pings:
                await connection.send({**answer, "method": "pong"})
            self.notify()
        if message["method"] != "subscribe":
            return
        asked = message["params"]
        for symbol in asked["symbol"]:
            if symbol not in {pair.symbol for pair in self.pairs}:
                error = f"Currency pair not supported {symbol}"
                await connection.send(
                    {**answer, "success": False, "error": error, "symbol": symbol}
                )
                continue
            result = {"channel": asked["channel"], "snapshot": True, "symbol": symbol}
            result["event_trigger"] = asked.get("event_trigger", "trades")
            await connection.send({**answer, "success": True, "result": result})
            of_books = asked["channel"] == "book"
            if symbol in self.tickers:
                ticker = self._ticker_message(symbol, "snapshot")
                await connection.send(self._book_message(symbol) if of_books else ticker)
            self.subscribe(connection, f"book {symbol}" if of_books else symbol)

    def _ticker_message(self, symbol: str, kind: str) -> dict[str, Any]:
        shown = {
            name: value
            for name, value in self.tickers[symbol].items()
            if self.quotes_in_tickers or not name.startswith(("bid", "ask"))
        }
        return {"channel": "ticker", "type": kind, "data": [shown]}

    def _book_message(self, symbol: str) -> dict[str, Any]:
        ticker = self.tickers[symbol]
        sides = {
            f"{side}s": [{"price": ticker[side], "qty": ticker[f"{side}_qty"]}]
            for side in ("bid", "ask")
        }
        book = {"symbol": symbol, **sides, "checksum": 0}
        return {"channel": "book", "type": "snapshot", "data": [book]}

    async def _assets(self, request: web.Request) -> web.Response:
        assets = {
            asset: {
                "aclass": "currency",
                "altname": alternative,
                "decimals": 10,
                "display_decimals": 5,
                "status": "enabled",
            }
            for pair in self.pairs
            for asset, alternative in zip(pair.assets, pair.alternative_names, strict=True)
        }
        return _answer(assets)

    async def _asset_pairs(self, request: web.Request) -> web.Response:
        return _answer({pair.id: _asset_pair(pair) for pair in self.pairs})

    async def _ohlc(self, request: web.Request) -> web.Response:
        known = {pair.id: pair.symbol for pair in self.pairs}
        pair = request.query["pair"]
        if pair not in known:
            return web.json_response({"error": ["EQuery:Unknown asset pair"]})
        since = int(request.query.get("since", 0))
        rows = [row for row in self.candles.get(known[pair], []) if row[0] > since]
        return _answer({pair: _ohlc_rows(rows), "last": rows[-1][0] if rows else since})


def kraken_of_guides() -> Kraken:
    """Return a Kraken that has what the commands of the guides ask for."""
    exchange = Kraken()
    first = int(datetime(2026, 1, 1, tzinfo=UTC).timestamp())
    exchange.candles["BTC/USD"] = [
        (first + number * 86_400, "90000.0", "91000.0", "89000.0", "90500.0", "1200.5")
        for number in range(300)
    ]
    for symbol, bid in (("BTC/USD", 90_500.0), ("ETH/USD", 3_000.0)):
        exchange.tickers[symbol] = _ticker(symbol, bid, bid + 1, 1.0, 1.0, bid)
    return exchange


def _ohlc_rows(rows: Sequence[tuple[int, str, str, str, str, str]]) -> list[list[Any]]:
    return [
        [time, opened, high, low, close, close, volume, 1]
        for time, opened, high, low, close, volume in rows[-OHLC_ROWS_MAX:]
    ]


def _ticker(
    symbol: str, bid: float, ask: float, bid_size: float, ask_size: float, last: float
) -> dict[str, Any]:
    return {
        "symbol": symbol,
        "bid": bid,
        "bid_qty": bid_size,
        "ask": ask,
        "ask_qty": ask_size,
        "last": last,
        "volume": 2158.32346723,
        "vwap": last,
        "low": last,
        "high": last,
        "change": 0.0,
        "change_pct": 0.0,
    }


def _asset_pair(pair: Pair) -> dict[str, Any]:
    base, quote = pair.assets
    alternative_base, alternative_quote = pair.alternative_names
    return {
        "altname": alternative_base + alternative_quote,
        "wsname": f"{alternative_base}/{alternative_quote}",
        "aclass_base": "currency",
        "base": base,
        "aclass_quote": "currency",
        "quote": quote,
        "lot": "unit",
        "cost_decimals": 5,
        "pair_decimals": pair.price_decimals,
        "lot_decimals": pair.amount_decimals,
        "lot_multiplier": 1,
        "leverage_buy": [],
        "leverage_sell": [],
        "fees": [[0, 0.4]],
        "fees_maker": [[0, 0.25]],
        "fee_volume_currency": "ZUSD",
        "margin_call": 80,
        "margin_stop": 40,
        "ordermin": "0.00005",
        "costmin": "0.5",
        "tick_size": str(10**-pair.price_decimals),
        "status": "online",
    }


def _answer(result: dict[str, Any]) -> web.Response:
    return web.json_response({"error": [], "result": result})
