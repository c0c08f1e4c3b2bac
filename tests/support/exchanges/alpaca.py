"""A stand-in for Alpaca: assets, bars and latest quotes over REST, and the stream of quotes."""

import asyncio
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgpack
from aiohttp import WSMessage, WSMsgType, web

from tests.support.exchanges.server import Connection, StandIn

KEY, SECRET = "PKTEST", "secret-of-the-test"
STREAMED_MAX = 30
TRICKLE_SECONDS = 0.05
OPENS, CLOSES = timedelta(hours=14, minutes=30), timedelta(hours=21)
_LENGTHS = {
    "1Min": timedelta(minutes=1),
    "5Min": timedelta(minutes=5),
    "15Min": timedelta(minutes=15),
    "1Hour": timedelta(hours=1),
    "1Day": timedelta(days=1),
}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def packed(*messages: dict[str, Any]) -> bytes:
    """Return a frame of the stream."""
    return bytes(msgpack.packb(list(messages), datetime=True))


class Alpaca(StandIn):
    """Serves some stocks. Bars follow from their time, so any span of them is there.

    `page` is how many bars an answer has at most. After `answers_bars` answers with bars no more
    are sent. Assets that are `trickling` come byte by byte and never whole.
    """

    def __init__(self, *symbols: str) -> None:
        super().__init__()
        self.assets = {name: _asset(name) for name in symbols or ("AAPL", "BRK.B", "SPY")}
        self.latest: dict[str, dict[str, Any]] = {}
        self.signed_in: set[Connection] = set()
        self.bars_from = datetime(2016, 1, 4, tzinfo=UTC)
        self.page = 10_000
        self.trickling = set[str]()
        self.answers_bars = 1_000_000
        self.greeting = packed({"T": "success", "msg": "connected"})

    def routes(self) -> Iterable[web.RouteDef]:
        return [
            web.get("/v2/iex", self.serve_socket),
            web.get("/v2/sip", self.serve_socket),
            web.get("/v2/assets/{symbol}", self._get_asset),
            web.get("/v2/stocks/quotes/latest", self._get_latest),
            web.get("/v2/stocks/bars", self._get_bars),
        ]

    async def quote(self, symbol: str, bid: float, ask: float, **fields: Any) -> None:
        """Publish the best bid and ask of a stock; it is the latest one from then on."""
        made = quote(bid, ask, **fields)
        self.latest[symbol] = made
        await self.send(packed({"T": "q", "S": symbol, **made}), symbol)

    async def take(self, connection: Connection, message: dict[str, Any]) -> None:
        if message["action"] == "auth":
            self.signed_in &= set(self.connections)
            if (message["key"], message["secret"]) != (KEY, SECRET):
                await connection.send(_error(402, "auth failed"))
            elif self.signed_in:
                await connection.send(_error(406, "connection limit exceeded"))
            else:
                self.signed_in.add(connection)
                await connection.send(packed({"T": "success", "msg": "authenticated"}))
            return
        symbols = message["quotes"]
        if connection.path == "/v2/iex" and len(symbols) > STREAMED_MAX:
            await connection.send(_error(405, "symbol limit exceeded"))
            return
        await connection.send(packed({"T": "subscription", "trades": [], "quotes": symbols}))
        for symbol in symbols:
            self.subscribe(connection, symbol)

    async def _take(self, connection: Connection, message: WSMessage) -> None:
        if message.type is WSMsgType.BINARY and not self.silent:
            await self.take(connection, msgpack.unpackb(message.data))
        else:
            await super()._take(connection, message)

    async def _get_asset(self, request: web.Request) -> web.StreamResponse:
        if not _is_signed_in(request):
            return web.json_response({"message": "forbidden."}, status=403)
        symbol = request.match_info["symbol"]
        if symbol in self.trickling:
            return await self._trickle(request, symbol)
        if symbol not in self.assets:
            text = f"asset not found for {symbol}"
            return web.json_response({"code": 40410000, "message": text}, status=404)
        return web.json_response(self.assets[symbol])

    async def _trickle(self, request: web.Request, symbol: str) -> web.StreamResponse:
        """Send an answer without an end, a byte at a time."""
        answer = web.StreamResponse()
        await answer.prepare(request)
        while symbol in self.trickling:
            await answer.write(b" ")
            await asyncio.sleep(TRICKLE_SECONDS)
        return answer

    async def _get_latest(self, request: web.Request) -> web.Response:
        found = {
            symbol: {
                **self.latest[symbol],
                "t": f"{self.latest[symbol]['t']:%Y-%m-%dT%H:%M:%S.%f}789Z",
            }
            for symbol in request.query["symbols"].split(",")
            if symbol in self.latest
        }
        return web.json_response({"quotes": found})

    async def _get_bars(self, request: web.Request) -> web.Response:
        if not _is_signed_in(request):
            return web.json_response({"message": "forbidden."}, status=403)
        asked = request.query
        begin = datetime.fromisoformat(asked.get("page_token") or asked["start"])
        end = datetime.fromisoformat(asked["end"])
        if asked["feed"] == "sip" and end > datetime.now(UTC) - timedelta(minutes=15):
            text = "subscription does not permit querying recent SIP data"
            return web.json_response({"message": text}, status=403)
        self.answers_bars -= 1
        self.notify()
        await self.until(lambda: self.answers_bars >= 0)
        length, limit = _LENGTHS[asked["timeframe"]], min(int(asked["limit"]), self.page)
        bars = list(_bars(max(begin, self.bars_from), end, length, limit + 1))
        token = bars[limit]["t"] if len(bars) > limit else None
        answer = {"bars": {asked["symbols"]: bars[:limit]} if bars else {}}
        return web.json_response({**answer, "next_page_token": token})


