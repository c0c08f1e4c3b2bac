"""US stocks and funds as a source, through Alpaca's own library, with a free key."""

import asyncio
import os
import re
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from functools import partial
from typing import Any, TypeVar

from alpaca.common.exceptions import APIError
from alpaca.data.enums import Adjustment, DataFeed
from alpaca.data.historical import StockHistoricalDataClient
from alpaca.data.live import StockDataStream
from alpaca.data.requests import StockBarsRequest, StockLatestQuoteRequest
from alpaca.data.timeframe import TimeFrame, TimeFrameUnit
from alpaca.trading.client import TradingClient

from bottrading_feeds.logs import plain
from bottrading_feeds.port import Alive, Candle, Listing, SourceError, Tell, Tick, Unreadable
from bottrading_feeds.sources import Urls

KEY_VARIABLES = ("APCA_API_KEY_ID", "APCA_API_SECRET_KEY")
LIVE_KEY_PREFIX = "AK"
"""Keys of accounts with real money begin so; those of paper accounts belong to another server."""

REQUEST_SECONDS = 15
"""How long a server may be silent."""

ANSWER_SECONDS_MAX = 120.0
"""How long an answer may take, with what the library repeats by itself."""

PING_SECONDS = 5.0
PONG_SECONDS = 20.0
BARS_A_PAGE = 10_000
WITHHELD = timedelta(minutes=16)
"""Without a subscription, consolidated bars of the last quarter of an hour are refused."""

PRICE_TICK = Decimal("0.01")
FRACTION = Decimal("0.00000001")
SHOWN_CHARACTERS = 80

_TIMEFRAMES = {
    "1m": TimeFrame(1, TimeFrameUnit.Minute),
    "5m": TimeFrame(5, TimeFrameUnit.Minute),
    "15m": TimeFrame(15, TimeFrameUnit.Minute),
    "1h": TimeFrame(1, TimeFrameUnit.Hour),
    "1d": TimeFrame(1, TimeFrameUnit.Day),
}
_SYMBOL = re.compile(r"[A-Z]{1,6}(?:\.[A-Z]{1,3})?")
_FUND = re.compile(r"\bETFs?\b")
_HOPELESS = ("auth failed", "authenticate", "insufficient subscription", "symbol limit")
"""Parts of the stream's refusals that another try does not change."""

_UNREADABLE = (KeyError, TypeError, ValueError, AttributeError, InvalidOperation, OverflowError)

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """Keys and addresses; None is the library's own address."""

    key: str
    secret: str
    feed: DataFeed
    trading: str | None
    data: str | None
    stream: str | None


def open_source(
    argument: str, urls: Urls, environment: Mapping[str, str] = os.environ
) -> "AlpacaSource":
    """Return the source of a feed: `iex`, which is free and the default, or `sip`.

    `urls` may name `trading`, `data` and `stream`.
    """
    try:
        feed = DataFeed(argument or "iex")
        if feed not in (DataFeed.IEX, DataFeed.SIP):
            raise ValueError(feed)
    except ValueError:
        raise SourceError(f"alpaca has no feed {argument!r}: choose iex or sip") from None
    missing = [name for name in KEY_VARIABLES if not environment.get(name)]
    if missing:
        raise SourceError(
            f"alpaca needs the environment variable {missing[0]}: a free account at"
            " https://alpaca.markets has such keys"
        )
    key, secret = (environment[name] for name in KEY_VARIABLES)
    every = urls.get("")
    return AlpacaSource(
        Access(
            key=key,
            secret=secret,
            feed=feed,
            trading=urls.get("trading", every),
            data=urls.get("data", every),
            stream=urls.get("stream", every),
        )
    )


