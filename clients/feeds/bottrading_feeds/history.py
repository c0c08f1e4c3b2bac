"""Bars of the past from a source, in the form that a replay plays; a broken download goes on."""

import asyncio
import sys
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Awaitable, Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    TaskID,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)

from bottrading_feeds.asking import (
    add_source,
    ask,
    given_currencies,
    given_symbols,
    patiently,
    told,
)
from bottrading_feeds.bar_files import INTERVALS, BarFiles, Download, SymbolFile
from bottrading_feeds.port import Listing, Source, SourceError
from bottrading_feeds.universe import EXCHANGE_HOURS, listed

Watch = Callable[[SymbolFile], None]
Sleep = Callable[[float], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Fetched:
    """What a finished download found: its rows, and what a person should know, a line each."""

    rows: int
    notes: tuple[str, ...]


def main() -> int:
    """Run the command `bottrading history`; return its exit status."""
    parser = ArgumentParser(
        prog="bottrading history",
        description="Write a source's bars to a file that --replay-file plays. If the command is"
        " interrupted, run it again: it goes on.",
    )
    add_source(parser)
    parser.add_argument("--interval", choices=INTERVALS, default="1m", help="default: 1m")
    parser.add_argument(
        "--since", type=moment, required=True, metavar="DATE", help="2025-01-02, or a time in UTC"
    )
    parser.add_argument(
        "--until", type=moment, metavar="DATE", help="bars before this one; default: now"
    )
    parser.add_argument(
        "--out", type=Path, required=True, metavar="FILE", help="bars.csv, or bars.csv.gz"
    )
    given = parser.parse_args()
    wanted = Download(
        source=given.source,
        symbols=tuple(given_symbols(given)),
        interval=given.interval,
        since=given.since,
        until=given.until,
        usd_equivalent=tuple(sorted(given_currencies(given))),
    )
    fetched = ask(given.source, partial(_with_progress, wanted, given.out))
    if fetched is None:
        return 1
    for note in fetched.notes:
        told(note)
    told(f"{given.out}: {fetched.rows:,} bars")
    return 0


def moment(text: str) -> datetime:
    """Read a date or a time, in UTC where it has no offset."""
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise ArgumentTypeError(f"must be a date such as 2025-01-02, not {text!r}") from None
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)


async def fetch(
    source: Source,
    wanted: Download,
    out: Path,
    *,
    now: datetime,
    progress: Watch = lambda _: None,
    sleep: Sleep = asyncio.sleep,
) -> Fetched:
    """Write the bars of a download to `out`; go on where an earlier call for the same stopped.

    Until all are there, they are in a directory beside `out`. `progress` is called with the file of
    a symbol after each page. Raises SourceError if the source cannot give the bars, and if another
    file is in the way.
    """
    with closing(BarFiles.open(out, wanted, now)) as files:
        return await _fetch(source, wanted, files, progress, sleep)


async def _fetch(
    source: Source, wanted: Download, files: BarFiles, progress: Watch, sleep: Sleep
) -> Fetched:
    complete = files.complete()
    if complete is not None:
        return Fetched(complete, ())
    listings = await listed(source, wanted.symbols, wanted.usd_equivalent)
    notes: list[str] = []
    for listing in listings:
        with files.of(listing.symbol) as file:
            progress(file)
            await _fill(source, listing, file, wanted.interval, progress, sleep)
            notes += file.notes(is_always_open=listing.session != EXCHANGE_HOURS)
    rows = files.finish([listing.symbol for listing in listings])
    if not rows:
        raise SourceError(f"{wanted.source} has no such bars: choose another --since or --interval")
    return Fetched(rows, tuple(notes))


async def _fill(
    source: Source,
    listing: Listing,
    file: SymbolFile,
    interval: str,
    progress: Watch,
    sleep: Sleep,
) -> None:
    reached = file.begin

    async def take() -> None:
        if file.begin >= file.until:
            return
        async for page in source.candles(listing, interval, file.begin, file.until):
            file.add(page)
            progress(file)

    def went_on() -> bool:
        nonlocal reached
        before, reached = reached, file.begin
        return reached > before

    await patiently(take, sleep=sleep, is_worth_it=went_on)
    file.begin = file.until
    progress(file)


async def _with_progress(wanted: Download, out: Path, source: Source) -> Fetched:
    """Fetch, and show on a terminal how far it is."""
    # This is a command for a person, whose clock is the one that counts.
    now = datetime.now(UTC)
    if not sys.stderr.isatty():
        return await fetch(source, wanted, out, now=now)
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn())
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True)) as bar:
        tasks: dict[str, TaskID] = {}

        def show(file: SymbolFile) -> None:
            if file.symbol not in tasks:
                tasks[file.symbol] = bar.add_task(file.symbol, total=1.0)
            bar.update(tasks[file.symbol], completed=file.share)

        return await fetch(source, wanted, out, now=now, progress=show)


if __name__ == "__main__":
    sys.exit(main())
