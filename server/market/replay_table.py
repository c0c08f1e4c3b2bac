"""Replay tables: reads the rows of a CSV file with their line numbers, and their fields."""

import codecs
import os
import re
import stat
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import date, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Context, Decimal
from functools import lru_cache
from hashlib import sha256
from operator import itemgetter
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, NamedTuple, Self

from server.application.ports import Calendar
from server.domain.instrument import AssetType
from server.domain.values import (
    DAY,
    SECOND,
    DecimalError,
    Micros,
    Units,
    divide_half_even,
    normalize_symbol,
    parse_units,
)
from server.market.listing import Listing
from server.market.moments import day_start, from_datetime, utc_day
from server.market.replay_header import HeaderError, Shape, read_header
from server.market.universe import Universe

LINE_BYTES_MAX = 4_096
MARK_BYTES = 1 << 20

_YEARS = "(?:19[7-9][0-9]|20[0-9]{2}|21[0-9]{2})"
_DAY = re.compile(rf"{_YEARS}-[0-9]{{2}}-[0-9]{{2}}")
_TIME = re.compile(
    rf"{_DAY.pattern}[T ][0-9]{{2}}:[0-9]{{2}}:[0-9]{{2}}(?:\.[0-9]{{1,9}})?"
    r"(?:Z|[+-][0-9]{2}:[0-9]{2})"
)
_NO_FRACTION = re.compile(r"(?:\.0+)?[Z+-]")

LONG_BREAK = (8, 15)
"""A range of numbers of days, each longer than any market was ever closed."""

_EPOCH = re.compile(r"[0-9]{9,10}|[0-9]{12,13}|[0-9]{15,16}|[0-9]{18,19}")
_EPOCH_END: Micros = 7_258_118_400 * SECOND
_TIME_WITHOUT_OFFSET = re.compile(r"[0-9-]{10}[T ][0-9:]{8}(?:\.[0-9]+)?")

# Numbers as programs write floats: any number of digits, and perhaps an exponent.
_FLOAT = re.compile(r"(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]{1,2})?")
_EXACT = Context(prec=LINE_BYTES_MAX + 200, rounding=ROUND_HALF_EVEN)

SHOWN_MAX: Units = 10**18 - 1
"""The largest price and size of a quote: ten digits before the point."""

# The largest value that each column can have; larger ones are capped.
_CAPS = {"bid_size": SHOWN_MAX, "ask_size": SHOWN_MAX, "volume": 4 * SHOWN_MAX}

# Cached, because neighbouring rows repeat times, prices and sizes, and parsing takes most of the
# time.
_read_units = lru_cache(maxsize=1 << 14)(parse_units)


class ReplayFileError(ValueError):
    """The file cannot be played; one line names the file, its line and the problem."""


class FileState(NamedTuple):
    """The attributes of a file that change with its content, known without reading it."""

    number: int
    size: int
    modified: int

    @classmethod
    def of(cls, found: os.stat_result) -> Self:
        """Return the state from a file's `stat` result."""
        return cls(found.st_ino, found.st_size, found.st_mtime_ns)


class Mark(NamedTuple):
    """Where a row begins, and the number of the line before it."""

    offset: int
    line: int


