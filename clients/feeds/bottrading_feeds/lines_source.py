"""The source `lines`: JSON lines or CSV on standard input, from any program that knows prices."""

import asyncio
import csv
import json
import os
import threading
from collections.abc import AsyncIterator, Mapping, Sequence
from concurrent.futures import CancelledError
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from functools import partial
from typing import Any

from bottrading_feeds.port import (
    Candle,
    Listing,
    SourceEnded,
    SourceError,
    Tell,
    Tick,
    Unreadable,
)

STANDARD_INPUT = 0
CHUNK_BYTES = 65_536
LINE_BYTES_MAX = 65_536
SHOWN_CHARACTERS = 80
PRICES = ("bid", "bid_size", "ask", "ask_size", "last")
FORM = (
    'write JSON lines such as {"symbol": "BTC-USD", "bid": "100.1", "ask": "100.2"}, or CSV with'
    " the header symbol,bid,ask: bid_size, ask_size, last and time are optional"
)
EPOCH_UNITS = (1, 1_000, 1_000_000, 1_000_000_000)
"""Epoch times are in seconds, milliseconds, microseconds or nanoseconds."""
EPOCH_SECONDS_MAX = 10_000_000_000


def open_source(argument: str, urls: Mapping[str, str]) -> "LinesSource":
    """Return the source that reads standard input."""
    del argument, urls
    return LinesSource(STANDARD_INPUT)


class LinesSource:
    """Reads lines from a descriptor until its end; a stream goes on where the last one stopped."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._taken: asyncio.Queue[bytes] | None = None

    async def instruments(self, symbols: Sequence[str]) -> list[Listing]:
        """Raise SourceError: lines hold prices alone."""
        raise SourceError("lines does not describe instruments: name those of a universe file")

    async def stream(self, listings: Sequence[Listing], tell: Tell) -> None:
        """Tell a tick for each line; raise SourceEnded at the end of the input."""
        read = Lines(tell, {name: it.symbol for it in listings for name in names(it)})
        if self._taken is None:
            self._taken = asyncio.Queue[bytes](1)
            pump = partial(self._pump, self._taken, asyncio.get_running_loop())
            # A read of standard input cannot be interrupted, so nobody waits for its thread.
            threading.Thread(target=pump, name="lines", daemon=True).start()
        while chunk := await self._taken.get():
            read(chunk)
        read(b"\n")
        raise SourceEnded("the lines on standard input have ended")

    def _pump(self, taken: "asyncio.Queue[bytes]", loop: asyncio.AbstractEventLoop) -> None:
        try:
            chunk = b"-"
            while chunk:
                chunk = os.read(self._descriptor, CHUNK_BYTES)
                asyncio.run_coroutine_threadsafe(taken.put(chunk), loop).result()
        except (RuntimeError, CancelledError):
            """The loop is closed."""

    def candles(
        self, listing: Listing, interval: str, since: datetime, until: datetime
    ) -> AsyncIterator[Sequence[Candle]]:
        """Raise SourceError: lines hold prices of now."""
        raise SourceError("lines has no history: choose another source")

    async def close(self) -> None:
        """Do nothing: the input belongs to the process."""


def names(listing: Listing) -> tuple[str, str]:
    """Return the names by which lines may call an instrument."""
    return listing.symbol, listing.source_symbol


class Lines:
    """Cuts chunks of bytes into lines, and tells what each says.

    `symbols` maps the names that lines may use to the venue's symbols. A symbol that is not in it
    is told as it is.
    """

    def __init__(self, tell: Tell, symbols: Mapping[str, str]) -> None:
        self._tell = tell
        self._symbols = symbols
        self._begun = b""
        self._header: list[str] | None = None
        self._is_too_long = False
        """Whether the end of a line is awaited whose beginning was dropped."""

    def __call__(self, chunk: bytes) -> None:
        """Take the next bytes; the last line waits until its end comes."""
        *lines, self._begun = (self._begun + chunk).split(b"\n")
        for line in lines:
            self._take(line)
        if len(self._begun) > LINE_BYTES_MAX:
            if not self._is_too_long:
                self._tell(Unreadable(_text(self._begun)[:SHOWN_CHARACTERS]))
            self._is_too_long, self._begun = True, b""

    def _take(self, line: bytes) -> None:
        is_rest, self._is_too_long = self._is_too_long, False
        text = _text(line)
        if is_rest or not text:
            return
        try:
            fields = self._fields(text)
            if fields is not None:
                self._tell(tick_of(fields, self._symbols))
        except (ValueError, TypeError, ArithmeticError, RecursionError, csv.Error):
            self._tell(Unreadable(text[:SHOWN_CHARACTERS]))

    def _fields(self, text: str) -> Mapping[str, Any] | None:
        if text.startswith("{"):
            return dict(json.loads(text, parse_float=Decimal))
        [row] = csv.reader([text], strict=True)
        row = [cell.strip() for cell in row]
        if {"symbol"} < {cell.lower() for cell in row}:
            self._header = [cell.lower() for cell in row]
            return None
        if self._header is None or len(row) != len(self._header):
            raise ValueError(FORM)
        return dict(zip(self._header, row, strict=True))


def _text(line: bytes) -> str:
    return line.decode("utf-8-sig", "replace").strip()


def tick_of(fields: Mapping[str, Any], symbols: Mapping[str, str]) -> Tick:
    """Return the tick of a line's fields; raise ValueError for fields that are none."""
    symbol = fields.get("symbol")
    if not isinstance(symbol, str) or not symbol:
        raise ValueError(FORM)
    prices = {name: _decimal(fields.get(name)) for name in PRICES}
    return Tick(symbol=symbols.get(symbol, symbol), time=_time(fields.get("time")), **prices)


def _decimal(value: object) -> Decimal | None:
    if value is None or value == "":
        return None
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        raise ValueError(FORM)
    return Decimal(value)


def _time(value: object) -> datetime | None:
    """Read a time: ISO 8601 with its offset, or a number since 1970 in UTC."""
    if value is None or value == "":
        return None
    try:
        number = _decimal(value)
    except InvalidOperation:
        time = datetime.fromisoformat(str(value))
        if time.tzinfo is None:
            raise ValueError("a time needs its offset, such as 2026-01-02T09:30:00Z") from None
        return time.astimezone(UTC)
    if number is None or not 0 <= number < EPOCH_SECONDS_MAX * EPOCH_UNITS[-1]:
        raise ValueError(FORM)
    unit = next(unit for unit in EPOCH_UNITS if number < EPOCH_SECONDS_MAX * unit)
    whole, part = divmod(int(number * 1_000_000 / unit), 1_000_000)
    return datetime.fromtimestamp(whole, UTC).replace(microsecond=part)
