"""Real opening hours: tables of moments around weekends, holidays, half days and summer time."""

import sys
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import exchange_calendars
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pandas import Timestamp

from server.application.market_ports import MarketHours
from server.domain.instrument import AssetType
from server.domain.invariants import BrokenInvariant
from server.domain.values import DAY, Micros
from server.market.exchange_sessions import (
    CALENDARS,
    OPEN_AFTER_ALL,
    ExchangeSessions,
    SessionsUnavailable,
    exchange_sessions,
)
from server.market.moments import from_datetime, to_datetime

FIRST, LAST = date(2025, 1, 1), date(2027, 12, 31)
NEW_YORK = ZoneInfo("America/New_York")
CLOSING = [asset_type for asset_type in AssetType if asset_type is not AssetType.CRYPTO]


@pytest.fixture(scope="module")
def calendar() -> ExchangeSessions:
    return exchange_sessions(FIRST, LAST)


def at(text: str) -> Micros:
    return from_datetime(datetime.fromisoformat(f"{text}+00:00"))


def shown(moment: Micros | None) -> str:
    return "never" if moment is None else f"{to_datetime(moment):%Y-%m-%d %H:%M}"


MOMENTS = """
    asset type | moment (UTC)               | state  | next open        | next close       | day end
    STOCK      | 2026-11-24 14:29:59.999999 | closed | 2026-11-24 14:30 | 2026-11-24 21:00 | 2026-11-24 21:00
    STOCK      | 2026-11-24 14:30:00        | open   | 2026-11-25 14:30 | 2026-11-24 21:00 | 2026-11-24 21:00
    STOCK      | 2026-11-24 20:59:59.999999 | open   | 2026-11-25 14:30 | 2026-11-24 21:00 | 2026-11-24 21:00
    STOCK      | 2026-11-24 21:00:00        | closed | 2026-11-25 14:30 | 2026-11-25 21:00 | 2026-11-25 21:00
    ETF        | 2026-11-25 22:00:00        | closed | 2026-11-27 14:30 | 2026-11-27 18:00 | 2026-11-27 18:00
    OPTION     | 2026-11-26 15:00:00        | closed | 2026-11-27 14:30 | 2026-11-27 18:00 | 2026-11-27 18:00
    STOCK      | 2026-11-27 17:59:59        | open   | 2026-11-30 14:30 | 2026-11-27 18:00 | 2026-11-27 18:00
    STOCK      | 2026-11-27 18:00:00        | closed | 2026-11-30 14:30 | 2026-11-30 21:00 | 2026-11-30 21:00
    STOCK      | 2026-12-24 17:00:00        | open   | 2026-12-28 14:30 | 2026-12-24 18:00 | 2026-12-24 18:00
    STOCK      | 2026-04-03 15:00:00        | closed | 2026-04-06 13:30 | 2026-04-06 20:00 | 2026-04-06 20:00
    STOCK      | 2026-06-19 15:00:00        | closed | 2026-06-22 13:30 | 2026-06-22 20:00 | 2026-06-22 20:00
    STOCK      | 2026-03-06 21:00:00        | closed | 2026-03-09 13:30 | 2026-03-09 20:00 | 2026-03-09 20:00
    STOCK      | 2026-10-30 20:00:00        | closed | 2026-11-02 14:30 | 2026-11-02 21:00 | 2026-11-02 21:00
    FOREX      | 2026-11-20 21:59:59.999999 | open   | 2026-11-22 22:00 | 2026-11-20 22:00 | 2026-11-20 22:00
    FOREX      | 2026-11-20 22:00:00        | closed | 2026-11-22 22:00 | 2026-11-27 22:00 | 2026-11-23 22:00
    FOREX      | 2026-11-22 22:00:00        | open   | 2026-11-29 22:00 | 2026-11-27 22:00 | 2026-11-23 22:00
    FOREX      | 2026-11-26 12:00:00        | open   | 2026-11-29 22:00 | 2026-11-27 22:00 | 2026-11-26 22:00
    FOREX      | 2026-03-07 12:00:00        | closed | 2026-03-08 21:00 | 2026-03-13 21:00 | 2026-03-09 21:00
    FOREX      | 2026-10-31 12:00:00        | closed | 2026-11-01 22:00 | 2026-11-06 22:00 | 2026-11-02 22:00
    CRYPTO     | 2026-11-26 15:00:00        | open   | never            | never            | 2026-11-27 00:00
    COMMODITY  | 2026-11-24 12:00:00        | open   | 2026-11-26 23:00 | 2026-11-26 18:00 | 2026-11-24 23:00
    COMMODITY  | 2026-11-28 12:00:00        | closed | 2026-11-29 23:00 | 2026-12-04 23:00 | 2026-11-30 23:00
    STOCK      | 2026-07-02 19:59:59        | open   | 2026-07-06 13:30 | 2026-07-02 20:00 | 2026-07-02 20:00
    STOCK      | 2026-12-25 15:00:00        | closed | 2026-12-28 14:30 | 2026-12-28 21:00 | 2026-12-28 21:00
    STOCK      | 2027-01-01 15:00:00        | closed | 2027-01-04 14:30 | 2027-01-04 21:00 | 2027-01-04 21:00
    FOREX      | 2026-03-06 21:59:59.999999 | open   | 2026-03-08 21:00 | 2026-03-06 22:00 | 2026-03-06 22:00
    FOREX      | 2026-03-08 20:59:59.999999 | closed | 2026-03-08 21:00 | 2026-03-13 21:00 | 2026-03-09 21:00
    FOREX      | 2026-03-08 21:00:00        | open   | 2026-03-15 21:00 | 2026-03-13 21:00 | 2026-03-09 21:00
    FOREX      | 2026-10-30 20:59:59.999999 | open   | 2026-11-01 22:00 | 2026-10-30 21:00 | 2026-10-30 21:00
    FOREX      | 2026-10-30 21:00:00        | closed | 2026-11-01 22:00 | 2026-11-06 22:00 | 2026-11-02 22:00
    FOREX      | 2026-11-01 21:59:59.999999 | closed | 2026-11-01 22:00 | 2026-11-06 22:00 | 2026-11-02 22:00
    FOREX      | 2026-12-25 12:00:00        | open   | 2026-12-27 22:00 | 2026-12-25 22:00 | 2026-12-25 22:00
    COMMODITY  | 2026-11-24 22:59:59.999999 | open   | 2026-11-26 23:00 | 2026-11-26 18:00 | 2026-11-24 23:00
    COMMODITY  | 2026-11-24 23:00:00        | open   | 2026-11-26 23:00 | 2026-11-26 18:00 | 2026-11-25 23:00
    COMMODITY  | 2026-11-26 18:00:00        | closed | 2026-11-26 23:00 | 2026-11-27 18:00 | 2026-11-27 18:00
    COMMODITY  | 2026-11-29 22:59:59.999999 | closed | 2026-11-29 23:00 | 2026-12-04 23:00 | 2026-11-30 23:00
    COMMODITY  | 2026-04-03 15:00:00        | closed | 2026-04-05 22:00 | 2026-04-10 22:00 | 2026-04-06 22:00
    COMMODITY  | 2026-06-19 15:00:00        | open   | 2026-06-21 22:00 | 2026-06-19 22:00 | 2026-06-19 22:00
    COMMODITY  | 2026-12-25 15:00:00        | closed | 2026-12-27 23:00 | 2026-12-31 23:00 | 2026-12-28 23:00
"""  # noqa: E501
ROWS = [tuple(cell.strip() for cell in line.split("|")) for line in MOMENTS.strip().splitlines()]