class ReplayTable:
    """An open file; `line` is the number of the last line that was read.

    `is_rough` tells whether one of the last numbers had more digits than a quote can show.
    `rounded` and `capped` count prices and sizes that were changed, by symbol. `marks` are found
    while the rows are read; at each, `tell_share` is called with the share of the file read so far.
    """

    def __init__(
        self, path: Path, shapes: Sequence[Shape], tell_share: Callable[[float], None] | None = None
    ) -> None:
        self.path = path
        self._tell_share = tell_share
        self.line = 0
        self.is_rough = self.has_skipped = False
        self.marks: list[Mark] = []
        self._next_mark = MARK_BYTES
        self._line_start = self._line_end = 0
        self.rounded: Counter[str] = Counter()
        self.capped: Counter[str] = Counter()
        self._digest = sha256()
        self._file = _open(path)
        self.state = FileState.of(os.fstat(self._file.fileno()))
        self._lines = self._read_lines()
        try:
            self._read_header(shapes)
        except ReplayFileError:
            self._file.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._file.close()

    def rows(self) -> Iterator[tuple[str, ...]]:
        """Read the rows; each has the fields of the columns of `shape`, the optional one last."""
        header, pick = self._header, itemgetter(*self._header.at)
        separator, width, is_padded = header.separator, header.width, header.is_padded
        for line in self._lines:
            fields = line.split(separator)
            if len(fields) != width:
                raise self.error(f"has {len(fields)} fields instead of {width}")
            if self._line_start >= self._next_mark:
                self.marks.append(Mark(self._line_start, self.line - 1))
                self._next_mark = self._line_start + MARK_BYTES
                if self._tell_share is not None:
                    self._tell_share(self._line_start / self.state.size)
            if is_padded:
                fields = [field.strip() for field in fields]
            yield pick(fields)

    def skip(
        self, marks: Sequence[Mark], before: Micros, read: Callable[[str], Micros | None]
    ) -> None:
        """Seek to the last mark before which every row is earlier than a moment.

        `read` reads the times of the rows.
        """
        first = self._file.tell()
        count = bisect_left(marks, before, key=lambda mark: self._time_at(mark, read))
        if count:
            mark = marks[count - 1]
            self.has_skipped, self.line = True, mark.line
            first = self._line_end = mark.offset
        self._file.seek(first)

    def _time_at(self, mark: Mark, read: Callable[[str], Micros | None]) -> Micros:
        self._file.seek(mark.offset)
        line = self._file.readline(LINE_BYTES_MAX).decode(errors="replace").strip(" \r\n")
        fields = line.split(self._header.separator)
        is_row = len(fields) == self._header.width
        time = read(fields[self._header.at[0]].strip()) if is_row else None
        if time is None:
            raise ReplayFileError(f"{self.path}: has changed: no row at byte {mark.offset}")
        return time

    def notes(self) -> list[str]:
        """Return the adjustments so far that the author of the file may not expect."""
        unused = ", ".join(self._header.unused)
        return [
            *([f"columns that are not used: {unused}"] if unused else []),
            *(
                f"{symbol}: prices rounded to the price tick: {count}"
                for symbol, count in sorted(self.rounded.items())
            ),
            *(
                f"{symbol}: volumes or sizes cut to the largest that quotes can show: {count}"
                for symbol, count in sorted(self.capped.items())
            ),
        ]

    def digest(self) -> str:
        """Return the SHA-256 of the file, as far as it has been read."""
        return self._digest.hexdigest()

    def error(self, problem: str) -> ReplayFileError:
        """Return the error for a problem in the line that was read last."""
        return ReplayFileError(f"{self.path}: line {self.line}: {problem}")

    def numbers(self, columns: Sequence[str], fields: Sequence[str], symbol: str) -> list[Units]:
        """Read the decimals of columns, of which the last may be missing.

        Numbers with more decimals than a quote are rounded; sizes with more digits are capped.
        """
        try:
            numbers = [_read_units(field) for field in fields]
        except DecimalError:
            self.is_rough = True
            pairs = zip(columns, fields, strict=False)
            return [self._rough_number(column, field, symbol) for column, field in pairs]
        self.is_rough = False
        return numbers

    def to_ticks(self, prices: list[Units], listing: Listing) -> list[Units]:
        """Return prices rounded to the price tick, and count those that changed."""
        tick = listing.instrument.price_tick
        for price in prices:
            if price % tick:
                break
        else:
            return prices
        self.rounded[listing.instrument.symbol] += sum(price % tick != 0 for price in prices)
        return [divide_half_even(price, tick) * tick for price in prices]

    def _rough_number(self, column: str, field: str, symbol: str) -> Units:
        number = _read_float(field)
        cap = _CAPS.get(column)
        if number is None or (cap is None and number > SHOWN_MAX):
            raise self.error(
                f"{column}: must be a decimal of at most 10 digits before the point, such as 185.5"
            )
        if cap is not None and number > cap:
            self.capped[symbol] += 1
            return cap
        return number

    def _read_header(self, shapes: Sequence[Shape]) -> None:
        line = next(self._lines, None)
        if line is None:
            raise ReplayFileError(f"{self.path}: is empty")
        try:
            self._header = read_header(line, shapes)
        except HeaderError as error:
            raise self.error(str(error)) from None
        self.shape = self._header.shape

    def _read_lines(self) -> Iterator[str]:
        try:
            while line := self._file.readline(LINE_BYTES_MAX + 1):
                self.line += 1
                self._line_start = self._line_end
                self._line_end += len(line)
                self._digest.update(line)
                if self.line == 1:
                    self._check_encoding(line)
                    line = line.removeprefix(codecs.BOM_UTF8)
                if len(line) > LINE_BYTES_MAX:
                    raise self.error(f"must have at most {LINE_BYTES_MAX} bytes")
                # A tab at the end stays, because an empty last field may follow it.
                text = line.decode().strip(" \r\n")
                if text.strip():
                    yield text
        except UnicodeDecodeError:
            raise self.error("must be UTF-8") from None
        except OSError as error:
            raise ReplayFileError(f"{self.path}: {error.strerror}") from error

    def _check_encoding(self, line: bytes) -> None:
        if line.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            raise self.error("is UTF-16: save the file as UTF-8")
        if b"\r" in line.rstrip(b"\r\n"):
            raise self.error("ends with CR alone: lines must end with LF or CR LF")


