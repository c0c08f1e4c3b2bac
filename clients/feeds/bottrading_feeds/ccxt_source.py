"""Crypto spot markets as a source: any exchange that the library ccxt knows, without a key."""

import asyncio
import difflib
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

import ccxt.pro

from bottrading_feeds.ccxt_connection import (
    PATIENCE,
    Patience,
    disconnect,
    drop_unreadable,
    in_one_line,
    prepare,
    until_lost,
)
from bottrading_feeds.port import Candle, Listing, SourceError, Tell, Tick, Unreadable
from bottrading_feeds.sources import Urls

COALESCE_SECONDS = 0.005
"""How long updates are collected before they are told: to ask the library costs more than one."""

SHOWN = ("bid", "bidVolume", "ask", "askVolume", "last", "timestamp")
"""What a tick is made of, by the library's names."""

POLL_SECONDS_MIN = 1.0
CANDLES_PER_PAGE = 500
NO_STEP = Decimal("0.00000001")

Watch = Callable[[list[str]], Awaitable[Any]]


def open_source(argument: str, urls: Urls, *, patience: Patience = PATIENCE) -> "CcxtSource":
    """Return the source of an exchange, by ccxt's name for it: `kraken`.

    `urls` may name `rest` and `stream`. Each replaces scheme and host of the exchange's addresses
    of that kind; their paths stay.
    """
    if argument not in ccxt.exchanges:
        suggestion = _did_you_mean([argument], ccxt.exchanges)
        raise SourceError(f"ccxt has no exchange {argument!r}{suggestion}")
    kind = getattr(ccxt.pro if argument in ccxt.pro.exchanges else ccxt.async_support, argument)
    exchange = kind({"enableRateLimit": True, "options": {"defaultType": "spot"}})
    return CcxtSource(prepare(exchange, urls, patience), patience)


class CcxtSource:
    """One exchange. The library keeps its rate limits; the list of its markets is read once."""

    def __init__(self, exchange: Any, patience: Patience) -> None:
        self._exchange = exchange
        self._patience = patience
        self._tickers_have_quotes = True
        self._tell: Tell | None = None
        drop_unreadable(exchange, self._drop)

    async def instruments(self, symbols: Sequence[str]) -> list[Listing]:
        """Return the listings of symbols such as `BTC/USD` or `BTC-USD`, in order."""
        exchange = self._exchange
        with in_one_line(exchange):
            await exchange.load_markets()
        spot = {
            _venue_symbol(market["symbol"]): market
            for market in exchange.markets.values()
            if market["spot"]
        }
        wanted = [_venue_symbol(symbol) for symbol in symbols]
        if missing := [symbol for symbol in wanted if symbol not in spot]:
            suggestion = _did_you_mean(missing, spot)
            raise SourceError(f"{exchange.id} has no spot market {', '.join(missing)}{suggestion}")
        return [_listing(exchange, spot[symbol]) for symbol in wanted]

    async def stream(self, listings: Sequence[Listing], tell: Tell) -> None:
        """Tell ticks over sockets, or by polling where the exchange has none, until one is lost.

        Of several updates that arrive together, the newest one of a symbol is told. Raises
        ConnectionError also if the exchange has sent nothing at all for some time, not even the
        answer to a ping.
        """
        exchange = self._exchange
        symbols = {listing.source_symbol: listing.symbol for listing in listings}
        self._tell = tell
        try:
            with in_one_line(exchange):
                await exchange.load_markets()
                while True:
                    readers = self._readers(symbols, tell)
                    await _first_to_end([*readers, until_lost(exchange, self._patience, tell)])
        finally:
            self._tell = None
            await disconnect(exchange)

    async def candles(
        self, listing: Listing, interval: str, since: datetime, until: datetime
    ) -> AsyncIterator[Sequence[Candle]]:
        """Yield finished candles page by page; what the exchange has no longer is left out."""
        exchange = self._exchange
        timeframes = exchange.timeframes or {}
        if not exchange.has["fetchOHLCV"] or interval not in timeframes:
            having = f"choose one of {', '.join(timeframes)}" if timeframes else "it has none"
            raise SourceError(f"{exchange.id} has no candles of {interval}: {having}")
        with in_one_line(exchange):
            await exchange.load_markets()
        step = exchange.parse_timeframe(interval) * 1000
        length = _page_length(exchange)
        begin, end = _milliseconds(since), _milliseconds(until)
        # A candle that has not ended yet would change later.
        while begin < (stop := min(end, exchange.milliseconds() - step + 1)):
            with in_one_line(exchange):
                rows = await exchange.fetch_ohlcv(listing.source_symbol, interval, begin, length)
            page = {row[0]: row for row in rows if begin <= row[0] < stop}
            read = [_candle(page[time]) for time in sorted(page)]
            if candles := [candle for candle in read if candle is not None]:
                yield candles
            begin = max(page) + step if page else begin + length * step

    async def close(self) -> None:
        """Close connections; takes a quarter of a second."""
        await disconnect(self._exchange)
        await self._exchange.close()

    def _drop(self, text: str) -> None:
        if self._tell is not None:
            self._tell(Unreadable(text))

    def _readers(self, symbols: dict[str, str], tell: Tell) -> list[Coroutine[Any, Any, None]]:
        """Return what reads the exchange: its best prices, else what comes nearest to them."""
        exchange, has = self._exchange, self._exchange.has
        if has.get("watchBidsAsks"):
            return [self._read_tickers(exchange.watch_bids_asks, symbols, tell)]
        if has.get("watchTickers") and self._tickers_have_quotes:
            there_are_books = bool(has.get("watchOrderBook"))
            return [self._read_tickers(exchange.watch_tickers, symbols, tell, ends=there_are_books)]
        if has.get("watchOrderBook"):
            return [self._read_book(name, symbols[name], tell) for name in symbols]
        return [self._poll(symbols, tell)]

    async def _read_tickers(
        self, watch: Watch, symbols: dict[str, str], tell: Tell, *, ends: bool = False
    ) -> None:
        """Tell tickers; if it `ends`, end when one shows neither bid nor ask."""
        exchange = self._exchange
        names = list(symbols)
        told: dict[str, tuple[Any, ...]] = {}
        while True:
            answer = await watch(names)
            await asyncio.sleep(COALESCE_SECONDS)
            best, last = exchange.bidsasks, exchange.tickers
            for name in names:
                ticker = best.get(name) or last.get(name) or answer.get(name)
                # Some exchanges' tickers are changed in place. Most have not changed at all.
                if ticker is None or (shown := tuple(map(ticker.get, SHOWN))) == told.get(name):
                    continue
                told[name] = shown
                tick = _tick(symbols[name], ticker)
                if ends and tick.bid is None and tick.ask is None:
                    self._tickers_have_quotes = False
                    return
                tell(tick)

    async def _read_book(self, name: str, symbol: str, tell: Tell) -> None:
        told = None
        while True:
            book = await self._exchange.watch_order_book(name)
            await asyncio.sleep(COALESCE_SECONDS)
            tick = _tick_of_book(symbol, book)
            if tick != told:
                told = tick
                tell(tick)

    async def _poll(self, symbols: dict[str, str], tell: Tell) -> None:
        exchange, has = self._exchange, self._exchange.has
        names = list(symbols)
        while True:
            if has.get("fetchBidsAsks"):
                tickers = await exchange.fetch_bids_asks(names)
            elif has.get("fetchTickers"):
                tickers = await exchange.fetch_tickers(names)
            else:
                tickers = {name: await exchange.fetch_ticker(name) for name in names}
            for name in names:
                if (ticker := tickers.get(name)) is not None:
                    # What is answered holds now, whenever it came to be so.
                    tell(replace(_tick(symbols[name], ticker), time=None))
            await asyncio.sleep(max(POLL_SECONDS_MIN, exchange.rateLimit / 1000))


