"""A source in memory, at the port: listings as told, and candles of any span, page by page."""

from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from bottrading_feeds.bar_files import INTERVALS
from bottrading_feeds.port import Candle, Listing, SourceError, Tell

BEGIN = datetime(2025, 1, 2, tzinfo=UTC)


def listing(symbol: str = "BTC-USD", **fields: Any) -> Listing:
    """Return a listing of a crypto pair, unless told otherwise."""
    base, _, currency = symbol.partition("-")
    given: dict[str, Any] = {
        "symbol": symbol,
        "source_symbol": f"{base}/{currency}",
        "name": base,
        "asset_type": "CRYPTO",
        "price_tick": Decimal("0.1"),
        "quantity_step": Decimal("0.0001"),
        "session": "always-open",
        "currency": currency,
    }
    return Listing(**given | fields)


def candle(time: datetime, number: int = 0, **fields: Decimal) -> Candle:
    """Return a candle that differs from its neighbours."""
    price = Decimal(100 + number % 50)
    given = {"open": price, "high": price + 2, "low": price - 1, "close": price + 1}
    return Candle(time=time, **{"volume": Decimal(number), **given, **fields})


class InventedSource:
    """Gives a candle for each interval from BEGIN on; `trouble` may raise before each page."""

    def __init__(
        self,
        *listings: Listing,
        page: int = 100,
        trouble: Callable[[], object] = lambda: None,
        change: Callable[[list[Candle]], list[Candle]] = lambda page: page,
    ) -> None:
        self._listings = {it.source_symbol: it for it in listings}
        self._page, self._trouble, self._change = page, trouble, change
        self.asked: list[tuple[str, datetime]] = []

    async def instruments(self, symbols: Sequence[str]) -> list[Listing]:
        for symbol in symbols:
            if symbol not in self._listings:
                raise SourceError(f"{symbol} is not there")
        return [self._listings[symbol] for symbol in symbols]

    async def stream(self, listings: Sequence[Listing], tell: Tell) -> None:
        raise AssertionError("nothing streams here")

    async def candles(
        self, listing: Listing, interval: str, since: datetime, until: datetime
    ) -> AsyncIterator[Sequence[Candle]]:
        length = INTERVALS[interval]
        self.asked.append((listing.symbol, since))
        number = max(0, -((BEGIN - since) // length))
        while BEGIN + number * length < until:
            self._trouble()
            numbers = range(number, number + self._page)
            page = [candle(BEGIN + it * length, it) for it in numbers]
            yield self._change([it for it in page if it.time < until])
            number += self._page

    async def close(self) -> None:
        """Close nothing."""


async def at_once(seconds: float) -> None:
    """Stand in for a wait."""
    del seconds


def hours(number: float) -> timedelta:
    """Return a number of hours."""
    return timedelta(hours=number)
