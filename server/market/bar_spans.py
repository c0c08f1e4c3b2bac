"""Beginning and end of a replay's bars, from their length, their date and their market's hours."""

from datetime import date, timedelta
from enum import Enum
from functools import lru_cache
from zoneinfo import ZoneInfo

from server.application.market_ports import Calendar
from server.domain.instrument import AssetType
from server.domain.invariants import BrokenInvariant
from server.domain.values import DAY, SECOND, Micros
from server.market.moments import to_datetime, utc_day
from server.market.replay_bars import Bar
from server.market.replay_listings import LONG_BREAK
from server.market.replay_table import ReplayFileError, ReplayTable

BAR_LENGTH_MAX: Micros = DAY
LONE_BAR_LENGTH: Micros = 60 * SECOND

_HOUR: Micros = 3_600 * SECOND
_DAY_MIN: Micros = 23 * _HOUR
"""The time between two midnights when clocks are put forward in between."""

_SHORT_SESSION_MAX: Micros = 12 * _HOUR
"""A session of at most this length lies within one date, so the date identifies it."""

_EAST: Micros = 13 * _HOUR
"""Far in the east, midnight of the next date comes up to this long before midnight in UTC."""

_FOREVER: Micros = 2**63
_ZONE = ZoneInfo("America/New_York")


class Dates(Enum):
    """How bars of a day state their date, for markets whose sessions each lie within one date."""

    UNKNOWN = "UNKNOWN"
    """The bars are shorter than a day, or do not begin at midnight."""

    AS_WRITTEN = "AS_WRITTEN"
    """Every bar begins at midnight in its written time, whatever the offset."""

    OF_THE_EAST = "OF_THE_EAST"
    """The bars are written in UTC and begin at midnight of the next date, east of Greenwich."""


class BarSurvey:
    """What a pass over all bars of a file finds out about their lengths and dates."""

    def __init__(self, calendar: Calendar) -> None:
        self._hours = _Hours(calendar)
        self._distance: Micros | None = None
        self._is_written = self._is_same_date = self._is_next_date = True
        self._first: dict[str, Bar] = {}
        self._newest: dict[str, Bar] = {}

    def see(self, bar: Bar) -> None:
        """Take note of the next bar of the file."""
        symbol = bar.listing.instrument.symbol
        before = self._newest.get(symbol)
        self._newest[symbol] = bar
        if before is None:
            self._first[symbol] = bar
        elif self._distance is None or bar.time - before.time < self._distance:
            self._distance = bar.time - before.time
        if self._is_written:
            self._is_written = bar.date is not None and (
                before is None or before.date is None or before.date < bar.date
            )
        if self._is_next_date and self.length >= _DAY_MIN:
            self._look_for_sessions(bar)

    def _look_for_sessions(self, bar: Bar) -> None:
        hours, asset_type = self._hours, bar.listing.instrument.asset_type
        if hours.has_short_sessions(asset_type, utc_day(bar.time)):
            same = hours.session_on(asset_type, utc_day(bar.time))
            later = hours.session_on(asset_type, utc_day(bar.time + _EAST))
            self._is_same_date = self._is_same_date and same is not None
            self._is_next_date = later is not None

    def ends(self) -> list[Bar]:
        """Return the first and last bars of all symbols, which enclose all quotes."""
        return [*self._first.values(), *self._newest.values()]

    @property
    def length(self) -> Micros:
        """Return the length of the bars that were noted."""
        if self._distance is None:
            return BAR_LENGTH_MAX if self._is_written else LONE_BAR_LENGTH
        return min(self._distance, BAR_LENGTH_MAX)

    @property
    def dates(self) -> Dates:
        """Return how the bars state their dates."""
        if self.length < _DAY_MIN:
            return Dates.UNKNOWN
        if self._is_written:
            return Dates.AS_WRITTEN
        # A bar is of the next date only if sessions show it; otherwise it is of the date on which
        # it begins.
        is_next = self._is_next_date and not self._is_same_date
        return Dates.OF_THE_EAST if is_next else Dates.UNKNOWN