@pytest.mark.parametrize(("kind", "moment", "state", "opens", "closes", "day_end"), ROWS[1:])
def test_a_market_is_open_or_closed_as_the_table_says(
    calendar: ExchangeSessions,
    kind: str,
    moment: str,
    state: str,
    opens: str,
    closes: str,
    day_end: str,
) -> None:
    """Holidays and half days of stocks are those that NYSE published for 2026.

    Commodities follow CMES as the library has it, one calendar for all products of CME.
    """
    asset_type, now = AssetType[kind], at(moment)
    hours = calendar.hours(asset_type, now)
    assert calendar.is_open(asset_type, now) is hours.is_open is (state == "open")
    assert [shown(hours.next_open), shown(hours.next_close)] == [opens, closes]
    session = calendar.session(asset_type, now)
    assert (session.opens_at <= now < session.closes_at) is hours.is_open
    assert shown(session.day_end) == day_end


# The library's own use of pandas, where it answers about moments.
@pytest.mark.filterwarnings("ignore:DatetimeIndex.values returning:DeprecationWarning")
@pytest.mark.parametrize("asset_type", CALENDARS)
def test_a_market_is_open_when_the_library_says(
    calendar: ExchangeSessions, asset_type: AssetType
) -> None:
    library = exchange_calendars.get_calendar(
        CALENDARS[asset_type], start="2025-12-01", end="2027-01-31"
    )
    moment = datetime(2026, 1, 2, 0, 7, tzinfo=UTC)
    while moment < datetime(2026, 12, 30, tzinfo=UTC):
        expected = library.is_open_at_time(Timestamp(moment), side="left")
        assert calendar.is_open(asset_type, from_datetime(moment)) == expected, moment
        moment += timedelta(hours=5, minutes=13)