class AlpacaSource:
    """Alpaca's stocks and funds. The library's requests are synchronous: they run in a thread."""

    def __init__(self, access: Access) -> None:
        self._access = access
        self._trading = _Trading(
            access.key,
            access.secret,
            paper=not access.key.startswith(LIVE_KEY_PREFIX),
            raw_data=True,
            url_override=access.trading,
        )
        self._data = _Data(access.key, access.secret, raw_data=True, url_override=access.data)

    async def instruments(self, symbols: Sequence[str]) -> list[Listing]:
        """Return the listings of symbols such as `AAPL` or `BRK.B`, in order."""
        found = [(symbol, await self._asset(symbol)) for symbol in symbols]
        missing = [symbol for symbol, asset in found if asset is None]
        if missing:
            raise SourceError(
                f"alpaca has no stock {', '.join(missing)}: write symbols such as AAPL or BRK.B"
            )
        return [_listing(asset) for _, asset in found if asset is not None]

    async def stream(self, listings: Sequence[Listing], tell: Tell) -> None:
        """Tell the best bid and ask over one connection, first those that hold now."""
        symbols = {listing.source_symbol: listing.symbol for listing in listings}

        async def take(message: Any) -> None:
            tell(_told(message, symbols))

        stream = _Stream(self._access)
        stream.subscribe_quotes(take, *symbols)
        try:
            await stream.begin()
            latest = await self._call(
                self._data.get_stock_latest_quote,
                StockLatestQuoteRequest(symbol_or_symbols=list(symbols), feed=self._access.feed),
            )
            for symbol, quote in latest.items():
                tell(_told({"S": symbol, **quote}, symbols))
            await stream.listen(tell)
        finally:
            await stream.close()

    async def candles(
        self, listing: Listing, interval: str, since: datetime, until: datetime
    ) -> AsyncIterator[Sequence[Candle]]:
        """Yield consolidated bars of all exchanges, adjusted for splits and dividends."""
        if self._access.feed is not DataFeed.SIP:
            # How recent bars may be depends on the hour of the request, not on a market's clock.
            until = min(until, datetime.now(UTC) - WITHHELD)
        while since < until:
            request = StockBarsRequest(
                symbol_or_symbols=listing.source_symbol,
                timeframe=_TIMEFRAMES[interval],
                start=since,
                end=until - timedelta(microseconds=1),
                limit=BARS_A_PAGE,
                adjustment=Adjustment.ALL,
                feed=DataFeed.SIP,
            )
            bars = await self._call(self._data.get_stock_bars, request)
            page = [_candle(bar) for bar in bars.get(listing.source_symbol, ())]
            if page:
                yield page
            if len(page) < BARS_A_PAGE:
                return
            since = page[-1].time + timedelta(microseconds=1)

    async def close(self) -> None:
        """Do nothing: each connection is closed where it was opened."""

    async def _asset(self, symbol: str) -> dict[str, Any] | None:
        name = symbol.strip().upper().replace("-", ".")
        if _SYMBOL.fullmatch(name) is None:
            return None
        try:
            asset = await self._call(self._trading.get_asset, name)
        except APIError as error:
            if error.status_code == 404:
                return None
            raise
        return asset if asset["class"] == "us_equity" and asset["status"] == "active" else None

    async def _call(self, method: Callable[..., Any], argument: object) -> Any:
        """Call a method of the library in a thread of its own.

        Nobody can end the thread while a server sends its answer byte by byte. So no pool waits for
        it, nor does the end of the process.
        """
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Any] = loop.create_future()

        def work() -> None:
            try:
                found = partial(_settle, answer, method(argument), None)
            except Exception as error:
                found = partial(_settle, answer, None, error)
            with suppress(RuntimeError):  # The loop is closed.
                loop.call_soon_threadsafe(found)

        threading.Thread(target=work, name="alpaca", daemon=True).start()
        with _refusals():
            async with asyncio.timeout(ANSWER_SECONDS_MAX):
                return await answer


def _settle(answer: "asyncio.Future[Any]", found: Any, error: Exception | None) -> None:
    if answer.done():
        return
    if error is None:
        answer.set_result(found)
    else:
        answer.set_exception(error)


class _PatientRequests:
    """Gives up on a server that does not answer; the library alone would wait for ever."""

    def _one_request(self, method: str, url: str, opts: dict[str, Any], retry: int) -> Any:
        given = opts | {"timeout": REQUEST_SECONDS}
        return super()._one_request(method, url, given, retry)  # type: ignore[misc]


class _Trading(_PatientRequests, TradingClient):
    pass


class _Data(_PatientRequests, StockHistoricalDataClient):
    pass