def quote(bid: float, ask: float, **fields: Any) -> dict[str, Any]:
    """Return a quote of now, unless told otherwise, without its symbol."""
    return {
        "bx": "V",
        "bp": bid,
        "bs": 3,
        "ax": "V",
        "ap": ask,
        "as": 2,
        "c": ["R"],
        "z": "C",
        "t": datetime.now(UTC),
        **fields,
    }


def bars_between(begin: datetime, end: datetime, length: timedelta) -> Sequence[dict[str, Any]]:
    """Return all bars of a span, as the stand-in has them."""
    return list(_bars(begin, end, length, 10_000_000))


def _bars(
    begin: datetime, end: datetime, length: timedelta, limit: int
) -> Iterable[dict[str, Any]]:
    """Yield bars of weekdays: of the opening hours, or one at midnight in New York."""
    time = begin + (_EPOCH - begin) % length
    is_daily = length == timedelta(days=1)
    if is_daily:
        time = begin + (_EPOCH + timedelta(hours=5) - begin) % length
    while time <= end and limit:
        of_day = (time - _EPOCH) % timedelta(days=1)
        if time.weekday() < 5 and (is_daily or OPENS <= of_day < CLOSES):
            number = (time - _EPOCH) // length
            price = 100 + number % 997 / 100
            yield {
                "t": f"{time:%Y-%m-%dT%H:%M:%SZ}",
                "o": price,
                "h": round(price + 0.5, 2),
                "l": round(price - 0.25, 2),
                "c": round(price + 0.07, 2),
                "v": 100 + number % 50,
                "n": 12,
                "vw": price + 0.001,
            }
            limit -= 1
        time += length


def _is_signed_in(request: web.Request) -> bool:
    names = ("APCA-API-KEY-ID", "APCA-API-SECRET-KEY")
    return tuple(request.headers.get(name) for name in names) == (KEY, SECRET)


def _error(code: int, message: str) -> bytes:
    return packed({"T": "error", "code": code, "msg": message})


def _asset(symbol: str) -> dict[str, Any]:
    return {
        "id": "b0b6dd9d-8b9b-48a9-ba46-b9d54906e415",
        "class": "us_equity",
        "exchange": "NASDAQ",
        "symbol": symbol,
        "name": "SPDR S&P 500 ETF Trust" if symbol == "SPY" else f"{symbol} Inc. Common Stock",
        "status": "active",
        "tradable": True,
        "marginable": True,
        "shortable": True,
        "easy_to_borrow": True,
        "fractionable": symbol != "BRK.B",
        "attributes": [],
    }