@pytest.mark.parametrize("asset_type", CALENDARS)
def test_a_trading_day_is_one_of_the_librarys(
    calendar: ExchangeSessions, asset_type: AssetType
) -> None:
    library = exchange_calendars.get_calendar(
        CALENDARS[asset_type], start="2025-12-01", end="2027-01-31"
    )
    for number in range(365):
        day = date(2026, 1, 1) + timedelta(days=number)
        expected = None
        if library.is_session(str(day)):
            opens, closes = library.session_open_close(str(day))
            expected = from_datetime(opens.to_pydatetime()), from_datetime(closes.to_pydatetime())
        assert calendar.session_on(asset_type, day) == expected, day


SPANS = """
    STOCK     | 2026-11-24 14:30 | 2026-11-24 20:59 | one session
    STOCK     | 2026-11-24 20:59 | 2026-11-25 14:31 | closed between
    STOCK     | 2026-11-24 20:59 | 2026-11-24 21:00 | closed between
    STOCK     | 2026-11-24 22:00 | 2026-11-24 23:00 | closed between
    STOCK     | 2026-11-25 20:00 | 2026-11-27 15:00 | closed between
    FOREX     | 2026-11-24 21:59 | 2026-11-24 22:01 | one session
    FOREX     | 2026-11-20 21:59 | 2026-11-22 22:00 | closed between
    COMMODITY | 2026-11-24 22:59 | 2026-11-24 23:01 | one session
    COMMODITY | 2026-11-26 17:59 | 2026-11-26 23:00 | closed between
    CRYPTO    | 2026-11-20 12:00 | 2026-11-29 12:00 | one session
"""


def is_open_throughout(
    calendar: ExchangeSessions, asset_type: AssetType, since: Micros, now: Micros
) -> bool:
    session = calendar.session(asset_type, now)
    return session.opens_at <= min(since, now) and max(since, now) < session.closes_at


@pytest.mark.parametrize(
    ("asset_type", "since", "now", "expected"),
    [[cell.strip() for cell in line.split("|")] for line in SPANS.strip().splitlines()],
)
def test_a_market_is_open_throughout_where_it_does_not_close_in_between(
    calendar: ExchangeSessions, asset_type: str, since: str, now: str, expected: str
) -> None:
    """Currencies and commodities begin a new day's session at the end of the one before."""
    for moments in ((at(since), at(now)), (at(now), at(since))):
        found = is_open_throughout(calendar, AssetType(asset_type), *moments)
        assert found is (expected == "one session")


def test_currencies_trade_from_sunday_to_friday_at_five_in_new_york(
    calendar: ExchangeSessions,
) -> None:
    moment = datetime(2026, 1, 1, 0, 7, tzinfo=UTC)
    while moment.year == 2026:
        wall = moment.astimezone(NEW_YORK)
        into_week = timedelta(days=(wall.weekday() + 1) % 7, hours=wall.hour)
        expected = timedelta(hours=17) <= into_week < timedelta(days=5, hours=17)
        assert calendar.is_open(AssetType.FOREX, from_datetime(moment)) == expected, wall
        moment += timedelta(minutes=53)


@pytest.mark.parametrize("asset_type", CLOSING)
def test_a_market_switches_where_its_hours_say_and_nowhere_else(
    calendar: ExchangeSessions, asset_type: AssetType
) -> None:
    now = at("2026-02-20 03:04:05")
    for _ in range(120):
        hours = calendar.hours(asset_type, now)
        assert hours.next_open is not None
        assert hours.next_close is not None
        change = hours.next_close if hours.is_open else hours.next_open
        assert calendar.is_open(asset_type, change - 1) is hours.is_open
        assert calendar.is_open(asset_type, change) is not hours.is_open
        assert calendar.session(asset_type, now).day_end > now
        now = change


