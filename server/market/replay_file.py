"""Replay files: recorded quotes or bars as CSV, checked once and then read as quotes.

A file is UTF-8 with comma separated fields that are not quoted. Its first line names the columns,
in any order; an unknown one is refused. Rows are sorted by time, empty lines are skipped, symbols
are those of the universe, numbers are decimals such as 185.5 without sign or exponent.

Quotes have the columns `time,symbol,bid,bid_size,ask,ask_size` and perhaps `last`, which else is
the middle of bid and ask. `time` is RFC 3339 with an offset: 2025-01-02T14:30:00.5Z.

Bars have the columns `time,symbol,open,high,low,close` and perhaps `volume`. `time` is when the
bar begins, written as for quotes; bars last as long as the smallest distance between two of one
symbol in the file, a minute when there are no two and a day at most, but not beyond the close of
their market. Or it is a date, 2025-01-02, in all rows: then the bar is that trading day's session.

A bar becomes four quotes: the open when it begins, low and high at one third and two thirds of it
(high and low when the close is below the open), the close a millisecond before it ends. `last` is
the price; bid and ask lie around it on the price tick, as far apart as the universe's `spread_bps`
says and at least a tick. Each side shows a quarter of the volume, rounded down to the quantity
step, or without that column 1000 of the universe's lots.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from heapq import heappop, heappush
from pathlib import Path
from typing import NamedTuple

from server.application.ports import Calendar
from server.domain.instrument import AssetType
from server.domain.quote import Quote
from server.domain.values import DAY, SECOND, Micros, Units
from server.market.replay_bars import (
    BAR_LENGTH_MAX,
    BARS,
    DAY_REACHES,
    Bar,
    BarReader,
    BarSpans,
    close_time,
    quotes_of,
)
from server.market.replay_table import (
    Listings,
    ReplayFileError,
    ReplayTable,
    Shape,
    read_time,
)
from server.market.universe import Universe

QUOTES = Shape("quotes", ("time", "symbol", "bid", "bid_size", "ask", "ask_size"), "last")

LONE_BAR_LENGTH: Micros = 60 * SECOND

_NUMBERS = (*QUOTES.required[2:], QUOTES.optional)
_FULL = len(_NUMBERS)


class ReplayKind(Enum):
    """What the rows of a file are."""

    QUOTES = "QUOTES"
    BARS = "BARS"
    DAILY_BARS = "DAILY_BARS"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayFacts:
    """What is known of a file that can be played.

    `first` and `last` are the moments of its first and last quote, `digest` is its SHA-256 in
    hexadecimal digits. `bar_length` is None but for BARS.
    """

    path: Path
    kind: ReplayKind
    first: Micros
    last: Micros
    digest: str
    bar_length: Micros | None

    @property
    def start(self) -> Micros:
        """Return the moment right before the first quote, where a replay starts."""
        return self.first - 1


def check_replay_file(path: Path, universe: Universe, calendar: Calendar) -> ReplayFacts:
    """Read a whole file once; raise ReplayFileError for the first row that cannot be played."""
    with ReplayTable(path, (QUOTES, BARS)) as table:
        listings = Listings(universe, calendar)
        if table.shape is QUOTES:
            return _check_quotes(table, listings)
        return _check_bars(table, listings, calendar)


def replay_quotes(
    facts: ReplayFacts, universe: Universe, calendar: Calendar, after: Micros
) -> Iterator[Quote]:
    """Read the quotes later than a moment, in order of time and then of rows.

    What waits in memory are the bars that overlap, never the file. Raise ReplayFileError for a
    file that has changed: at the row that cannot be played any more, at the latest in the end.
    """
    with ReplayTable(facts.path, (QUOTES, BARS)) as table:
        listings = Listings(universe, calendar)
        if table.shape is QUOTES:
            rows = _read_quotes(table, listings, after + 1)
            yield from (_quote(row) for row in rows)
        else:
            spans = BarSpans(calendar, facts.bar_length)
            yield from _replay_bars(table, listings, spans, after)
        if table.digest() != facts.digest:
            raise ReplayFileError(f"{facts.path}: has changed since it was checked")


class _QuoteRow(NamedTuple):
    time: Micros
    symbol: str
    bid: Units
    bid_size: Units
    ask: Units
    ask_size: Units
    last: Units
    line: int


def _read_quotes(
    table: ReplayTable, listings: Listings, begin: Micros | None
) -> Iterator[_QuoteRow]:
    before = 0
    for time_text, symbol_text, *texts in table.rows():
        time = read_time(time_text)
        if time is None:
            raise table.error("time: must be such as 2025-01-02T14:30:00Z, from 1970 to 2199")
        if time < before:
            raise table.error("time: must not be before that of the row above")
        before = time
        if begin is not None and time < begin:
            continue
        listing = listings.find(symbol_text, time, table)
        numbers = table.numbers(_NUMBERS[: len(texts)], texts)
        bid, bid_size, ask, ask_size = numbers[:4]
        last = numbers[4] if len(numbers) == _FULL else (bid + ask) // 2
        if not bid:
            raise table.error("bid: must be positive")
        if bid > ask:
            raise table.error("bid: must not be above ask")
        if not last:
            raise table.error("last: must be positive")
        symbol = listing.instrument.symbol
        yield _QuoteRow(time, symbol, bid, bid_size, ask, ask_size, last, table.line)


def _quote(row: _QuoteRow) -> Quote:
    return Quote(
        symbol=row.symbol,
        bid=row.bid,
        bid_size=row.bid_size,
        ask=row.ask,
        ask_size=row.ask_size,
        last=row.last,
        time=row.time,
        # Later rows have larger numbers, so several quotes of a symbol at one time have an order.
        sequence=row.line,
    )


def _replay_bars(
    table: ReplayTable, listings: Listings, spans: BarSpans, after: Micros
) -> Iterator[Quote]:
    reader = BarReader(table, listings)
    waiting: list[tuple[Micros, int, Quote]] = []
    # A daily bar ends at most two days after the 00:00 UTC it is read as.
    for bar in reader.bars(after - 2 * DAY):
        # Neither this bar nor a later one has a quote before this.
        floor = bar.time - DAY_REACHES if reader.daily else bar.time
        while waiting and waiting[0][0] < floor:
            yield heappop(waiting)[2]
        for quote in quotes_of(bar, spans.of(bar, table)):
            if quote.time > after:
                heappush(waiting, (quote.time, quote.sequence, quote))
    while waiting:
        yield heappop(waiting)[2]


def _check_quotes(table: ReplayTable, listings: Listings) -> ReplayFacts:
    first = last = None
    for row in _read_quotes(table, listings, None):
        last = row.time
        if first is None:
            first = last
    return _facts(table, ReplayKind.QUOTES, first, last, None)


def _check_bars(table: ReplayTable, listings: Listings, calendar: Calendar) -> ReplayFacts:
    reader = BarReader(table, listings)
    bars = reader.bars(None)
    newest: dict[str, Bar] = {}
    first = last = length = None
    spans = BarSpans(calendar, None)
    for bar in bars:
        symbol = bar.listing.instrument.symbol
        if reader.daily:
            span = spans.of(bar, table)
            first = span[0] if first is None else min(first, span[0])
            last = max(last or 0, close_time(span))
        else:
            first = bar.time if first is None else first
            before = newest.get(symbol)
            if before is not None:
                distance = bar.time - before.time
                length = min(distance, BAR_LENGTH_MAX if length is None else length)
            newest[symbol] = bar
    if not reader.daily:
        spans = BarSpans(calendar, length or LONE_BAR_LENGTH)
        last = max((close_time(spans.of(bar, table)) for bar in newest.values()), default=None)
        return _facts(table, ReplayKind.BARS, first, last, length or LONE_BAR_LENGTH)
    return _facts(table, ReplayKind.DAILY_BARS, first, last, None)


def _facts(
    table: ReplayTable,
    kind: ReplayKind,
    first: Micros | None,
    last: Micros | None,
    bar_length: Micros | None,
) -> ReplayFacts:
    if first is None or last is None:
        raise ReplayFileError(f"{table.path}: has no rows")
    return ReplayFacts(
        path=table.path,
        kind=kind,
        first=first,
        last=last,
        digest=table.digest(),
        bar_length=bar_length,
    )
