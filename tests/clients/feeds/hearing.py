"""Hears what a source tells, as the feed's runner does."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal

from bottrading_feeds.port import Alive, Listing, Source, Tick, Unreadable


@dataclass
class Hearing:
    """The newest tick of each symbol, how many there were, and what else was told."""

    stream: asyncio.Future[object] = field(default_factory=asyncio.Future)
    newest: dict[str, Tick] = field(default_factory=dict)
    count: int = 0
    alive: int = 0
    unreadable: list[str] = field(default_factory=list)
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    def tell(self, told: Tick | Unreadable | Alive) -> None:
        if isinstance(told, Unreadable):
            self.unreadable.append(told.text)
        elif isinstance(told, Tick):
            self.newest[told.symbol] = told
            self.count += 1
        else:
            self.alive += 1
        self._news.set()

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait until something holds that a tick changes; raise what ends the stream first."""
        while not holds():
            self._news.clear()
            news: asyncio.Future[object] = asyncio.ensure_future(self._news.wait())
            await asyncio.wait({news, self.stream}, return_when=asyncio.FIRST_COMPLETED)
            news.cancel()
            if self.stream.done():
                self.stream.result()
                raise EOFError

    async def until_bid(self, symbol: str, bid: str) -> Tick:
        await self.until(lambda: symbol in self.newest and self.newest[symbol].bid == Decimal(bid))
        return self.newest[symbol]


@asynccontextmanager
async def hearing(source: Source, listings: Sequence[Listing]) -> AsyncIterator[Hearing]:
    """Hear a source for the time of a block; `stream` is its running connection."""
    heard = Hearing()
    heard.stream = asyncio.ensure_future(source.stream(listings, heard.tell))
    try:
        yield heard
    finally:
        heard.stream.cancel()
        await asyncio.gather(heard.stream, return_exceptions=True)
