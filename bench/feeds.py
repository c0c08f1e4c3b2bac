"""Live prices under load: from an exchange's message to the fill of a resting order.

`python -m bench.feeds` prints the figures alone. The exchanges are the stand-ins of the tests, in
this process; `serve --feed` runs beside them, with the unmodified libraries.
"""

import asyncio
import itertools
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, TypeVar

import grpc

from bench.prices import SYMBOLS, Prices, alpaca, kraken, lines
from bottrading.v1 import (
    bot_trading_pb2,
    bot_trading_pb2_grpc,
    market_data_pb2,
    market_data_pb2_grpc,
    order_pb2,
)
from tests.support.exchanges.alpaca import STREAMED_MAX
from tests.support.process import Process, make_key

STEADY_RATE, HIGH_RATE = 10, 50
"""Messages a second for each symbol."""

STEADY_SECONDS, HIGH_SECONDS = 20, 10
SAMPLES_A_SECOND = 10
BURST = 50_000
TICK_SECONDS = 0.01
START_SECONDS_MAX = 180.0
WAIT_SECONDS_MAX = 60.0
BUY = order_pb2.SIDE_BUY
LIMIT = order_pb2.ORDER_TYPE_LIMIT

Source = Callable[[Path], AbstractAsyncContextManager[Prices]]
Found = TypeVar("Found")


@dataclass(frozen=True, slots=True)
class Latencies:
    """Milliseconds from message to fill, under a steady load."""

    p50_ms: float
    p99_ms: float


@dataclass(frozen=True, slots=True)
class Lags:
    """Seconds until the newest price after a load is shown."""

    high_rate: float
    high_lag_s: float
    burst_lag_s: float


def latencies(directory: Path, source: Source) -> Latencies:
    """Run a service on the prices of a source, and measure."""
    return asyncio.run(_measured(directory, source, Load.latencies))


def feeds(directory: Path) -> tuple[Latencies, Lags]:
    """Run a service on the prices that come through ccxt, and measure."""
    return asyncio.run(_measured(directory, kraken, Load.latencies_and_lags))


async def _measured(
    directory: Path, source: Source, measure: "Callable[[Load], Awaitable[Found]]"
) -> Found:
    async with source(directory) as prices:
        service = Process(
            directory / source.__name__,
            *prices.options,
            stdin=prices.stdin,
            wait=False,
            orders_per_minute="0",
            requests_per_minute="0",
            fees="none",
            log_calls="false",
            **prices.settings,
        )
        for symbol in prices.symbols:
            await prices.quote(symbol, 99, 100)
        await asyncio.to_thread(service.start)
        try:
            async with asyncio.timeout(START_SECONDS_MAX):
                # The libraries take seconds to load.
                while not await asyncio.to_thread(service.is_serving):  # noqa: ASYNC110 — no event
                    await asyncio.sleep(TICK_SECONDS)
            key = await asyncio.to_thread(make_key, service)
            async with asyncio.timeout(WAIT_SECONDS_MAX):
                await prices.until_subscribed(*prices.symbols)
            async with grpc.aio.insecure_channel(service.grpc) as channel:
                load = Load(prices, channel, key)
                await load.begin()
                return await measure(load)
        finally:
            await asyncio.to_thread(service.__exit__, None, None, None)