class Listings:
    """What the symbols of a file mean on the days of its rows."""

    def __init__(self, universe: Universe, calendar: Calendar) -> None:
        self._universe = universe
        self._calendar = calendar
        self._day_start = self._day_end = 0
        self._found: dict[str, Listing] = {}
        self._is_known = lru_cache(maxsize=len(AssetType))(self._look_for_sessions)

    def find(self, text: str, time: Micros, table: ReplayTable) -> Listing:
        """Return the listing of a symbol; raise ReplayFileError if there is none."""
        if not self._day_start <= time < self._day_end:
            self._day_start = time - time % DAY
            self._day_end = self._day_start + DAY
            self._found = {}
        listing = self._found.get(text)
        if listing is None:
            listing = self._found[text] = self._find(text, time, table)
        return listing

    def _find(self, text: str, time: Micros, table: ReplayTable) -> Listing:
        symbol = normalize_symbol(text)
        if symbol is None:
            raise table.error("symbol: must be 1 to 32 letters, digits, '.', '-', '=' or '/'")
        listing, day = self._universe.listings(time).get(symbol), utc_day(time)
        if listing is None:
            hint = self._similar(symbol, time)
            raise table.error(f"symbol: {symbol} is not listed on {day.isoformat()}{hint}")
        # Markets without rows too, because callers may ask for any market at the time of the file.
        for asset_type in (listing.instrument.asset_type, *AssetType):
            if not self._is_known(asset_type, day):
                raise table.error(
                    f"time: the sessions of {asset_type.value} are not known on {day.isoformat()}"
                )
        return listing

    def _similar(self, symbol: str, time: Micros) -> str:
        """Return the symbol that is listed under another spelling, such as Yahoo's EURUSD=X."""
        plain = _letters(symbol.removesuffix("=X"))
        found = [other for other in self._universe.listings(time) if _letters(other) == plain]
        return f"; {found[0]} is" if found else ""

    def _look_for_sessions(self, asset_type: AssetType, day: date) -> bool:
        # A calendar covers a span of years, and must not be asked about a moment outside of it.
        return all(
            any(
                self._calendar.session_on(asset_type, day + timedelta(days=sign * distance))
                for distance in range(*LONG_BREAK)
            )
            for sign in (-1, 1)
        )


@lru_cache(maxsize=16)
def read_time(text: str) -> Micros | None:
    """Read a moment, cut to microseconds; None for anything else.

    It is in the form of RFC 3339, or a number of seconds, milli-, micro- or nanoseconds since 1970.
    """
    if _EPOCH.fullmatch(text) is not None:
        # The number of digits shows the unit, from 1973 on.
        moment = int(text) * SECOND // 1_000 ** ((len(text) - 9) // 3)
        return moment if moment < _EPOCH_END else None
    if _TIME.fullmatch(text) is None:
        return None
    try:
        moment = from_datetime(datetime.fromisoformat(text))
    except ValueError:
        return None
    return moment if moment >= 0 else None


def time_problem(text: str) -> str:
    """Return what is wrong with a time that `read_time` does not read."""
    problem = "time: must be such as 2025-01-02T14:30:00Z, from 1970 to 2199"
    if _TIME_WITHOUT_OFFSET.fullmatch(text) is None:
        return problem
    return f"{problem}; {text} lacks its offset from UTC, such as Z or -05:00"


def written_midnight(text: str) -> date | None:
    """Return the date of a time that `read_time` reads and that is written as a midnight."""
    if text[11:19] == "00:00:00" and _NO_FRACTION.match(text, 19):
        return date.fromisoformat(text[:10])
    return None


@lru_cache(maxsize=16)
def read_day(text: str) -> Micros | None:
    """Read a date such as 2025-01-02 as its 00:00 UTC; None for anything else."""
    if _DAY.fullmatch(text) is None:
        return None
    try:
        return day_start(date.fromisoformat(text))
    except ValueError:
        return None


def _open(path: Path) -> BinaryIO:
    try:
        # Opening a pipe would block until its other end opens, and a pipe cannot be read twice.
        if not stat.S_ISREG(path.stat().st_mode):
            raise ReplayFileError(f"{path}: must be a regular file")
        return path.open("rb")
    except OSError as error:
        raise ReplayFileError(f"{path}: {error.strerror}") from error


@lru_cache(maxsize=1 << 14)
def _read_float(text: str) -> Units | None:
    if _FLOAT.fullmatch(text) is None:
        return None
    units = _EXACT.scaleb(Decimal(text), 8)
    return int(units.to_integral_value(ROUND_HALF_EVEN, _EXACT))


def _letters(symbol: str) -> str:
    return "".join(filter(str.isalnum, symbol))
