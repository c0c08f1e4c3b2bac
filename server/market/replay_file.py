"""Replay files: recorded quotes or bars as CSV, checked once and then read as quotes.

A file is UTF-8, or UTF-16 with its mark, and may be compressed by gzip. Commas, semicolons or tabs
separate its fields. The first line names the columns, in any order and case, by our names or those
of Yahoo or Binance. Binance's files of bars need no such line. An unknown column is refused. Rows
play in the order of their times. A file in another order can have 2 000 000 rows and must be plain
UTF-8. Empty lines are skipped.

Symbols are of the universe, perhaps spelled as elsewhere: BRK-B, EURUSD=X. If no column has them,
all rows are of the symbol that is given, or of the one in the file's name, such as AAPL.csv.

Numbers are decimals without a sign, such as 185.5, or floats such as 1.2e+06. More than 8 decimals
are noise: such prices are rounded to the price tick, as all prices of bars are. A volume or size
that is larger than a quote can show is capped.

Quotes have the columns `time,symbol,bid,bid_size,ask,ask_size` and optionally `last`, by default
the middle of bid and ask. `time` is RFC 3339 with an offset, 2025-01-02T14:30:00.5Z, or a number of
seconds, milli-, micro- or nanoseconds since 1970. The offset may be missing if the
zone of the file is given.

Bars have the columns `time,symbol,open,high,low,close` and optionally `volume`. `time` is when the
bar begins: written as for quotes, or in all rows as a date, 2025-01-02, or midnight without offset.
A row that repeats the bar before it is left out. A bar with a date is that
trading day's session. Other bars last as long as the smallest distance between two bars of one
symbol in the file, at most a day. If no symbol has two bars, a bar lasts a minute. If a market
closes at night, a day's bar that begins at midnight, in any zone, is the session of that date. Any
other bar is cut to its overlap with the session of which it covers most. A bar outside of all
sessions is not cut. A file is refused if no row lies in a session of its market: no order could
ever execute.

A bar becomes four quotes. The open comes when the bar begins, and the close a millisecond before it
ends. Low and high come at one third and two thirds, in reverse if the close is below the open.
`last` is the price. Bid and ask lie around it on the price tick. The universe's `spread_bps` is
their distance, which is at least a tick. Each side shows a quarter of the volume, rounded down to
the quantity step. The volume is unknown without that column, and for an instrument with 0 or
nothing in every row. Each side then shows 1000 lots of the universe. Any other empty volume is 0.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from enum import Enum
from heapq import heappop, heappush
from itertools import chain, starmap
from pathlib import Path
from typing import TypeAlias

from server.application.market_ports import Calendar
from server.domain.changes import maker
from server.domain.quote import Quote
from server.domain.values import DAY, Micros, Units
from server.market.bar_spans import BarSpans, BarSurvey, Dates, outside_of_sessions
from server.market.replay_bars import BARS, Bar, BarReader, close_time, quotes_of
from server.market.replay_content import FileState
from server.market.replay_header import Shape
from server.market.replay_listings import Listings
from server.market.replay_table import (
    NO_OPTIONS,
    Mark,
    ReplayFileError,
    ReplayOptions,
    ReplayTable,
    UnsortedError,
)
from server.market.universe import Universe

QUOTES = Shape("quotes", ("time", "symbol", "bid", "bid_size", "ask", "ask_size"), "last")

# The fields of a quote in their order. A check needs no quotes.
_QuoteRow: TypeAlias = tuple[str, Units, Units, Units, Units, Units, Micros, int]

_quote = maker(Quote)

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

    `first` and `last` are the moments of its first and last quote. `digest` is the SHA-256 of its
    lines in hexadecimal digits. `bar_length` is None except for BARS. `dates` is UNKNOWN except for
    bars of a day. `without_volume` names symbols whose volumes mean nothing. `options` are those of
    its check. `is_sorted` is false if its rows are not in order of time. `notes` describe
    adjustments that the file's author may not expect. `state` is the state of the file at its
    check. `marks` are places in the file from which it can be read.
    """

    path: Path
    kind: ReplayKind
    first: Micros
    last: Micros
    digest: str
    bar_length: Micros | None
    dates: Dates = Dates.UNKNOWN
    without_volume: frozenset[str] = frozenset()
    options: ReplayOptions = NO_OPTIONS
    is_sorted: bool = True
    notes: tuple[str, ...] = ()
    state: FileState | None = field(default=None, compare=False)
    marks: tuple[Mark, ...] = field(default=(), compare=False)

    def is_as_checked(self) -> bool:
        """Tell whether the file is as it was at its check, without reading it."""
        try:
            return FileState.of(self.path.stat()) == self.state
        except OSError:
            return False

    @property
    def start(self) -> Micros:
        """Return the moment right before the first quote, where a replay starts."""
        return self.first - 1


