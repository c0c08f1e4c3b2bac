"""Replay tables: the rows of a CSV file with their numbers, and how their fields are read."""

import codecs
import re
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache
from hashlib import sha256
from operator import itemgetter
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from server.application.ports import Calendar
from server.domain.instrument import AssetType
from server.domain.values import (
    DAY,
    DecimalError,
    Micros,
    Units,
    normalize_symbol,
    parse_units,
)
from server.market.listing import Listing
from server.market.moments import day_start, from_datetime, utc_day
from server.market.universe import Universe

LINE_BYTES_MAX = 4_096

_YEARS = "(?:19[7-9][0-9]|20[0-9]{2}|21[0-9]{2})"
_DAY = re.compile(rf"{_YEARS}-[0-9]{{2}}-[0-9]{{2}}")
_TIME = re.compile(
    rf"{_DAY.pattern}[T ][0-9]{{2}}:[0-9]{{2}}:[0-9]{{2}}(?:\.[0-9]{{1,9}})?"
    r"(?:Z|[+-][0-9]{2}:[0-9]{2})"
)
_NO_FRACTION = re.compile(r"(?:\.0+)?[Z+-]")

LONG_BREAK = (8, 15)
"""The longest that a market was closed, and some more, in days."""

# Neighbouring rows repeat times, prices and sizes; reading them again takes most of the time.
_read_units = lru_cache(maxsize=1 << 14)(parse_units)


class ReplayFileError(ValueError):
    """The file cannot be played; one line names the file, the line of it and the problem."""


@dataclass(frozen=True, slots=True)
class Shape:
    """The columns of a kind of file; rows give their fields in this order."""

    name: str
    required: tuple[str, ...]
    optional: str


class ReplayTable:
    """An open file; `line` is the number of the line that was read last."""

    def __init__(self, path: Path, shapes: Sequence[Shape]) -> None:
        self.path = path
        self.line = 0
        self._digest = sha256()
        self._file = _open(path)
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
        width, pick = self._width, self._pick
        for line in self._lines:
            fields = line.split(",")
            if len(fields) != width:
                raise self.error(f"has {len(fields)} fields instead of {width}")
            yield pick(fields)

    def digest(self) -> str:
        """Return the SHA-256 of the file, as far as it has been read."""
        return self._digest.hexdigest()

    def error(self, problem: str) -> ReplayFileError:
        """Return the error that the last line has a problem."""
        return ReplayFileError(f"{self.path}: line {self.line}: {problem}")

    def numbers(self, columns: Sequence[str], fields: Sequence[str]) -> list[Units]:
        """Read the decimals of columns, of which the last may be missing."""
        try:
            return [_read_units(field) for field in fields]
        except DecimalError:
            for column, field in zip(columns, fields, strict=False):
                if not _is_decimal(field):
                    raise self.error(
                        f"{column}: must be a decimal of at most 10 digits before the point and "
                        "8 after it"
                    ) from None
            raise

    def _read_header(self, shapes: Sequence[Shape]) -> None:
        header = next(self._lines, None)
        if header is None:
            raise ReplayFileError(f"{self.path}: is empty")
        columns = header.split(",")
        shape = max(shapes, key=lambda shape: len({*shape.required} & {*columns}))
        known = (*shape.required, shape.optional)
        for number, column in enumerate(columns):
            if column not in known:
                raise self.error(f"{column!r}: is no column of {shape.name}")
            if column in columns[:number]:
                raise self.error(f"{column}: is there twice")
        for column in shape.required:
            if column not in columns:
                raise self.error(f"{column}: is missing")
        self.shape = shape
        self._width = len(columns)
        present = [column for column in known if column in columns]
        self._pick = itemgetter(*map(columns.index, present))

    def _read_lines(self) -> Iterator[str]:
        try:
            while line := self._file.readline(LINE_BYTES_MAX + 1):
                self.line += 1
                self._digest.update(line)
                if len(line) > LINE_BYTES_MAX:
                    raise self.error(f"is longer than {LINE_BYTES_MAX} bytes")
                if self.line == 1:
                    line = line.removeprefix(codecs.BOM_UTF8)
                text = line.decode().strip()
                if text:
                    yield text
        except UnicodeDecodeError:
            raise self.error("is not UTF-8") from None
        except OSError as error:
            raise ReplayFileError(f"{self.path}: {error.strerror}") from error


class Listings:
    """What the symbols of a file mean on the days of its rows."""

    def __init__(self, universe: Universe, calendar: Calendar) -> None:
        self._universe = universe
        self._calendar = calendar
        self._day_start = self._day_end = 0
        self._found: dict[str, Listing] = {}
        self._is_known = lru_cache(maxsize=len(AssetType))(self._look_for_sessions)

    def find(self, text: str, time: Micros, table: ReplayTable) -> Listing:
        """Return what is listed as a symbol; raise ReplayFileError when nothing is."""
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
            raise table.error(f"symbol: {symbol} is not listed on {day.isoformat()}")
        # Also those of others: whoever trades on this file may ask for any market at its time.
        for asset_type in (listing.instrument.asset_type, *AssetType):
            if not self._is_known(asset_type, day):
                raise table.error(f"time: the sessions of {asset_type.value} are not known then")
        return listing

    def _look_for_sessions(self, asset_type: AssetType, day: date) -> bool:
        # A calendar knows a span of years, and must not be asked about a moment outside of it.
        return all(
            any(
                self._calendar.session_on(asset_type, day + timedelta(days=sign * distance))
                for distance in range(*LONG_BREAK)
            )
            for sign in (-1, 1)
        )


@lru_cache(maxsize=16)
def read_time(text: str) -> Micros | None:
    """Read a moment as RFC 3339 has it, cut to microseconds; None for anything else."""
    if _TIME.fullmatch(text) is None:
        return None
    try:
        moment = from_datetime(datetime.fromisoformat(text))
    except ValueError:
        return None
    return moment if moment >= 0 else None


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
        # Opening a pipe would wait for its other end, and it could not be read twice.
        if not stat.S_ISREG(path.stat().st_mode):
            raise ReplayFileError(f"{path}: is no regular file")
        return path.open("rb")
    except OSError as error:
        raise ReplayFileError(f"{path}: {error.strerror}") from error


def _is_decimal(field: str) -> bool:
    try:
        parse_units(field)
    except DecimalError:
        return False
    return True
