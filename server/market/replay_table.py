"""Replay tables: reads the rows of a CSV file with their line numbers, and their fields."""

import codecs
import csv
import sys
from array import array
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import pairwise, takewhile
from operator import itemgetter
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from server.domain.values import DecimalError, Micros, Units, divide_half_even
from server.market.listing import Listing
from server.market.replay_content import Content, ContentError
from server.market.replay_header import HeaderError, Shape, other_separator, read_header
from server.market.replay_numbers import (
    CAPS,
    FIELD_LENGTH_MAX,
    SHOWN_MAX,
    number_problem,
    read_float,
    read_units,
)
from server.market.replay_times import TimeReader

LINE_BYTES_MAX = FIELD_LENGTH_MAX
MARK_BYTES = 1 << 20
SORTED_ROWS_MAX = 2_000_000
"""The most rows that are sorted; sorting keeps about 60 bytes of each in memory."""

_ENDINGS = {".gz", ".csv", ".tsv", ".txt"}


class ReplayFileError(ValueError):
    """The file cannot be played; one line names the file, its line and the problem."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayOptions:
    """What a file does not say: the symbol of all its rows, and the zone of times without offset.

    The zone is a name of the IANA database, such as America/New_York.
    """

    symbol: str | None = None
    zone: str | None = None


NO_OPTIONS = ReplayOptions()


class UnsortedError(ReplayFileError):
    """A row is earlier than the one above it."""


class Mark(NamedTuple):
    """Where a row begins, and the number of the line before it."""

    offset: int
    line: int


class ReplayTable:
    """An open file; `line` is the number of the last line that was read.

    `is_rough` tells whether one of the last numbers had more digits than a quote can show.
    `rounded` and `capped` count prices and sizes that were changed, and `repeated` counts bars that
    were left out, by symbol. `respelled` maps other spellings to listed symbols. `rank` is 0, or
    after `sort` the number of the last row in the order of time. `marks` are found while the rows
    are read; at each, `tell_share` is called with the share of the file that is read.
    """

    def __init__(
        self,
        path: Path,
        shapes: Sequence[Shape],
        options: ReplayOptions,
        tell_share: Callable[[float], None] | None = None,
    ) -> None:
        self.path = path
        self.options = options
        self.times = TimeReader(options.zone)
        self._tell_share = tell_share
        self.line = self.rank = 0
        self.is_rough = self.has_skipped = False
        self.marks: list[Mark] = []
        self._next_mark = MARK_BYTES
        self._line_start = self._line_end = 0
        self.rounded: Counter[str] = Counter()
        self.capped: Counter[str] = Counter()
        self.repeated: Counter[str] = Counter()
        self.respelled: dict[str, str] = {}
        self._digest = sha256()
        try:
            self._content = Content(path)
        except ContentError as error:
            raise ReplayFileError(f"{path}: {error}") from error
        self.state = self._content.state
        self._lines = self._read_lines()
        try:
            self._read_header(shapes)
        except ReplayFileError:
            self._content.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._content.close()

    def rows(self) -> Iterator[tuple[str, ...]]:
        """Read the rows; each has the fields of the columns of `shape`, the optional one last."""
        header, pick, symbol = self._header, itemgetter(*self._header.at), self._symbol
        separator, width, is_padded = header.separator, header.width, header.is_padded
        for line in self._lines:
            fields = self._unquoted(line) if '"' in line else line.split(separator)
            if len(fields) != width:
                raise self.error(self._width_problem(line, len(fields)))
            if self._line_start >= self._next_mark:
                self.marks.append(Mark(self._line_start, self.line - 1))
                self._next_mark = self._line_start + MARK_BYTES
                if self._tell_share is not None:
                    self._tell_share(self._content.share)
            if is_padded:
                fields = [field.strip() for field in fields]
            if symbol is not None:
                fields.append(symbol)
            yield pick(fields)

    def skip(
        self, marks: Sequence[Mark], before: Micros, read: Callable[[str], Micros | None]
    ) -> None:
        """Seek to the last mark before which every row is earlier than a moment.

        `read` reads the times of the rows.
        """
        first = self._content.tell()
        if self._content.is_as_stored:
            count = bisect_left(marks, before, key=lambda mark: self._time_at(mark, read))
        else:
            # A seek forwards reads what lies between, so each byte is read once.
            times = (self._time_at(mark, read) for mark in marks)
            count = sum(1 for _ in takewhile(lambda time: time < before, times))
        if count:
            mark = marks[count - 1]
            self.has_skipped, self.line = True, mark.line
            first = self._line_end = mark.offset
        self._seek(first)

    @property
    def can_sort(self) -> bool:
        """Tell whether the rows of the file can be read in any order at no cost."""
        return self._content.is_as_stored

    def sort(self, begin: Micros = 0) -> None:
        """Make `rows` yield rows in order of time, from a moment on; refuse a file with too many.

        Rows of one time keep their order, unless all rows come newest first.
        """
        times, offsets, lines = array("q"), array("q"), array("q")
        read = self.times.read
        for time_text, *_ in self.rows():
            if not times and self.times.read_day(time_text) is not None:
                read = self.times.read_day
            time = read(time_text)
            if time is None:
                raise self.error(self.times.problem(time_text))
            if len(times) == SORTED_ROWS_MAX:
                raise self.error(f"time: at most {len(times)} rows are sorted here: sort the file")
            times.append(time)
            offsets.append(self._line_start)
            lines.append(self.line)
        order = _order(times)
        first = bisect_left(order, begin, key=times.__getitem__)
        self.marks, self._next_mark = [], sys.maxsize
        self._lines = self._read_in(order[first:], offsets, lines)
        self.rank = first

    def _read_in(
        self, order: Sequence[int], offsets: Sequence[int], lines: Sequence[int]
    ) -> Iterator[str]:
        for number in order:
            self._seek(offsets[number])
            self.rank, self.line = self.rank + 1, lines[number]
            line = self._read_line(LINE_BYTES_MAX).removeprefix(codecs.BOM_UTF8)
            yield line.decode(errors="replace").strip(" \r\n")

    def _time_at(self, mark: Mark, read: Callable[[str], Micros | None]) -> Micros:
        self._seek(mark.offset)
        line = self._read_line(LINE_BYTES_MAX).decode(errors="replace").strip(" \r\n")
        fields = self._unquoted(line) if '"' in line else line.split(self._header.separator)
        is_row = len(fields) == self._header.width
        time = read(fields[self._header.at[0]].strip()) if is_row else None
        if time is None:
            raise ReplayFileError(f"{self.path}: has changed: no row at byte {mark.offset}")
        return time

    def notes(self) -> list[str]:
        """Return the adjustments so far that the author of the file may not expect."""
        unused = ", ".join(filter(None, self._header.unused))
        of_file_name = [f"every row is of {self._symbol}, the symbol that the file is named after"]
        return [
            *(of_file_name if self.has_symbol_of_file_name else []),
            *([f"columns that are not used: {unused}"] if unused else []),
            *(f"{text} is read as {symbol}" for text, symbol in sorted(self.respelled.items())),
            *(["the rows are not sorted, and are played by their times"] if self.rank else []),
            *_counted(self.rounded, "prices rounded to the price tick"),
            *_counted(self.capped, "volumes or sizes cut to the largest that quotes can show"),
            *_counted(self.repeated, "rows left out that repeat the bar before"),
        ]

    def digest(self) -> str:
        """Return the SHA-256 of the lines that were read and of the options that were used."""
        digest = self._digest.copy()
        if self._symbol is not None:
            digest.update(f"symbol {self._symbol}".encode())
        if self.times.has_used_zone:
            digest.update(f"zone {self.options.zone}".encode())
        return digest.hexdigest()

    def error(self, problem: str) -> ReplayFileError:
        """Return the error for a problem in the line that was read last."""
        return ReplayFileError(f"{self.path}: line {self.line}: {problem}")

    def unsorted(self) -> UnsortedError:
        """Return the error for a line read last that is earlier than the one above it."""
        return UnsortedError(
            str(
                self.error(
                    "time: must not be before that of the row above: sort the rows, or decompress"
                    " the file and save it as UTF-8, which makes sorting needless"
                )
            )
        )

    def numbers(self, columns: Sequence[str], fields: Sequence[str], symbol: str) -> list[Units]:
        """Read the decimals of columns, of which the last may be missing.

        Numbers with more decimals than a quote are rounded; sizes with more digits are capped.
        """
        try:
            numbers = [read_units(field) for field in fields]
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
        number = read_float(field)
        cap = CAPS.get(column)
        if number is None or (cap is None and number > SHOWN_MAX):
            raise self.error(number_problem(column, field))
        if cap is not None and number > cap:
            self.capped[symbol] += 1
            return cap
        return number

    def _read_header(self, shapes: Sequence[Shape]) -> None:
        try:
            header = read_header(self._lines, shapes)
        except HeaderError as error:
            raise self.error(str(error)) from None
        if header is None:
            raise ReplayFileError(f"{self.path}: is empty")
        given, says_symbols = self.options.symbol, header.has_symbols or header.symbol is not None
        if says_symbols and given is not None:
            raise self.error("symbol: the file says it: leave out --replay-symbol")
        self._header, self.shape = header, header.shape
        self.has_symbol_of_file_name = not says_symbols and given is None
        self._symbol = None if header.has_symbols else header.symbol or given or _name(self.path)
        if not header.names_columns:
            self._seek(0)
            self.line = self._line_start = self._line_end = 0
            self._digest = sha256()

    def _read_lines(self) -> Iterator[str]:
        content = self._content
        try:
            while line := content.read_line(LINE_BYTES_MAX + 1):
                self.line += 1
                self._line_start = self._line_end
                self._line_end += len(line)
                self._digest.update(line)
                if self.line == 1:
                    if b"\r" in line.rstrip(b"\r\n"):
                        raise self.error("has CR within: lines must end with LF or CR LF")
                    line = line.removeprefix(codecs.BOM_UTF8)
                if len(line) > LINE_BYTES_MAX:
                    raise self.error(f"must have at most {LINE_BYTES_MAX} bytes")
                # A tab at the end stays, because an empty last field may follow it.
                text = line.decode().strip(" \r\n")
                if text.strip():
                    yield text
        except UnicodeDecodeError:
            raise self.error("must be UTF-8") from None
        except ContentError as error:
            raise self._unreadable(error) from error

    def _read_line(self, limit: int) -> bytes:
        try:
            return self._content.read_line(limit)
        except ContentError as error:
            raise self._unreadable(error) from error

    def _unreadable(self, error: ContentError) -> ReplayFileError:
        return ReplayFileError(f"{self.path}: after line {self.line}: {error}")

    def _seek(self, offset: int) -> None:
        try:
            self._content.seek(offset)
        except ContentError as error:
            raise ReplayFileError(f"{self.path}: {error}") from error

    def _unquoted(self, line: str) -> list[str]:
        try:
            return next(csv.reader([line], delimiter=self._header.separator, strict=True))
        except csv.Error:
            raise self.error("a quotation mark is not closed") from None

    def _width_problem(self, line: str, found: int) -> str:
        header = self._header
        problem = f"has {found} fields instead of {header.width}"
        other = other_separator(line, header.separator)
        if other is None:
            return problem
        return f"{problem}: write {header.separator!r} as in line 1 instead of {other!r}"


def _order(times: "array[int]") -> Sequence[int]:
    numbers = range(len(times))
    if all(later <= time for time, later in pairwise(times)):
        return numbers[::-1]
    return sorted(numbers, key=times.__getitem__)


def _counted(counts: Counter[str], what: str) -> Iterator[str]:
    return (f"{symbol}: {what}: {count}" for symbol, count in sorted(counts.items()))


def _name(path: Path) -> str:
    """Return the name of a file without its usual endings."""
    while path.suffix.lower() in _ENDINGS:
        path = path.with_suffix("")
    return path.name