def check_replay_file(
    path: Path,
    universe: Universe,
    calendar: Calendar,
    tell_share: Callable[[float], None] | None = None,
    options: ReplayOptions = NO_OPTIONS,
) -> ReplayFacts:
    """Read a whole file once; raise ReplayFileError for the first row that cannot be played.

    `tell_share` is called now and then with the share of the file that has been read.
    """
    listings = Listings(universe, calendar)
    try:
        with ReplayTable(path, (QUOTES, BARS), options, tell_share) as table:
            return _check(table, listings, calendar)
    except UnsortedError:
        with ReplayTable(path, (QUOTES, BARS), options, tell_share) as table:
            if not table.can_sort:
                raise
            table.sort()
            return replace(_check(table, listings, calendar), is_sorted=False)


def replay_quotes(
    facts: ReplayFacts, universe: Universe, calendar: Calendar, after: Micros
) -> Iterator[Quote]:
    """Read the quotes later than a moment, in order of time and then of rows.

    Only bars that overlap are kept in memory. Raise ReplayFileError for a file that has changed: at
    the first row that can no longer be played, or else at the end.
    """
    with ReplayTable(facts.path, (QUOTES, BARS), facts.options) as table:
        if table.state != facts.state:
            raise file_changed(facts)
        listings = Listings(universe, calendar)
        if table.shape is QUOTES:
            _go_to(after, table, facts)
            quotes: Iterator[Quote] = starmap(_quote, _read_quotes(table, listings, after + 1))
        else:
            # A bar ends at most two days after its `time`.
            begin = after - 2 * DAY
            _go_to(begin, table, facts)
            reader = BarReader(table, listings, facts.without_volume)
            spans = BarSpans(calendar, facts.bar_length, facts.dates)
            quotes = _replay_bars(reader.bars(begin), table, spans, after)
        for quote in quotes:
            if quote.time > facts.last:
                raise file_changed(facts)
            yield quote
        if not table.has_skipped and table.digest() != facts.digest:
            raise file_changed(facts)


def _go_to(moment: Micros, table: ReplayTable, facts: ReplayFacts) -> None:
    """Go to where all rows from a moment on are still to come, in order of time."""
    is_daily = facts.kind is ReplayKind.DAILY_BARS
    if facts.is_sorted:
        table.skip(facts.marks, moment, table.times.read_day if is_daily else table.times.read)
    else:
        table.sort(moment)


def _read_quotes(
    table: ReplayTable, listings: Listings, begin: Micros | None
) -> Iterator[_QuoteRow]:
    before, read = 0, table.times.read
    for time_text, symbol_text, *texts in table.rows():
        time = read(time_text)
        if time is None:
            raise table.error(table.times.problem(time_text))
        if time < before:
            raise table.unsorted()
        before = time
        if begin is not None and time < begin:
            continue
        listing = listings.find(symbol_text, time, table)
        symbol = listing.instrument.symbol
        numbers = table.numbers(_NUMBERS, texts, symbol)
        if table.is_rough:
            # Of the recorded prices, only those that a quote cannot show are changed.
            numbers[::2] = table.to_ticks(numbers[::2], listing)
        bid, bid_size, ask, ask_size = numbers[:4]
        last = numbers[4] if len(numbers) == _FULL else (bid + ask) // 2
        if not bid:
            raise table.error("bid: must be positive")
        if bid > ask:
            raise table.error("bid: must not be above ask")
        if not last:
            raise table.error("last: must be positive")
        # Later rows have larger numbers, so several quotes of a symbol at one time have an order.
        yield symbol, bid, bid_size, ask, ask_size, last, time, table.rank or table.line


def _replay_bars(
    bars: Iterable[Bar], table: ReplayTable, spans: BarSpans, after: Micros
) -> Iterator[Quote]:
    waiting: list[tuple[Micros, int, Quote]] = []
    for bar in bars:
        # Neither this bar nor a later one has a quote before this moment.
        floor = bar.time - spans.reach
        while waiting and waiting[0][0] < floor:
            yield heappop(waiting)[2]
        for quote in quotes_of(bar, spans.of(bar, table)):
            if quote.time > after:
                heappush(waiting, (quote.time, quote.sequence, quote))
    while waiting:
        yield heappop(waiting)[2]