class _Stream(StockDataStream):
    """One connection of the library's stream, which by itself would connect again and again."""

    def __init__(self, access: Access) -> None:
        base = access.stream and re.sub("^http", "ws", access.stream)
        super().__init__(
            access.key,
            access.secret,
            raw_data=True,
            feed=access.feed,
            websocket_params={"ping_interval": None, "max_queue": 1024, "open_timeout": 20},
            url_override=base and f"{base}/v2/{access.feed.value}",
        )

    async def begin(self) -> None:
        """Connect, sign in and subscribe."""
        try:
            await self._start_ws()
        except ValueError as error:
            raise _problem(str(error)) from error
        await self._send_subscribe_msg()

    async def listen(self, tell: Tell) -> None:
        """Take messages until the connection is lost; pongs show that it is not."""
        pings = asyncio.ensure_future(self._ping(tell))
        messages = asyncio.ensure_future(self._take(tell))
        try:
            done, _ = await asyncio.wait({pings, messages}, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in (pings, messages):
                task.cancel()
            # In Python 3.11 a message that comes at this moment lets the library ignore the cancel.
            await self.close()
            await asyncio.gather(pings, messages, return_exceptions=True)

    async def close(self) -> None:
        """Close the connection, and wait no longer than necessary for a lost one."""
        if self._ws is not None:
            self._ws.close_timeout = 1
        with suppress(Exception):
            await super().close()

    async def _ping(self, tell: Tell) -> None:
        socket: Any = self._ws
        while True:
            async with asyncio.timeout(PONG_SECONDS):
                await (await socket.ping())
            tell(Alive())
            await asyncio.sleep(PING_SECONDS)

    async def _take(self, tell: Tell) -> None:
        try:
            await self._consume()
        except _UNREADABLE as error:
            # The library cannot read on after a message that is none, nor after `close`.
            if self._ws is not None:
                tell(Unreadable(f"{type(error).__name__}: {error}"[:SHOWN_CHARACTERS]))
            raise

    async def _dispatch(self, msg: dict[str, Any]) -> None:
        if msg.get("T") == "error":
            raise _problem(str(msg.get("msg")))
        await super()._dispatch(msg)


def _problem(told: str) -> Exception:
    message = plain(told)[:200]
    if not any(part in message for part in _HOPELESS):
        return ConnectionError(message)
    if "limit" in message:
        return SourceError(
            f"alpaca: {message}: a free account streams 30 symbols: name fewer, or subscribe"
        )
    return SourceError(f"alpaca: {message}: check {' and '.join(KEY_VARIABLES)}, and your plan")


@contextmanager
def _refusals() -> Iterator[None]:
    """Tell in one line what another try does not change."""
    try:
        yield
    except APIError as error:
        if error.status_code not in (401, 403, 422):
            raise
        message = str(error)
        with suppress(*_UNREADABLE):
            message = str(error.message)
        text = plain(message)[:200]
        raise SourceError(
            f"alpaca refuses the request ({error.status_code}: {text}): check"
            f" {' and '.join(KEY_VARIABLES)}, and your plan"
        ) from None


def _listing(asset: Mapping[str, Any]) -> Listing:
    symbol, name = str(asset["symbol"]), str(asset.get("name") or "")
    return Listing(
        symbol=symbol,
        source_symbol=symbol,
        name=name.removesuffix(" Common Stock") or symbol,
        asset_type="ETF" if _FUND.search(name) else "STOCK",
        price_tick=PRICE_TICK,
        quantity_step=FRACTION if asset.get("fractionable") else Decimal(1),
        session="exchange",
        currency="USD",
    )


def _told(message: Any, symbols: Mapping[str, str]) -> Tick | Unreadable:
    """Return the tick of a quote. A side without a price has the price 0, which makes no quote."""
    try:
        return Tick(
            symbol=symbols[message["S"]],
            bid=_decimal(message["bp"]),
            bid_size=_decimal(message["bs"]),
            ask=_decimal(message["ap"]),
            ask_size=_decimal(message["as"]),
            time=_time(message["t"]),
        )
    except _UNREADABLE:
        return Unreadable(repr(message)[:SHOWN_CHARACTERS])


def _candle(bar: Mapping[str, Any]) -> Candle:
    return Candle(
        time=_time(bar["t"]),
        open=_decimal(bar["o"]),
        high=_decimal(bar["h"]),
        low=_decimal(bar["l"]),
        close=_decimal(bar["c"]),
        volume=_decimal(bar["v"]),
    )


def _decimal(value: object) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(value)
    # The shortest text of a float is the decimal that was sent.
    return Decimal(repr(value))


def _time(value: Any) -> datetime:
    """Read a time: of RFC 3339 with up to nine decimals in JSON, a timestamp in MessagePack."""
    if not isinstance(value, str):
        moment: datetime = value.to_datetime()
        return moment
    return datetime.fromisoformat(re.sub(r"(\.[0-9]{6})[0-9]+", r"\1", value)).astimezone(UTC)
