"""Bars of a replay: reads their rows and turns each bar into four quotes."""

from collections.abc import Container, Iterator
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import NamedTuple

from server.domain.changes import maker
from server.domain.quote import Quote
from server.domain.values import (
    MILLISECOND,
    SCALE,
    SECOND,
    Micros,
    Price,
    Units,
    divide_half_even,
    format_units,
)
from server.market.listing import Listing
from server.market.replay_header import Shape
from server.market.replay_listings import Listings
from server.market.replay_table import ReplayTable
from server.market.replay_times import written_midnight
from server.market.universe_file import LEVEL_MAX

BARS = Shape("bars", ("time", "symbol", "open", "high", "low", "close"), "volume")

PRICES = BARS.required[2:]

BAR_LENGTH_MIN: Micros = SECOND
CLOSE_BEFORE_END: Micros = MILLISECOND
"""The quote of the close comes this long before the bar ends, when the market is still open."""

LOTS_WITHOUT_VOLUME = 1_000
QUOTES_OF_A_BAR = 4

_make_quote = maker(Quote)


class Bar(NamedTuple):
    """A row of a file of bars; `time` is its beginning, for a daily bar 00:00 UTC of the day.

    If the written `time` is a midnight, `date` is its date; otherwise `date` is None.
    """

    time: Micros
    date: date | None
    listing: Listing
    open: Units
    high: Units
    low: Units
    close: Units
    volume: Units | None
    line: int


@dataclass(slots=True)
class Tally:
    """Counts for a symbol: how many volumes its bars had, and how many of them were 0."""

    listing: Listing
    volumes: int = 0
    zeros: int = 0

    def notes(self) -> Iterator[str]:
        """Describe adjustments that the author of the file may not expect."""
        if self.zeros == self.volumes != 0:
            size = _plain(usual_size(self.listing))
            symbol = self.listing.instrument.symbol
            yield f"{symbol}: no bar has a volume, so every quote shows its usual size, {size}"


class BarReader:
    """Reads the rows of a file as bars; `daily` is known from the first row on.

    The volumes of the symbols in `without_volume` count as unknown, whatever the file says.
    """

    def __init__(
        self, table: ReplayTable, listings: Listings, without_volume: Container[str] = ()
    ) -> None:
        self._table = table
        self._listings = listings
        self._without_volume = without_volume
        self._tallies: dict[str, Tally] = {}
        self.daily: bool | None = None

    def without_volume(self) -> frozenset[str]:
        """Return the symbols of which every volume was empty or 0 so far."""
        tallies = self._tallies.items()
        return frozenset(symbol for symbol, tally in tallies if tally.zeros == tally.volumes != 0)

    def notes(self) -> list[str]:
        """Return the adjustments so far that the author of the file may not expect."""
        tallies = [self._tallies[symbol] for symbol in sorted(self._tallies)]
        return [*self._table.notes(), *(note for tally in tallies for note in tally.notes())]

    def bars(self, begin: Micros | None) -> Iterator[Bar]:
        """Read the bars in order of time; rows before `begin` are not checked."""
        table, before = self._table, 0
        last_bars: dict[str, Bar] = {}
        for time_text, symbol_text, *texts in table.rows():
            time = self._time(time_text)
            if time < before:
                raise table.unsorted()
            before = time
            if begin is not None and time < begin:
                continue
            listing = self._listings.find(symbol_text, time, table)
            symbol = listing.instrument.symbol
            tally = self._tallies.get(symbol)
            if tally is None:
                tally = self._tallies[symbol] = Tally(listing)
            prices = table.numbers(PRICES, texts[: len(PRICES)], symbol)
            volume = self._volume(tally, texts)
            opened, high, low, close = table.to_ticks(prices, listing)
            bar = Bar(
                time,
                written_midnight(time_text),
                listing,
                opened,
                high,
                low,
                close,
                volume,
                table.line,
            )
            problem = _problem(bar)
            if problem is not None:
                raise table.error(problem)
            last = last_bars.get(symbol)
            if last is not None and time - last.time < BAR_LENGTH_MIN:
                if bar != last._replace(line=bar.line):
                    raise table.error(
                        f"time: less than a second after the last bar of {symbol}, which is"
                        " another one: keep one of them"
                    )
                table.repeated[symbol] += 1
                continue
            last_bars[symbol] = bar
            yield bar

    def _volume(self, tally: "Tally", texts: list[str]) -> Units | None:
        """Read the volume of a row, if there is a column for it; None if it is unknown."""
        if len(texts) == len(PRICES):
            return None
        text, symbol = texts[-1], tally.listing.instrument.symbol
        volume = self._table.numbers((BARS.optional,), [text], symbol)[0] if text else 0
        tally.volumes += 1
        tally.zeros += not volume
        return None if symbol in self._without_volume else volume

    def _time(self, text: str) -> Micros:
        times = self._table.times
        if self.daily is None:
            self.daily = times.read_day(text) is not None
        time = times.read_day(text) if self.daily else times.read(text)
        if time is None:
            if self.daily and not times.lacks_offset(text):
                problem = "time: must be a date such as 2025-01-02, as in the rows above"
            else:
                problem = times.problem(text)
            raise self._table.error(problem)
        return time


