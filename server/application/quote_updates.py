"""Quote updates: readers learn which of their symbols changed, but not how often."""

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

from server.application.market_feed import QuoteBoard
from server.application.ports import Clock
from server.domain.quote import Quote


class QuoteEncoder(Protocol):
    """Encodes a quote as a message."""

    def __call__(self, value: Quote, *, stale: bool) -> bytes:
        """Return the message to send."""


class QuoteUpdates:
    """Notifies readers of new quotes; each message is encoded once for all readers.

    A slow reader skips quotes: each read gives it the newest quote of a symbol.
    """

    def __init__(self, board: QuoteBoard, clock: Clock, encode: QuoteEncoder) -> None:
        self._board = board
        self._clock = clock
        self._encode = encode
        self._readers: dict[str, set[QuoteReader]] = {}
        self._messages: dict[str, tuple[Quote, bool, bytes]] = {}

    @contextmanager
    def reader(self, symbols: Sequence[str]) -> "Iterator[QuoteReader]":
        """Yield a reader of some symbols; at first all of them count as changed."""
        reader = QuoteReader(symbols)
        for symbol in symbols:
            self._readers.setdefault(symbol, set()).add(reader)
        try:
            yield reader
        finally:
            for symbol in set(symbols):
                self._readers[symbol].discard(reader)
                if not self._readers[symbol]:
                    del self._readers[symbol]

    def notify(self, symbols: Iterable[str]) -> None:
        """Mark symbols as changed for their readers."""
        for symbol in symbols:
            for reader in self._readers.get(symbol, ()):
                reader.changed[symbol] = None
                reader.woken.set()

    def message(self, symbol: str) -> bytes | None:
        """Return the message of a symbol's newest quote; None while there is no quote."""
        quote = self._board.get(symbol)
        if quote is None:
            return None
        stale = not self._board.is_fresh(quote, self._clock())
        made = self._messages.get(symbol)
        if made is None or made[0] is not quote or made[1] is not stale:
            made = self._messages[symbol] = (quote, stale, self._encode(quote, stale=stale))
        return made[2]


class QuoteReader:
    """Collects the symbols that changed since `next` last returned them."""

    def __init__(self, symbols: Sequence[str]) -> None:
        self.changed: dict[str, None] = dict.fromkeys(symbols)
        self.woken = asyncio.Event()

    async def next(self) -> str | None:
        """Wait for a changed symbol, the earliest first; None if `woken` was set otherwise."""
        if not self.changed:
            await self.woken.wait()
        self.woken.clear()
        symbol = next(iter(self.changed), None)
        if symbol is not None:
            del self.changed[symbol]
        return symbol
