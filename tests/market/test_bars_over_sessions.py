"""Bars over openings and closes: each plays in the session that it covers."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from server.application.market_ports import Calendar
from server.domain.quote import Quote
from server.domain.values import SCALE
from server.market.exchange_sessions import ExchangeSessions, exchange_sessions
from server.market.moments import to_datetime
from server.market.replay_file import check_replay_file, replay_quotes
from server.market.replay_table import ReplayFileError
from server.market.sessions import AlwaysOpen
from server.market.universe_file import default_universe

UNIVERSE = default_universe()
HEADER = "time,symbol,open,high,low,close"
NEW_YORK = ZoneInfo("America/New_York")
DAYS = [
    (date(2025, 1, 2), "248.93,249.10,241.82,243.85"),
    (date(2025, 1, 3), "243.36,244.18,241.89,243.36"),
    (date(2025, 1, 6), "244.31,247.33,243.20,245.00"),
    (date(2025, 1, 7), "242.98,245.55,241.35,242.21"),
    (date(2025, 1, 8), "241.92,243.71,240.05,242.70"),
    (date(2025, 1, 10), "240.01,240.16,233.00,236.85"),
]
OVER_A_CLOCK_CHANGE = [(date(2025, 3, day), "210,220,200,215") for day in (6, 7, 10, 11)]
AROUND_A_HALF_DAY = [(date(2025, 11, day), "210,220,200,215") for day in (26, 28)]
ZONES = """
    UTC America/New_York America/Chicago America/Los_Angeles Pacific/Honolulu Pacific/Pago_Pago
    Europe/London Europe/Berlin Asia/Kolkata Asia/Tokyo Australia/Sydney Pacific/Auckland
    Pacific/Kiritimati
"""


@pytest.fixture(scope="module")
def exchange() -> ExchangeSessions:
    return exchange_sessions(date(2024, 12, 1), date(2026, 2, 1))


def play(path: Path, rows: Sequence[str], calendar: Calendar) -> list[Quote]:
    path.write_text("\n".join([HEADER, *rows]))
    facts = check_replay_file(path, UNIVERSE, calendar)
    quotes = list(replay_quotes(facts, UNIVERSE, calendar, facts.start))
    assert (facts.first, facts.last) == (quotes[0].time, quotes[-1].time)
    assert [quote.time for quote in quotes] == sorted(quote.time for quote in quotes)
    for quote in quotes:
        later = [it for it in quotes if it.time > quote.time]
        assert list(replay_quotes(facts, UNIVERSE, calendar, quote.time)) == later
    return quotes


def spans(quotes: Sequence[Quote]) -> list[str]:
    """Return when each bar shows its first and its last quote."""
    of_bars: dict[int, list[Quote]] = {}
    for quote in quotes:
        of_bars.setdefault(quote.sequence // 4, []).append(quote)
    times = [[to_datetime(quote.time) for quote in bar] for _, bar in sorted(of_bars.items())]
    return [f"{bar[0]:%d %H:%M} {bar[-1] + timedelta(milliseconds=1):%d %H:%M}" for bar in times]


@pytest.mark.parametrize("days", [DAYS, OVER_A_CLOCK_CHANGE, AROUND_A_HALF_DAY])
@pytest.mark.parametrize("zone", ZONES.split())
def test_a_day_stamped_at_midnight_of_any_zone_plays_as_one_by_its_date(
    tmp_path: Path, exchange: ExchangeSessions, days: Sequence[tuple[date, str]], zone: str
) -> None:
    expected = play(tmp_path / "a", [f"{day},AAPL,{rest}" for day, rest in days], exchange)
    rows = [
        f"{datetime.combine(day, time(), ZoneInfo(zone)).isoformat(' ')},AAPL,{rest}"
        for day, rest in days
    ]
    assert play(tmp_path / "b", rows, exchange) == expected


@pytest.mark.parametrize(
    "zone", ["America/New_York", "Europe/Berlin", "Asia/Kolkata", "Asia/Tokyo"]
)
def test_so_does_one_whose_midnight_is_written_in_utc(
    tmp_path: Path, exchange: ExchangeSessions, zone: str
) -> None:
    for days in (DAYS, OVER_A_CLOCK_CHANGE):
        expected = play(tmp_path / "a", [f"{day},AAPL,{rest}" for day, rest in days], exchange)
        midnights = [datetime.combine(day, time(), ZoneInfo(zone)) for day, _ in days]
        rows = [
            f"{midnight.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ},AAPL,{rest}"
            for midnight, (_, rest) in zip(midnights, days, strict=True)
        ]
        assert play(tmp_path / "b", rows, exchange) == expected


def test_a_day_that_is_stamped_at_its_opening_stays_in_its_session(
    tmp_path: Path, exchange: ExchangeSessions
) -> None:
    rows = [f"{day}T14:30:00Z,AAPL,{rest}" for day, rest in DAYS]
    expected = play(tmp_path / "a", [f"{day},AAPL,{rest}" for day, rest in DAYS], exchange)
    assert play(tmp_path / "b", rows, exchange) == expected


def test_a_lone_bar_at_midnight_is_that_of_the_day(
    tmp_path: Path, exchange: ExchangeSessions
) -> None:
    assert spans(play(tmp_path / "a", ["2025-01-02 00:00:00-05:00,AAPL,2,4,1,3"], exchange)) == [
        "02 14:30 02 21:00"
    ]


# A bar a line: its symbol and when it begins, and the time in which it plays.
PLAYED = """
    an hour, and an opening at half past
        AAPL 2025-01-02T20:00  02 20:00 02 21:00
        AAPL 2025-01-02T21:00  02 21:00 02 22:00
        AAPL 2025-01-03T14:00  03 14:30 03 15:00
        AAPL 2025-01-03T15:00  03 15:00 03 16:00
    two hours on a half day
        AAPL 2025-11-28T14:00  28 14:30 28 16:00
        AAPL 2025-11-28T16:00  28 16:00 28 18:00
    half a day that has all of a half day, and one at night
        AAPL 2025-11-28T08:00  28 14:30 28 18:00
        AAPL 2025-11-28T20:00  28 20:00 29 08:00
    an hour before and after a change of the clock
        SPY 2025-03-07T14:00  07 14:30 07 15:00
        SPY 2025-03-10T13:00  10 13:30 10 14:00
        SPY 2025-03-10T14:00  10 14:00 10 15:00
    ten minutes of an option
        AAPL260116C00270000 2026-01-13T14:25  13 14:30 13 14:35
        AAPL260116C00270000 2026-01-13T14:35  13 14:35 13 14:45
    four hours over the close of Friday and the opening of Sunday, and between two days
        EUR-USD 2025-01-03T20:00  03 20:00 03 22:00
        EUR-USD 2025-01-05T20:00  05 22:00 06 00:00
        EUR-USD 2025-01-06T00:00  06 00:00 06 04:00
        EUR-USD 2025-01-06T20:00  06 20:00 07 00:00
    the same over a change of the clock
        EUR-USD 2025-03-07T20:00  07 20:00 07 22:00
        EUR-USD 2025-03-09T20:00  09 21:00 10 00:00
        EUR-USD 2025-03-10T00:00  10 00:00 10 04:00
    four hours of a commodity
        MGC 2025-01-03T20:00  03 20:00 03 23:00
        MGC 2025-01-05T20:00  05 23:00 06 00:00
        MGC 2025-01-06T00:00  06 00:00 06 04:00
    days by UTC, of which a Sunday has two hours
        EUR-USD 2025-01-03T00:00  03 00:00 03 22:00
        EUR-USD 2025-01-05T00:00  05 22:00 06 00:00
        EUR-USD 2025-01-06T00:00  06 00:00 07 00:00
    days of a commodity by New York
        MGC 2025-01-03T05:00  03 05:00 03 23:00
        MGC 2025-01-06T05:00  06 05:00 07 05:00
    what never closes
        BTC-USD 2025-01-03T05:00  03 05:00 04 05:00
        BTC-USD 2025-01-04T05:00  04 05:00 05 05:00
