"""Bars: open, high, low and close of the quotes' last prices over an interval."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from server.domain.changes import maker
from server.domain.quote import Quote
from server.domain.values import DAY, SECOND, Micros, Units

MINUTE: Micros = 60 * SECOND
HOUR: Micros = 60 * MINUTE


class BarInterval(Enum):
    """Length of a bar; bars begin at its multiples, in UTC."""

    ONE_MINUTE = "1M"
    FIVE_MINUTES = "5M"
    FIFTEEN_MINUTES = "15M"
    ONE_HOUR = "1H"
    ONE_DAY = "1D"

    @property
    def width(self) -> Micros:
        return _WIDTHS[self]

    def begin(self, moment: Micros) -> Micros:
        """Return the start of the bar that contains a moment."""
        return moment - moment % self.width

    def begin_not_before(self, moment: Micros) -> Micros:
        """Return the first start of a bar at or after a moment."""
        return moment + -moment % self.width


_WIDTHS = {
    BarInterval.ONE_MINUTE: MINUTE,
    BarInterval.FIVE_MINUTES: 5 * MINUTE,
    BarInterval.FIFTEEN_MINUTES: 15 * MINUTE,
    BarInterval.ONE_HOUR: HOUR,
    BarInterval.ONE_DAY: DAY,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """Prices of a symbol from `start` on; the bar does not record its interval."""

    symbol: str
    start: Micros
    open: Units
    high: Units
    low: Units
    close: Units

    def until(self, later: "Bar") -> "Bar":
        """Return this bar extended by a later part of its interval."""
        return Bar(
            symbol=self.symbol,
            start=self.start,
            open=self.open,
            high=max(self.high, later.high),
            low=min(self.low, later.low),
            close=later.close,
        )


_make_bar = maker(Bar)


@dataclass(frozen=True, slots=True, kw_only=True)
class BarFilter:
    """Which bars to list: the newest `limit` of those that start in [start, end).

    `start` and `end` must be starts of bars of the interval. With `start` None, no bar is too old.
    """

    interval: BarInterval
    start: Micros | None
    end: Micros
    limit: int


@dataclass(frozen=True, slots=True)
class StoredBars:
    """Bars of a symbol, and its newest quote with the running minute, which no bar contains."""

    bars: list[Bar]
    newest: tuple[Quote, Bar] | None


def minute_bars(quotes: Iterable[Quote]) -> list[Bar]:
    """Return a bar for each symbol and minute with quotes.

    The quotes of a symbol must be in order of time, and so are its bars.
    """
    prices: dict[tuple[str, int], list[Units]] = {}
    for quote in quotes:
        prices.setdefault((quote.symbol, quote.time // MINUTE), []).append(quote.last)
    return [
        _make_bar(symbol, minute * MINUTE, found[0], max(found), min(found), found[-1])
        for (symbol, minute), found in prices.items()
    ]


def joined(bars: Iterable[Bar], interval: BarInterval) -> list[Bar]:
    """Return bars of an interval, built from bars of the same or a shorter one.

    The bars of a symbol must be in order of time, and so are those of the result.
    """
    width = interval.width
    parts: dict[tuple[str, Micros], list[Bar]] = {}
    for bar in bars:
        parts.setdefault((bar.symbol, bar.start - bar.start % width), []).append(bar)
    return [_join(start, found) for (_, start), found in parts.items()]


def _join(start: Micros, parts: list[Bar]) -> Bar:
    first, last = parts[0], parts[-1]
    if first is last and first.start == start:
        return first
    return Bar(
        symbol=first.symbol,
        start=start,
        open=first.open,
        high=max(part.high for part in parts),
        low=min(part.low for part in parts),
        close=last.close,
    )
