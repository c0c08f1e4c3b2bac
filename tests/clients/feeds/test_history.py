"""Downloads of bars: what they write plays, and what was interrupted goes on without a trace."""

import gzip
from argparse import ArgumentTypeError
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from bottrading_feeds import SourceError
from bottrading_feeds.bar_files import BarFiles, Download
from bottrading_feeds.history import Fetched, fetch, moment
from bottrading_feeds.port import Candle
from server.market.replay_file import ReplayKind, check_replay_file, replay_quotes
from server.market.sessions import AlwaysOpen
from server.market.universe_file import default_universe
from tests.clients.feeds.invented import BEGIN, InventedSource, at_once, candle, hours, listing

PAIRS = (listing("BTC-USD"), listing("ETH-USD"))
NOW = BEGIN + hours(500)


class Killed(BaseException):
    """Stands for the end of the process in the middle of its work."""


def wanted(**fields: Any) -> Download:
    """Return a download of ten hours of minutes, unless told otherwise."""
    given: dict[str, Any] = {
        "source": "invented",
        "symbols": ("BTC/USD", "ETH/USD"),
        "interval": "1m",
        "since": BEGIN,
        "until": BEGIN + hours(10),
    }
    return Download(**given | fields)


def names_in(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


async def run(source: InventedSource, download: Download, out: Path, **given: Any) -> Fetched:
    return await fetch(source, download, out, **{"now": NOW, "sleep": at_once, **given})


async def test_a_file_of_several_symbols_is_in_order_of_time_and_plays(tmp_path: Path) -> None:
    out = tmp_path / "bars.csv"
    fetched = await run(InventedSource(*PAIRS), wanted(), out)

    rows = out.read_text().splitlines()
    facts = check_replay_file(out, default_universe(), AlwaysOpen())
    quotes = list(replay_quotes(facts, default_universe(), AlwaysOpen(), 0))

    assert rows[:3] == [
        "time,symbol,open,high,low,close,volume",
        "2025-01-02T00:00:00Z,BTC-USD,100,102,99,101,0",
        "2025-01-02T00:00:00Z,ETH-USD,100,102,99,101,0",
    ]
    assert rows[-1] == "2025-01-02T09:59:00Z,ETH-USD,149,151,148,150,599"
    assert len(rows) == fetched.rows + 1 == 2 * 600 + 1
    assert (facts.kind, facts.is_sorted, facts.notes) == (ReplayKind.BARS, True, ())
    assert len(quotes) == 4 * 1_200
    assert fetched.notes == ()
    assert names_in(tmp_path) == ["bars.csv"]


async def test_bars_of_a_day_have_dates(tmp_path: Path) -> None:
    out = tmp_path / "bars.csv"
    source = InventedSource(
        *PAIRS,
        page=3,
        # As a broker in New York tells them, where midnight is at four or five in UTC.
        change=lambda page: [
            candle(it.time + hours(4 + number % 2)) for number, it in enumerate(page)
        ],
    )
    download = wanted(symbols=("BTC/USD",), interval="1d", until=BEGIN + timedelta(days=20))

    await run(source, download, out)

    facts = check_replay_file(out, default_universe(), AlwaysOpen())
    days = [row.partition(",")[0] for row in out.read_text().splitlines()[1:]]
    assert days == [f"2025-01-{day:02}" for day in range(2, 22)]
    assert facts.kind is ReplayKind.DAILY_BARS


async def test_a_file_can_be_compressed(tmp_path: Path) -> None:
    plain, packed = tmp_path / "bars.csv", tmp_path / "bars.csv.gz"
    for out in (plain, packed):
        await run(InventedSource(*PAIRS), wanted(), out)

    assert gzip.decompress(packed.read_bytes()) == plain.read_bytes()
    assert check_replay_file(packed, default_universe(), AlwaysOpen()).is_sorted


@pytest.mark.parametrize("torn", [0, 1, 2, 30, 50, 1_000_000])
async def test_a_download_that_was_killed_goes_on_where_it_stopped(
    tmp_path: Path, torn: int
) -> None:
    whole, out = tmp_path / "whole.csv", tmp_path / "bars.csv"
    await run(InventedSource(*PAIRS), wanted(), whole)
    pages = 0

    def kill() -> None:
        nonlocal pages
        pages += 1
        if pages == 10:
            raise Killed

    with pytest.raises(Killed):
        await run(InventedSource(*PAIRS, trouble=kill), wanted(), out)
    begun = tmp_path / "bars.csv.parts" / "ETH-USD.csv"
    with begun.open("ab") as file:
        # Any number of its last bytes may have been lost.
        file.truncate(max(begun.stat().st_size - torn, 0))
    again = InventedSource(*PAIRS)
    fetched = await run(again, wanted(), out)

    assert out.read_bytes() == whole.read_bytes()
    assert fetched.rows == 1_200
    assert [symbol for symbol, _ in again.asked] == ["ETH-USD"]
    assert (again.asked[0][1] > BEGIN) == (torn < 1_000_000)


async def test_a_download_killed_while_it_tidies_up_is_complete(tmp_path: Path) -> None:
    out, parts = tmp_path / "bars.csv", tmp_path / "bars.csv.parts"

    def kill() -> None:
        raise Killed

    with pytest.raises(Killed):
        await run(InventedSource(*PAIRS, trouble=kill), wanted(), out)
    out.write_text("time\n1\n2\n")

    assert await run(InventedSource(*PAIRS, trouble=kill), wanted(), out) == Fetched(2, ())
    assert not parts.exists()


async def test_nothing_else_is_overwritten(tmp_path: Path) -> None:
    out, parts = tmp_path / "bars.csv", tmp_path / "bars.csv.parts"
    out.write_text("mine")
    with pytest.raises(SourceError, match=r"bars\.csv exists already: remove it, or choose"):
        await run(InventedSource(*PAIRS), wanted(), out)
    assert out.read_text() == "mine"

    out.unlink()
    parts.mkdir()
    (parts / "mine.csv").write_text("mine")
    with pytest.raises(SourceError, match=r"bars\.csv\.parts is in the way: remove it$"):
        await run(InventedSource(*PAIRS), wanted(), out)
    with pytest.raises(SourceError, match=r"nowhere is not a directory$"):
        await run(InventedSource(*PAIRS), wanted(), tmp_path / "nowhere" / "bars.csv")


async def test_two_processes_do_not_write_the_same_download(tmp_path: Path) -> None:
    out = tmp_path / "bars.csv"

    def meanwhile() -> None:
        with pytest.raises(SourceError, match=r"^another process is downloading to .*bars\.csv: w"):
            BarFiles.open(out, wanted(), NOW)

    await run(InventedSource(*PAIRS, trouble=meanwhile), wanted(), out)

    assert names_in(tmp_path) == ["bars.csv"]


async def test_a_download_goes_on_with_the_same_question_only(tmp_path: Path) -> None:
    out = tmp_path / "bars.csv"

    def kill() -> None:
        raise Killed

    with pytest.raises(Killed):
        await run(InventedSource(*PAIRS, trouble=kill), wanted(until=None), out)

    with pytest.raises(SourceError, match="is of a download with interval '1m', not '1h': remove"):
        await run(InventedSource(*PAIRS), wanted(until=None, interval="1h"), out)
    # Time has passed, but the download still ends where it ended when it began.
    await run(InventedSource(*PAIRS), wanted(until=None), out, now=NOW + hours(9))
    assert out.read_text().splitlines()[-1].startswith("2025-01-22T19:59:00Z,ETH-USD,")


async def test_a_bar_that_has_not_ended_is_left_out(tmp_path: Path) -> None:
    out = tmp_path / "bars.csv"
    now = BEGIN + hours(2) + timedelta(seconds=59)

    await run(InventedSource(*PAIRS), wanted(symbols=("BTC/USD",), until=None), out, now=now)

    assert out.read_text().splitlines()[-1].startswith("2025-01-02T01:59:00Z,")
    with pytest.raises(SourceError, match=r"^--since must be before 2025-01-02T02:00:00"):
        await run(InventedSource(*PAIRS), wanted(since=now), tmp_path / "b.csv", now=now)


async def test_a_source_that_fails_now_and_then_is_asked_again(tmp_path: Path) -> None:
    whole, out, calls = tmp_path / "whole.csv", tmp_path / "bars.csv", 0
    await run(InventedSource(*PAIRS), wanted(), whole)
    waits: list[float] = []

    def fail() -> None:
        nonlocal calls
        calls += 1
        if calls % 3:
            raise ConnectionError("lost")

    async def wait(seconds: float) -> None:
        waits.append(seconds)

    await run(InventedSource(*PAIRS, trouble=fail), wanted(), out, sleep=wait)

    assert out.read_bytes() == whole.read_bytes()
    assert set(waits) == {1.0, 2.0}


async def test_a_source_that_always_fails_is_told_and_the_download_can_go_on(
    tmp_path: Path,
) -> None:
    out = tmp_path / "bars.csv"

    def fail() -> None:
        raise ConnectionError("lost")

    with pytest.raises(SourceError, match=r"^the source does not answer: ConnectionError: lost$"):
        await run(InventedSource(*PAIRS, trouble=fail), wanted(), out)
    assert (await run(InventedSource(*PAIRS), wanted(), out)).rows == 1_200


def repeat(page: list[Candle]) -> list[Candle]:
    return [page[0], *page, *page]


def spoil(page: list[Candle]) -> list[Candle]:
    low, nan = Decimal(1_000), Decimal("NaN")
    faulty = [candle(page[1].time, low=low), candle(page[2].time, close=nan)]
    return [page[0], *faulty, *page[3:]]


@pytest.mark.parametrize(
    ("change", "rows", "notes"),
    [
        (repeat, 600, ()),
        (
            spoil,
            588,
            ("BTC-USD: 12 bars are left out, because their prices contradict each other",),
        ),
        (lambda page: page[1:], 594, ()),
    ],
)
async def test_what_a_source_repeats_or_spoils_is_not_written(
    tmp_path: Path,
    change: Callable[[list[Candle]], list[Candle]],
    rows: int,
    notes: tuple[str, ...],
) -> None:
    out = tmp_path / "bars.csv"
    source = InventedSource(*PAIRS, change=change)

    fetched = await run(source, wanted(symbols=("BTC/USD",)), out)

    times = [row.partition(",")[0] for row in out.read_text().splitlines()[1:]]
    assert fetched == Fetched(rows, notes)
    assert len(set(times)) == len(times) == rows
    assert check_replay_file(out, default_universe(), AlwaysOpen()).is_sorted


async def test_a_source_that_does_not_go_back_so_far_says_so(tmp_path: Path) -> None:
    source = InventedSource(*PAIRS)
    fetched = await run(source, wanted(since=BEGIN - hours(200)), tmp_path / "bars.csv")

    note = "the first bar is of 2025-01-02T00:00:00Z: the source gives no older ones"
    assert fetched.notes == (f"BTC-USD: {note}", f"ETH-USD: {note}")

    nothing = wanted(since=BEGIN - hours(20), until=BEGIN)
    with pytest.raises(SourceError, match=r"^invented has no such bars: choose another --since or"):
        await run(source, nothing, tmp_path / "none.csv")


def test_a_moment_is_a_date_or_a_time() -> None:
    assert moment("2025-01-02") == BEGIN
    assert moment("2025-01-02T01:30+02:00") == BEGIN - hours(0.5)
    assert moment("2025-01-02T00:00") == datetime(2025, 1, 2, tzinfo=UTC)
    with pytest.raises(ArgumentTypeError, match=r"^must be a date such as 2025-01-02, not '2\.1'$"):
        moment("2.1")