"""


def played() -> list[Any]:
    cases: dict[str, list[tuple[str, str]]] = {}
    for line in PLAYED.strip().splitlines():
        if not line.startswith(" " * 8):
            rows = cases.setdefault(line.strip(), [])
        else:
            row, span = line.strip().split("  ")
            rows.append((row, span))
    return [pytest.param(rows, id=name) for name, rows in cases.items()]


@pytest.mark.parametrize("rows", played())
def test_a_bar_plays_in_the_session_that_it_covers(
    tmp_path: Path, exchange: ExchangeSessions, rows: list[tuple[str, str]]
) -> None:
    written = [f"{row.split()[1]}:00Z,{row.split()[0]},2,4,1,3" for row, _ in rows]
    quotes = play(tmp_path / "a", written, exchange)
    assert spans(quotes) == [span for _, span in rows]
    assert [quote.last // SCALE for quote in quotes] == [2, 1, 4, 3] * len(rows)


NIGHT = ["2025-01-02T21:30:00Z", "2025-01-02T22:30:00Z", "2025-01-03T06:30:00Z"]


@pytest.mark.parametrize(
    ("header", "row"),
    [(HEADER, "AAPL,2,4,1,3"), ("time,symbol,bid,bid_size,ask,ask_size", "AAPL,2,1,3,1")],
)
def test_a_file_that_touches_no_session_is_refused_naming_sessions_and_zone(
    tmp_path: Path, exchange: ExchangeSessions, header: str, row: str
) -> None:
    path = tmp_path / "night.csv"
    path.write_text("\n".join([header, *(f"{moment},{row}" for moment in NIGHT)]))
    with pytest.raises(ReplayFileError) as caught:
        check_replay_file(path, UNIVERSE, exchange)
    kind = "bar" if header == HEADER else "quote"
    assert str(caught.value) == (
        f"{path}: no {kind} lies in a session: in New York (America/New_York), STOCK trades from"
        f" 2025-01-02 09:30 to 2025-01-02 16:00, but the first {kind} is of 2025-01-02 16:30;"
        " is the offset of `time` right? Every hour trades with --sessions always-open"
    )
    assert check_replay_file(path, UNIVERSE, AlwaysOpen())
    path.write_text(path.read_text() + f"\n2025-01-03T14:59:59Z,{row}")
    assert check_replay_file(path, UNIVERSE, exchange)


def test_one_in_the_middle_that_touches_a_session_is_enough(
    tmp_path: Path, exchange: ExchangeSessions
) -> None:
    rows = ["2025-01-03T13:30:00Z", "2025-01-03T14:30:00Z", "2025-01-03T21:30:00Z"]
    assert len(play(tmp_path / "a", [f"{row},AAPL,2,4,1,3" for row in rows], exchange)) == 12


def test_two_midnights_of_one_date_are_not_both_its_session(
    tmp_path: Path, exchange: ExchangeSessions
) -> None:
    rows = ["2025-01-02T00:00:00+14:00,AAPL,2,4,1,3", "2025-01-02T00:00:00-10:00,AAPL,2,4,1,3"]
    quotes = play(tmp_path / "a", rows, exchange)
    assert spans(quotes) == ["01 10:00 02 10:00", "02 14:30 02 21:00"]