class BarSpans:
    """Computes when bars begin and end; `length` is None for bars with dates only."""

    def __init__(self, calendar: Calendar, length: Micros | None, dates: Dates) -> None:
        self._hours = _Hours(calendar)
        self._length = length
        self._dates = dates

    @property
    def reach(self) -> Micros:
        """Return how long before the moment of a bar its session may begin."""
        is_of_date = self._length is None or self._dates is not Dates.UNKNOWN
        return DAY if is_of_date else 0

    def of(self, bar: Bar, table: ReplayTable) -> tuple[Micros, Micros]:
        """Return beginning and end; raise ReplayFileError for a date without a session.

        A bar that lies outside of all sessions keeps its beginning and its length.
        """
        covered = self._covered(bar)
        if covered is not None:
            return covered
        if self._length is None:
            asset_type, day = bar.listing.instrument.asset_type, utc_day(bar.time)
            raise table.error(
                f"time: {asset_type.value} has no session on {day.isoformat()}: leave the row out"
            )
        return bar.time, bar.time + self._length

    def touches_a_session(self, bar: Bar) -> bool:
        """Tell whether a bar overlaps a session of its market."""
        return self._covered(bar) is not None

    def _covered(self, bar: Bar) -> tuple[Micros, Micros] | None:
        hours, asset_type = self._hours, bar.listing.instrument.asset_type
        if self._length is None:
            return hours.session_on(asset_type, utc_day(bar.time))
        day = self._date(bar)
        if day is not None and hours.has_short_sessions(asset_type, day):
            session = hours.session_on(asset_type, day)
            if session is not None:
                return session
        return hours.covered(asset_type, bar.time, bar.time + self._length)

    def _date(self, bar: Bar) -> date | None:
        match self._dates:
            case Dates.AS_WRITTEN:
                return bar.date
            case Dates.OF_THE_EAST:
                return utc_day(bar.time + _EAST)
            case Dates.UNKNOWN:
                return None


class _Hours:
    """A calendar that caches its last answers, because neighbouring bars need the same ones."""

    def __init__(self, calendar: Calendar) -> None:
        self._calendar = calendar
        self.session_on = lru_cache(maxsize=16)(calendar.session_on)
        self._is_short: dict[AssetType, bool] = {}
        # For each asset type a span of time, and whether the market is open in it.
        self._spans: dict[AssetType, tuple[Micros, Micros, bool]] = {}

    def has_short_sessions(self, asset_type: AssetType, day: date) -> bool:
        """Tell whether a market's sessions lie within dates; `day` is a loaded day."""
        is_short = self._is_short.get(asset_type)
        if is_short is None:
            begin, end = session_from(self._calendar, asset_type, day)
            is_short = self._is_short[asset_type] = end - begin <= _SHORT_SESSION_MAX
        return is_short

    def covered(
        self, asset_type: AssetType, begin: Micros, end: Micros
    ) -> tuple[Micros, Micros] | None:
        """Return the overlap of a span of time with the session of which it covers most."""
        longest: tuple[Micros, Micros] | None = None
        while begin < end:
            until, is_open = self._change(asset_type, begin)
            until = min(until, end)
            if is_open and (longest is None or until - begin > longest[1] - longest[0]):
                longest = begin, until
            begin = until
        return longest

    def _change(self, asset_type: AssetType, moment: Micros) -> tuple[Micros, bool]:
        """Return until when a market stays as it is, and whether it is open."""
        since, until, is_open = self._spans.get(asset_type, (0, 0, False))
        if not since <= moment < until:
            hours = self._calendar.hours(asset_type, moment)
            change = hours.next_close if hours.is_open else hours.next_open
            until, is_open = _FOREVER if change is None else change, hours.is_open
            self._spans[asset_type] = moment, until, is_open
        return until, is_open


def session_from(calendar: Calendar, asset_type: AssetType, day: date) -> tuple[Micros, Micros]:
    """Return the first session of a day or of those after it."""
    for distance in range(LONG_BREAK[1]):
        session = calendar.session_on(asset_type, day + timedelta(days=distance))
        if session is not None:
            return session
    raise BrokenInvariant("the calendar has no session near a day that it covers")


def outside_of_sessions(
    table: ReplayTable, calendar: Calendar, kind: str, asset_type: AssetType, time: Micros
) -> ReplayFileError:
    """Return the error that no row of a file lies in a session; `time` is that of the first row."""
    day = to_datetime(time).astimezone(_ZONE).date()
    begin, end = session_from(calendar, asset_type, day)
    return ReplayFileError(
        f"{table.path}: no {kind} lies in a session: in New York ({_ZONE.key}),"
        f" {asset_type.value} trades from {_there(begin)} to {_there(end)}, but the first {kind} is"
        f" of {_there(time)}; is the offset of `time` right?"
        " Every hour trades with --sessions always-open"
    )


def _there(moment: Micros) -> str:
    return f"{to_datetime(moment).astimezone(_ZONE):%Y-%m-%d %H:%M}"
