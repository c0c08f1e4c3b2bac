"""Files of a download: bars of one symbol each until all are there, then the file that replays."""

import fcntl
import gzip
import json
import os
import shutil
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from heapq import merge
from operator import itemgetter
from pathlib import Path
from types import TracebackType
from typing import IO, Literal, Self, cast

from bottrading_feeds.port import Candle, SourceError
from bottrading_feeds.universe import write_whole

INTERVALS = {
    "1m": timedelta(minutes=1),
    "5m": timedelta(minutes=5),
    "15m": timedelta(minutes=15),
    "1h": timedelta(hours=1),
    "1d": timedelta(days=1),
}
HEADER = "time,symbol,open,high,low,close,volume\n"

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MANIFEST = "download.json"
_LOCK = "lock"
_TAIL_BYTES = 4_096
_LONGEST_CLOSING = timedelta(days=5)
_time_of = itemgetter(slice(0, len(b"2025-01-02T00:00:00Z")))


@dataclass(frozen=True, slots=True, kw_only=True)
class Download:
    """What a call of `bottrading history` asks for; `until` is None for all until now."""

    source: str
    symbols: tuple[str, ...]
    interval: str
    since: datetime
    until: datetime | None
    usd_equivalent: tuple[str, ...] = ()

    @property
    def length(self) -> timedelta:
        """Return how long a bar lasts."""
        return INTERVALS[self.interval]

    def asked(self) -> dict[str, str]:
        """Return what was asked for, as texts."""
        return {name: _shown(value) for name, value in asdict(self).items()}


class BarFiles:
    """The files of a download beside its output file, which one process at a time writes."""

    def __init__(self, out: Path, wanted: Download, until: datetime) -> None:
        self._out = out
        self._wanted = wanted
        self.until = until
        self._lock = (_directory(out) / _LOCK).open("w")
        try:
            # The system releases it when the process ends, however that happens.
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._lock.close()
            raise SourceError(f"another process is downloading to {out}: wait for it") from None

    def close(self) -> None:
        """Let another process go on with the download."""
        self._lock.close()

    @classmethod
    def open(cls, out: Path, wanted: Download, now: datetime) -> Self:
        """Begin a download, or go on with the one that an earlier call for the same began.

        Bars that have not ended by the beginning of the download are not part of it. Raises
        SourceError if another file or another download is in the way.
        """
        directory = _directory(out)
        asked, manifest = wanted.asked(), directory / _MANIFEST
        if not out.parent.is_dir():
            raise SourceError(f"--out: {out.parent} is not a directory")
        if manifest.exists():
            stored = json.loads(manifest.read_text("utf-8"))
            for name, value in asked.items():
                if stored["asked"].get(name) != value:
                    raise SourceError(
                        f"{directory} is of a download with {name} {stored['asked'].get(name)!r},"
                        f" not {value!r}: remove it to begin anew, or ask for the same again"
                    )
            return cls(out, wanted, datetime.fromisoformat(stored["until"]))
        if out.exists():
            raise SourceError(f"{out} exists already: remove it, or choose another --out")
        complete = now - (now - _EPOCH) % wanted.length
        until = min(wanted.until or complete, complete)
        if wanted.since >= until:
            raise SourceError(f"--since must be before {until.isoformat()}")
        # Without its manifest, a directory is what remained of a download that is complete.
        directory.mkdir(exist_ok=True)
        if any(directory.glob("*.csv")):
            raise SourceError(f"{directory} is in the way: remove it")
        write_whole(manifest, json.dumps({"asked": asked, "until": until.isoformat()}))
        return cls(out, wanted, until)

    def complete(self) -> int | None:
        """Return how many bars the output has, if an earlier call completed it, else None.

        That call was killed before it had removed the files beside the output.
        """
        if not self._out.exists():
            return None
        self._forget()
        with _open_file(self._out, "rb", packed=_is_packed(self._out)) as file:
            return sum(1 for _ in file) - 1

    def of(self, symbol: str) -> "SymbolFile":
        """Open the file of a symbol."""
        return SymbolFile(_directory(self._out) / f"{symbol}.csv", symbol, self._wanted, self.until)

    def finish(self, symbols: Sequence[str]) -> int:
        """Write the output, in order of time; return how many bars it has."""
        new, rows = self._out.with_name(f"{self._out.name}.new"), 0
        with ExitStack() as opened:
            parts: list[Iterable[bytes]] = [
                opened.enter_context((_directory(self._out) / f"{symbol}.csv").open("rb"))
                for symbol in symbols
            ]
            with _open_file(new, "wb", packed=_is_packed(self._out)) as file:
                file.write(HEADER.encode())
                for row in merge(*parts, key=_time_of):
                    file.write(row)
                    rows += 1
        if not rows:
            new.unlink()
            return 0
        with new.open("rb") as written:
            os.fsync(written.fileno())
        new.replace(self._out)
        self._forget()
        return rows

    def _forget(self) -> None:
        """Remove the files beside the output; the one that says what they are goes last."""
        directory = _directory(self._out)
        for part in directory.glob("*.csv"):
            part.unlink()
        shutil.rmtree(directory)