def _check(table: ReplayTable, listings: Listings, calendar: Calendar) -> ReplayFacts:
    check = _check_quotes if table.shape is QUOTES else _check_bars
    return check(table, listings, calendar)


def _check_quotes(table: ReplayTable, listings: Listings, calendar: Calendar) -> ReplayFacts:
    rows = _read_quotes(table, listings, None)
    row = next(rows, None)
    if row is None:
        raise _no_rows(table)
    symbol, *_, first, _ = row
    last, asset_type = first, listings.find(symbol, first, table).instrument.asset_type
    first_type = asset_type
    is_in_session = calendar.is_open(asset_type, first)
    for symbol, *_, last, _ in rows:
        if not is_in_session:
            asset_type = listings.find(symbol, last, table).instrument.asset_type
            is_in_session = calendar.is_open(asset_type, last)
    if not is_in_session:
        raise outside_of_sessions(table, calendar, "quote", first_type, first)
    return replace(_facts(table, ReplayKind.QUOTES, first, last), notes=tuple(table.notes()))


def _check_bars(table: ReplayTable, listings: Listings, calendar: Calendar) -> ReplayFacts:
    reader = BarReader(table, listings)
    bars = reader.bars(None)
    bar = next(bars, None)
    if bar is None:
        raise _no_rows(table)
    bars = chain([bar], bars)
    check = _check_daily_bars if reader.daily else _check_timed_bars
    facts = check(table, listings, calendar, bars)
    return replace(facts, without_volume=reader.without_volume(), notes=tuple(reader.notes()))


def _check_daily_bars(
    table: ReplayTable, listings: Listings, calendar: Calendar, bars: Iterable[Bar]
) -> ReplayFacts:
    del listings
    sessions = BarSpans(calendar, None, Dates.UNKNOWN)
    spans = (sessions.of(bar, table) for bar in bars)
    span = next(spans)
    first, last = span[0], close_time(span)
    for span in spans:
        first, last = min(first, span[0]), max(last, close_time(span))
    return _facts(table, ReplayKind.DAILY_BARS, first, last)


def _check_timed_bars(
    table: ReplayTable, listings: Listings, calendar: Calendar, bars: Iterable[Bar]
) -> ReplayFacts:
    survey = BarSurvey(calendar)
    for bar in bars:
        survey.see(bar)
    spans = BarSpans(calendar, survey.length, survey.dates)
    ends = survey.ends()
    if not any(map(spans.touches_a_session, ends)):
        _look_inside(table, listings, calendar, spans, ends[0])
    of_ends = [spans.of(end, table) for end in ends]
    first, last = min(span[0] for span in of_ends), max(map(close_time, of_ends))
    return _facts(table, ReplayKind.BARS, first, last, survey.length, survey.dates)


def _look_inside(
    table: ReplayTable, listings: Listings, calendar: Calendar, spans: BarSpans, first: Bar
) -> None:
    """Raise ReplayFileError unless some bar overlaps a session."""
    with ReplayTable(table.path, (BARS,), table.options) as again:
        if table.rank:
            again.sort()
        if not any(map(spans.touches_a_session, BarReader(again, listings).bars(None))):
            asset_type = first.listing.instrument.asset_type
            raise outside_of_sessions(table, calendar, "bar", asset_type, first.time)


def _facts(
    table: ReplayTable,
    kind: ReplayKind,
    first: Micros,
    last: Micros,
    bar_length: Micros | None = None,
    dates: Dates = Dates.UNKNOWN,
) -> ReplayFacts:
    if first <= 0:
        # A replay starts right before its first quote, and no clock shows a time before 1970.
        raise ReplayFileError(f"{table.path}: must begin after 1970-01-01T00:00:00Z")
    return ReplayFacts(
        path=table.path,
        kind=kind,
        first=first,
        last=last,
        digest=table.digest(),
        bar_length=bar_length,
        dates=dates,
        options=table.options,
        state=table.state,
        marks=tuple(table.marks),
    )


def _no_rows(table: ReplayTable) -> ReplayFileError:
    return ReplayFileError(f"{table.path}: has no rows")


def file_changed(facts: ReplayFacts) -> ReplayFileError:
    """Return the error that a file is not what was checked."""
    return ReplayFileError(f"{facts.path}: has changed since it was checked")
