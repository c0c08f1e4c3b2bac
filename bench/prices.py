"""Who tells the prices of a bench of feeds: stand-ins of the tests in this process, or a pipe."""

import itertools
import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from string import ascii_uppercase
from typing import Any
from unittest.mock import patch

from bottrading_feeds.alpaca_source import KEY_VARIABLES
from tests.support.exchanges.alpaca import KEY, SECRET, STREAMED_MAX, Alpaca
from tests.support.exchanges.kraken import Kraken, Pair

SYMBOLS = 100


async def _at_once(*_: str) -> None:
    """Wait for nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """A source of prices; `quote` sends the bid and the ask of a symbol, as numbers.

    `serve` needs the options, the settings and the standard input. `until_subscribed` waits until
    the feed listens to the symbols.
    """

    symbols: list[str]
    options: tuple[str, ...]
    settings: Mapping[str, Any] = field(default_factory=dict)
    stdin: int | None = None
    quote: Callable[[str, float, float], Awaitable[None]]
    until_subscribed: Callable[..., Awaitable[None]] = _at_once


@asynccontextmanager
async def kraken(_: Path) -> AsyncIterator[Prices]:
    """Stand in for Kraken, whose prices come through ccxt."""
    pairs = [Pair(f"C{number:02}/USD", price_decimals=2) for number in range(SYMBOLS)]
    symbols = [pair.symbol for pair in pairs]
    async with Kraken(*pairs) as exchange:
        yield Prices(
            symbols=symbols,
            options=("--feed", "ccxt:kraken", "--feed-symbols", ",".join(symbols)),
            settings={"feed_urls": exchange.url},
            quote=exchange.quote,
            until_subscribed=exchange.until_subscribed,
        )


@asynccontextmanager
async def alpaca(_: Path) -> AsyncIterator[Prices]:
    """Stand in for Alpaca, with as many stocks as a free account may stream."""
    names = itertools.product("ABC", ascii_uppercase)
    symbols = ["".join(name) for name in itertools.islice(names, STREAMED_MAX)]
    keys = dict(zip(KEY_VARIABLES, (KEY, SECRET), strict=True))
    async with Alpaca(*symbols) as broker:
        with patch.dict(os.environ, keys):
            yield Prices(
                symbols=symbols,
                options=("--feed", "alpaca", "--feed-symbols", ",".join(symbols)),
                settings={"feed_urls": broker.url, "sessions": "always-open"},
                quote=broker.quote,
                until_subscribed=broker.until_subscribed,
            )


@asynccontextmanager
async def lines(directory: Path) -> AsyncIterator[Prices]:
    """Write JSON lines to a pipe."""
    symbols = [f"C{number:02}-USD" for number in range(SYMBOLS)]
    universe = directory / "lines.toml"
    entries = [
        f'{it} = {{ name = "{it}", price_tick = 0.01, quantity_step = 0.01 }}' for it in symbols
    ]
    universe.write_text("\n".join(["[CRYPTO]", *entries, ""]))
    read, write = os.pipe()

    async def quote(symbol: str, bid: float, ask: float) -> None:
        fields = {"symbol": symbol, "bid": f"{bid:.2f}", "ask": f"{ask:.2f}"}
        os.write(write, f"{json.dumps(fields)}\n".encode())

    try:
        yield Prices(
            symbols=symbols,
            options=("--feed", "lines"),
            settings={"universe_file": str(universe)},
            stdin=read,
            quote=quote,
        )
    finally:
        os.close(read)
        os.close(write)