def close_time(span: tuple[Micros, Micros]) -> Micros:
    """Return the time of a bar's last quote, its close."""
    return max(span[1] - CLOSE_BEFORE_END, _third(span, 2))


def quotes_of(bar: Bar, span: tuple[Micros, Micros]) -> list[Quote]:
    """Return the four quotes of a bar: its open, the two extremes and its close."""
    low_first = bar.close >= bar.open
    extremes = (bar.low, bar.high) if low_first else (bar.high, bar.low)
    times = (span[0], _third(span, 1), _third(span, 2), close_time(span))
    prices = (bar.open, *extremes, bar.close)
    size, symbol, number = _size(bar), bar.listing.instrument.symbol, QUOTES_OF_A_BAR * bar.line
    tick, bps = bar.listing.instrument.price_tick, round(bar.listing.spread_bps * SCALE)
    sides = [_around(price, tick, bps) for price in prices]
    last = min(sides[2][0], sides[3][0]), max(sides[2][1], sides[3][1])
    whole = min(sides[1][0], last[0]), max(sides[1][1], last[1])
    quotes = []
    for time, price, (bid, ask), (low, high) in zip(
        times, prices, sides, (whole, whole, last, (None, None)), strict=True
    ):
        quotes.append(
            _make_quote(symbol, bid, size, ask, size, price, time, number, low, False, high)
        )
        number += 1
    return quotes


# Cached, because the open is mostly the last close, and prices come back.
@lru_cache(maxsize=1 << 14)
def _around(price: Units, tick: Units, bps: Units) -> tuple[Price, Price]:
    """Return bid and ask around a price; `bps` are 10⁻⁸ of a basis point."""
    spread = max(1, divide_half_even(price * bps, 10_000 * SCALE * tick))
    # The bid nearest to half a spread below the price, so that the ask is not below the price.
    bid = max(1, divide_half_even(2 * price - spread * tick, 2 * tick))
    return Price(bid * tick), Price((bid + spread) * tick)


def usual_size(listing: Listing) -> Units:
    """Return the displayed size of an instrument whose volumes are unknown."""
    return LOTS_WITHOUT_VOLUME * listing.lot


def _size(bar: Bar) -> Units:
    if bar.volume is None:
        return usual_size(bar.listing)
    step = bar.listing.instrument.quantity_step
    return bar.volume // (QUOTES_OF_A_BAR * step) * step


def _third(span: tuple[Micros, Micros], number: int) -> Micros:
    begin, end = span
    return begin + number * (end - begin) // 3


def _problem(bar: Bar) -> str | None:
    _, _, listing, opened, high, low, close, _, _ = bar
    tick = listing.instrument.price_tick
    if low < tick:
        hint = "" if low else "; leave out a row without a trade"
        return f"low: must be at least {format_units(tick)}, the price tick{hint}"
    if high > LEVEL_MAX:
        return f"high: must be at most {format_units(LEVEL_MAX)}"
    if not low <= opened <= high:
        return "open: must be from low to high"
    if not low <= close <= high:
        return "close: must be from low to high"
    return None


def _plain(value: Units) -> str:
    return format_units(value).rstrip("0").rstrip(".")