class SymbolFile:
    """The bars of one symbol so far, in order and each of them once.

    A process that was killed may leave part of a row at the end: it is cut off, and its bar is
    asked for again.
    """

    def __init__(self, path: Path, symbol: str, wanted: Download, until: datetime) -> None:
        self.symbol, self.until = symbol, until
        self._wanted = wanted
        self._is_daily = wanted.length >= INTERVALS["1d"]
        self._file = path.open("a+b")
        self._cut()
        self._faulty = 0
        self.first = self._read_first()
        last = self._read_last()
        self.begin = wanted.since if last is None else self._after(last)
        """The beginning of the next bar to ask for."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._file.close()

    @property
    def share(self) -> float:
        """Return the share of the time span that the file covers."""
        return min((self.begin - self._wanted.since) / (self.until - self._wanted.since), 1.0)

    def add(self, candles: Sequence[Candle]) -> None:
        """Add the bars that are not there yet; those whose prices contradict each other are not."""
        rows = []
        for candle in candles:
            if not self.begin <= candle.time < self.until:
                continue
            self.begin = self._after(candle.time)
            if not _is_sound(candle):
                self._faulty += 1
                continue
            self.first = self.first or candle.time
            rows.append(self._row(candle))
        self._file.write("".join(rows).encode())
        self._file.flush()

    def notes(self, *, is_always_open: bool) -> list[str]:
        """Return what a person should know of the bars."""
        if self.first is None:
            return [f"{self.symbol}: the source has no bars of that time"]
        notes = []
        usual = max(timedelta(hours=1), 2 * self._wanted.length)
        if self.first - self._wanted.since > (usual if is_always_open else _LONGEST_CLOSING):
            notes.append(
                f"{self.symbol}: the first bar is of {_shown(self.first)}: the source gives no"
                " older ones"
            )
        if self._faulty:
            notes.append(
                f"{self.symbol}: {self._faulty} bars are left out, because their prices contradict"
                " each other"
            )
        return notes

    def _after(self, time: datetime) -> datetime:
        """Return the earliest beginning of a later bar; that of a day can begin at any hour."""
        begin = time - (time - _EPOCH) % self._wanted.length if self._is_daily else time
        return begin + self._wanted.length

    def _row(self, candle: Candle) -> str:
        prices = (candle.open, candle.high, candle.low, candle.close, candle.volume)
        time = f"{candle.time:%Y-%m-%d}" if self._is_daily else f"{candle.time:%Y-%m-%dT%H:%M:%SZ}"
        return f"{time},{self.symbol},{','.join(f'{number:f}' for number in prices)}\n"

    def _cut(self) -> None:
        """Cut off what follows the last end of a line."""
        end = self._file.seek(0, os.SEEK_END)
        self._file.seek(max(end - _TAIL_BYTES, 0))
        tail = self._file.read()
        self._file.truncate(end - len(tail) + tail.rfind(b"\n") + 1)
        self._file.seek(0, os.SEEK_END)

    def _read_first(self) -> datetime | None:
        self._file.seek(0)
        return _read_time(self._file.readline())

    def _read_last(self) -> datetime | None:
        end = self._file.seek(0, os.SEEK_END)
        self._file.seek(max(end - _TAIL_BYTES, 0))
        return _read_time(self._file.read().rstrip(b"\n").rpartition(b"\n")[2])


def _is_sound(candle: Candle) -> bool:
    prices = (candle.open, candle.high, candle.low, candle.close)
    if not all(number.is_finite() for number in (*prices, candle.volume)):
        return False
    return 0 < candle.low == min(prices) and candle.high == max(prices) and candle.volume >= 0


def _read_time(row: bytes) -> datetime | None:
    text = row.decode().partition(",")[0]
    if not text:
        return None
    time = datetime.fromisoformat(text)
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time


def _directory(out: Path) -> Path:
    return out.with_name(f"{out.name}.parts")


def _is_packed(out: Path) -> bool:
    return out.suffix == ".gz"


def _open_file(path: Path, mode: Literal["rb", "wb"], *, packed: bool) -> IO[bytes]:
    return cast("IO[bytes]", gzip.open(path, mode)) if packed else path.open(mode)


def _shown(value: object) -> str:
    if isinstance(value, datetime):
        return f"{value.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
    if isinstance(value, tuple | list):
        return ",".join(value)
    return "" if value is None else str(value)