@given(
    asset_type=st.sampled_from(AssetType),
    now=st.integers(at("2025-01-08 00:00:00"), at("2027-12-20 00:00:00")),
    part=st.integers(0, 999),
)
def test_hours_agree_at_every_moment(
    calendar: ExchangeSessions, asset_type: AssetType, now: Micros, part: int
) -> None:
    hours = calendar.hours(asset_type, now)
    assert calendar.is_open(asset_type, now) is hours.is_open
    session = calendar.session(asset_type, now)
    assert now < session.day_end <= now + 5 * DAY
    assert session.since <= now < session.until
    later = calendar.session(asset_type, now + (session.until - now) * part // 1000)
    assert replace(later, since=now) == session
    if hours.next_open is None or hours.next_close is None:
        assert (asset_type, hours) == (
            AssetType.CRYPTO,
            MarketHours(
                is_open=True,
                next_open=None,
                next_close=None,
            ),
        )
        return
    assert now < min(hours.next_open, hours.next_close)
    assert hours.is_open is (hours.next_close < hours.next_open)
    change = min(hours.next_open, hours.next_close)
    assert calendar.hours(asset_type, now + (change - now) * part // 1000) == hours


SESSIONS = """
    STOCK     | 2026-11-27 | 2026-11-27 14:30 | 2026-11-27 18:00
    STOCK     | 2026-11-26 | -                | -
    ETF       | 2026-11-28 | -                | -
    FOREX     | 2026-11-23 | 2026-11-22 22:00 | 2026-11-23 22:00
    FOREX     | 2026-11-22 | -                | -
    FOREX     | 2026-03-06 | 2026-03-05 22:00 | 2026-03-06 22:00
    FOREX     | 2026-03-09 | 2026-03-08 21:00 | 2026-03-09 21:00
    FOREX     | 2026-11-02 | 2026-11-01 22:00 | 2026-11-02 22:00
    FOREX     | 2026-12-25 | 2026-12-24 22:00 | 2026-12-25 22:00
    FOREX     | 2027-12-31 | 2027-12-30 22:00 | 2027-12-31 22:00
    CRYPTO    | 2026-11-22 | 2026-11-22 00:00 | 2026-11-23 00:00
    COMMODITY | 2026-11-24 | 2026-11-23 23:00 | 2026-11-24 23:00
    COMMODITY | 2026-11-26 | 2026-11-25 23:00 | 2026-11-26 18:00
    COMMODITY | 2026-04-03 | -                | -
    COMMODITY | 2026-03-09 | 2026-03-08 22:00 | 2026-03-09 22:00
    STOCK     | 2031-01-02 | -                | -
"""


@pytest.mark.parametrize("line", SESSIONS.strip().splitlines())
def test_a_trading_day_has_the_session_that_the_table_says(
    calendar: ExchangeSessions, line: str
) -> None:
    kind, day, *expected = (cell.strip() for cell in line.split("|"))
    found = calendar.session_on(AssetType[kind], date.fromisoformat(day))
    assert (["-", "-"] if found is None else [shown(moment) for moment in found]) == expected


@pytest.mark.parametrize("day", ["2018-12-05", "2025-01-09"])
def test_commodities_keep_their_hours_on_a_day_on_which_only_stocks_mourn(day: str) -> None:
    mourned = date.fromisoformat(day)
    before, after = mourned - timedelta(days=1), mourned + timedelta(days=1)
    calendar = exchange_sessions(before - timedelta(days=20), after + timedelta(days=20))
    session = calendar.session_on(AssetType.COMMODITY, mourned)
    assert session == (at(f"{before} 23:00:00"), at(f"{mourned} 23:00:00"))
    assert calendar.session_on(AssetType.STOCK, mourned) is None
    for moment in (at(f"{before} 12:00:00"), at(f"{mourned} 12:00:00")):
        now = at(f"{after} 12:00:00")
        assert is_open_throughout(calendar, AssetType.COMMODITY, moment, now)


@pytest.mark.parametrize("day", ["2004-06-11", "2007-01-02"])
def test_commodities_are_closed_where_they_mourned_too(day: str) -> None:
    mourned = date.fromisoformat(day)
    calendar = exchange_sessions(mourned - timedelta(days=20), mourned + timedelta(days=20))
    assert calendar.session_on(AssetType.COMMODITY, mourned) is None


def test_every_day_that_is_set_right_is_wrong_in_the_library() -> None:
    """A row that the library has come to know is to be deleted."""
    for name, days in OPEN_AFTER_ALL.items():
        library = exchange_calendars.get_calendar(name, start="2000-01-01")
        assert not [day for day in days if library.is_session(str(day))]


@pytest.mark.parametrize(
    ("asset_type", "first", "end"),
    [
        (AssetType.STOCK, "2025-01-02 14:30:00", "2027-12-31 14:30:00"),
        (AssetType.FOREX, "2024-12-31 22:00:00", "2027-12-26 22:00:00"),
        (AssetType.COMMODITY, "2025-01-01 23:00:00", "2027-12-26 23:00:00"),
    ],
)
def test_a_moment_outside_of_what_was_loaded_has_no_answer(
    calendar: ExchangeSessions, asset_type: AssetType, first: str, end: str
) -> None:
    """A market that seems closed for ever would hold back orders for ever."""
    for ask in (calendar.is_open, calendar.session, calendar.hours):
        for inside in (at(first), at(end) - 1):
            ask(asset_type, inside)
        for outside in (at(first) - 1, at(end), at("2031-01-02 15:00:00")):
            with pytest.raises(BrokenInvariant, match="outside of the calendars"):
                ask(asset_type, outside)


def test_without_the_library_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "exchange_calendars", None)
    with pytest.raises(
        SessionsUnavailable, match=r"`make setup-exchange`.*bottrading\[exchange\]$"
    ):
        exchange_sessions(FIRST, LAST)