class Load:
    """Sends prices as the source, and trades as a bot."""

    def __init__(self, prices: Prices, channel: grpc.aio.Channel, key: str) -> None:
        self._source = prices
        self._symbols = prices.symbols
        self._trading = bot_trading_pb2_grpc.BotTradingStub(channel)
        self._market = market_data_pb2_grpc.MarketDataStub(channel)
        self._metadata = (("x-bot-key", key),)
        self._prices = itertools.count()
        self._sent = 0
        self._awaited = ""
        """The symbol of the order that waits: a price that is overtaken is not published."""

    async def begin(self) -> None:
        """Wait until the prices arrive."""
        await self._until_shown(self._symbols[0], await self._move(self._symbols[0]))

    async def latencies(self) -> Latencies:
        took = await self._latencies()
        return Latencies(
            p50_ms=1000 * median(took), p99_ms=1000 * sorted(took)[int(len(took) * 0.99)]
        )

    async def latencies_and_lags(self) -> tuple[Latencies, Lags]:
        return await self.latencies(), await self._lags()

    async def _lags(self) -> Lags:
        begun, before = time.perf_counter(), self._sent
        await self._send(HIGH_RATE, HIGH_SECONDS)
        high_rate = (self._sent - before) / (time.perf_counter() - begun)
        high_lag = await self._lag()
        for number in range(BURST):
            await self._move(self._symbols[number % len(self._symbols)])
            if not number % 1000:
                await asyncio.sleep(0)
        burst_lag = await self._lag()
        return Lags(high_rate=high_rate, high_lag_s=high_lag, burst_lag_s=burst_lag)

    async def _latencies(self) -> list[float]:
        """Return the seconds from a message to the fill that it causes, under a steady load."""
        loading = asyncio.ensure_future(self._send(STEADY_RATE, STEADY_SECONDS))
        stream = self._trading.StreamOrderUpdates(
            bot_trading_pb2.StreamOrderUpdatesRequest(after_sequence=0), metadata=self._metadata
        )
        filled: dict[str, asyncio.Future[float]] = {}
        following = asyncio.ensure_future(_follow(stream, filled))
        latencies = []
        try:
            while not loading.done():
                latencies.append(await self._latency(filled))
                await asyncio.sleep(1 / SAMPLES_A_SECOND)
            await loading
        finally:
            following.cancel()
            stream.cancel()
        return latencies

    async def _latency(self, filled: dict[str, "asyncio.Future[float]"]) -> float:
        symbol = self._symbols[next(self._prices) % len(self._symbols)]
        request = bot_trading_pb2.PlaceOrderRequest(
            symbol=symbol, side=BUY, quantity="0.01", order_type=LIMIT, limit_price="50"
        )
        answer = await self._trading.PlaceOrder(request, metadata=self._metadata)
        done = filled.setdefault(answer.order.id, asyncio.get_running_loop().create_future())
        begun = time.perf_counter()
        self._awaited = symbol
        await self._source.quote(symbol, 49, 50)
        async with asyncio.timeout(WAIT_SECONDS_MAX):
            took = await done - begun
        self._awaited = ""
        return took

    async def _send(self, rate: int, seconds: float) -> None:
        """Send messages for all symbols at a rate, in small portions."""
        loop = asyncio.get_running_loop()
        begun, sent = loop.time(), 0
        while (passed := loop.time() - begun) < seconds:
            due = int(passed * rate * len(self._symbols)) - sent
            for _ in range(due):
                symbol = self._symbols[sent % len(self._symbols)]
                if symbol != self._awaited:
                    await self._move(symbol)
                sent += 1
            await asyncio.sleep(TICK_SECONDS)

    async def _move(self, symbol: str) -> float:
        """Send another price, between 99 and 199; return it."""
        ask = 100 + next(self._prices) % 9_900 / 100
        self._sent += 1
        await self._source.quote(symbol, ask - 1, ask)
        return ask

    async def _lag(self) -> float:
        """Return the seconds until a price that is sent now is shown."""
        begun, symbol = time.perf_counter(), self._symbols[-1]
        await self._source.quote(symbol, 299, 300)
        await self._until_shown(symbol, 300)
        return time.perf_counter() - begun

    async def _until_shown(self, symbol: str, ask: float) -> None:
        request = market_data_pb2.GetQuoteRequest(symbol=symbol)
        async with asyncio.timeout(WAIT_SECONDS_MAX):
            while True:
                try:
                    shown = await self._market.GetQuote(request, metadata=self._metadata)
                    if float(shown.quote.ask) == round(ask, 2):
                        return
                except grpc.aio.AioRpcError as error:
                    if error.code() is not grpc.StatusCode.NOT_FOUND:
                        raise
                await asyncio.sleep(TICK_SECONDS)


async def _follow(stream: Any, filled: dict[str, "asyncio.Future[float]"]) -> None:
    loop = asyncio.get_running_loop()
    async for message in stream:
        order = message.order_update.order
        if order.status == order_pb2.ORDER_STATUS_FILLED:
            done = filled.setdefault(order.id, loop.create_future())
            if not done.done():
                done.set_result(time.perf_counter())


def rows() -> list[tuple[str, str, str]]:
    """Measure in a new directory; return the rows of the table."""
    with tempfile.TemporaryDirectory(dir=Path.cwd(), prefix=".bench-") as name:
        directory = Path(name)
        through_ccxt, lags = feeds(directory)
        of_stocks, of_lines = latencies(directory, alpaca), latencies(directory, lines)
    return [
        *_rows("ccxt", SYMBOLS, through_ccxt),
        (
            f"shown after {HIGH_SECONDS} s, ms",
            f"{1000 * lags.high_lag_s:.0f}",
            f"{lags.high_rate:.0f} messages/s through ccxt (no lag)",
        ),
        (f"shown after {BURST}, s", f"{lags.burst_lag_s:.1f}", "a burst at once through ccxt"),
        *_rows("alpaca", STREAMED_MAX, of_stocks),
        *_rows("lines", SYMBOLS, of_lines),
    ]


def _rows(name: str, symbols: int, found: Latencies) -> list[tuple[str, str, str]]:
    load = f"{name}: {symbols} symbols, {STEADY_RATE} messages/s each"
    return [
        ("message to fill, p50 ms", f"{found.p50_ms:.1f}", load),
        ("message to fill, p99 ms", f"{found.p99_ms:.1f}", f"{load} (≤ 50)"),
    ]


def main() -> None:
    """Print the figures."""
    for what, figure, note in rows():
        print(f"{what:<32} {figure:>10}  {note}")


if __name__ == "__main__":
    main()