async def _first_to_end(work: Sequence[Coroutine[Any, Any, None]]) -> None:
    """Run all until one ends, cancel the others, and raise what that one raised."""
    tasks = [asyncio.create_task(part) for part in work]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in done:
        task.result()


def _listing(exchange: Any, market: Any) -> Listing:
    symbol = market["symbol"]
    return Listing(
        symbol=_venue_symbol(symbol),
        source_symbol=symbol,
        name=f"{symbol} at {exchange.name}",
        asset_type="CRYPTO",
        price_tick=_precision(exchange, market, "price"),
        quantity_step=_precision(exchange, market, "amount"),
        session="always-open",
        currency=market["quote"],
    )


def _precision(exchange: Any, market: Any, of: str) -> Decimal:
    """Return the step of prices or amounts, or a very fine one where it depends on the price."""
    value = _decimal(market["precision"].get(of))
    if value is None or value <= 0 or exchange.precisionMode == ccxt.SIGNIFICANT_DIGITS:
        return NO_STEP
    return value if exchange.precisionMode == ccxt.TICK_SIZE else Decimal(1).scaleb(-int(value))


def _page_length(exchange: Any) -> int:
    spot = (exchange.features or {}).get("spot") or {}
    return int((spot.get("fetchOHLCV") or {}).get("limit") or CANDLES_PER_PAGE)


def _tick(symbol: str, ticker: Any) -> Tick:
    *amounts, time = map(ticker.get, SHOWN)
    bid, bid_size, ask, ask_size, last = map(_decimal, amounts)
    return Tick(
        symbol=symbol,
        bid=bid,
        bid_size=bid_size,
        ask=ask,
        ask_size=ask_size,
        last=last,
        time=_time(time),
    )


def _tick_of_book(symbol: str, book: Any) -> Tick:
    bid, ask = (list(side[0]) if side else [None, None] for side in (book["bids"], book["asks"]))
    return Tick(
        symbol=symbol,
        bid=_decimal(bid[0]),
        bid_size=_decimal(bid[1]),
        ask=_decimal(ask[0]),
        ask_size=_decimal(ask[1]),
        time=_time(book["timestamp"]),
    )


def _candle(row: Sequence[Any]) -> Candle | None:
    time, prices, volume = _time(row[0]), [_decimal(price) for price in row[1:5]], row[5]
    opened, high, low, close = prices
    if time is None or opened is None or high is None or low is None or close is None:
        return None
    return Candle(
        time=time,
        open=opened,
        high=high,
        low=low,
        close=close,
        volume=_decimal(volume) or Decimal(0),
    )


def _decimal(value: Any) -> Decimal | None:
    """Read one of the library's numbers: its shortest decimal form is what the exchange sent."""
    with suppress(InvalidOperation):
        if value is not None and (number := Decimal(str(value))).is_finite():
            return number
    return None


def _time(milliseconds: Any) -> datetime | None:
    with suppress(TypeError, ValueError, OverflowError, OSError):
        return datetime.fromtimestamp(milliseconds / 1000, UTC)
    return None


def _milliseconds(time: datetime) -> int:
    return round(time.timestamp() * 1000)


def _venue_symbol(symbol: str) -> str:
    return symbol.replace("/", "-").upper()


def _did_you_mean(given: Iterable[str], known: Iterable[str]) -> str:
    near = difflib.get_close_matches(next(iter(given)), list(known), n=3)
    return f": did you mean {' or '.join(near)}?" if near else ""
