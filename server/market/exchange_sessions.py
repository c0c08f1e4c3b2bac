"""Exchange sessions: real opening hours, flattened into sorted arrays of moments."""

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable
from datetime import date, timedelta
from itertools import pairwise
from typing import Any

from server.application.market_ports import MarketHours
from server.domain.instrument import AssetType
from server.domain.invariants import BrokenInvariant
from server.domain.market import Session
from server.domain.values import Micros
from server.market.sessions import AlwaysOpen, forex_day_end

CALENDARS = {
    AssetType.STOCK: "XNYS",
    AssetType.ETF: "XNYS",
    AssetType.OPTION: "XNYS",
    AssetType.COMMODITY: "CMES",
}
"""The calendars of `exchange_calendars` that asset types follow."""

OPEN_AFTER_ALL = {
    "CMES": (
        # National day of mourning for George H. W. Bush: only equity and interest rate products
        # closed. CME Group, "CME Group U.S. Equity, Interest Rate Markets to Close for National Day
        # of Mourning", press release of 2018-12-02.
        date(2018, 12, 5),
        # National day of mourning for Jimmy Carter: energy and metals kept their hours. CME Group,
        # "CME Group Announces Trading Hours for U.S. National Day of Mourning to Honor Former
        # President Jimmy Carter", press release of 2024-12-30.
        date(2025, 1, 9),
    ),
}
"""Days that the library treats as holidays, but that were ordinary trading days.

On 2004-06-11 and 2007-01-02 CME's commodities were closed, as the library has it.
"""

_SATURDAY = 5


class SessionsUnavailable(Exception):
    """The library with the calendars is not installed; the message says what to do."""


class Sessions:
    """The sessions of one market, which does not close between two adjacent ones."""

    def __init__(self, days: list[date], opens: list[Micros], closes: list[Micros]) -> None:
        self._days, self._opens, self._closes = days, opens, closes
        moments = [moment for session in zip(opens, closes, strict=True) for moment in session]
        if moments != sorted(moments):
            raise BrokenInvariant("sessions overlap")
        # Openings and closings in turn; between two adjacent sessions there is neither.
        self._switches = [moment for moment, count in Counter(moments).items() if count == 1]

    def is_open(self, now: Micros) -> bool:
        """Tell whether a moment lies in a session; the opening does, the close does not."""
        return self._passed(now) % 2 == 1

    def session(self, now: Micros) -> Session:
        """Return the running session; the next one while the market is closed."""
        passed = self._passed(now)
        opening = passed // 2 * 2
        opens_at, closes_at = self._switches[opening : opening + 2]
        day_end = self._closes[bisect_right(self._closes, now)]
        return Session(
            since=now,
            until=opens_at if now < opens_at else day_end,
            opens_at=opens_at,
            closes_at=closes_at,
            day_end=day_end,
        )

    def hours(self, now: Micros) -> MarketHours:
        """Return whether the market is open, and what comes next."""
        passed = self._passed(now)
        first, second = self._switches[passed : passed + 2]
        if passed % 2 == 1:
            return MarketHours(is_open=True, next_open=second, next_close=first)
        return MarketHours(is_open=False, next_open=first, next_close=second)

    def on(self, day: date) -> tuple[Micros, Micros] | None:
        """Return opening and close of a trading day's session; None for a day not loaded."""
        index = bisect_left(self._days, day)
        if index == len(self._days) or self._days[index] != day:
            return None
        return self._opens[index], self._closes[index]

    def _passed(self, now: Micros) -> int:
        passed = bisect_right(self._switches, now)
        # A missing answer is better than a market that seems closed for ever.
        inside = 0 < passed < len(self._switches) - 1
        if not inside:
            raise BrokenInvariant("the moment lies outside of the calendars that were loaded")
        return passed


class ExchangeSessions:
    """Stocks, funds and their options by NYSE, commodities by CME, currencies by New York.

    Currencies trade from Sunday 17:00 to Friday 17:00 in New York; crypto never closes.
    """

    def __init__(self, sessions: dict[AssetType, Sessions]) -> None:
        self._sessions = sessions
        self._never_closing = AlwaysOpen()

    def is_open(self, asset_type: AssetType, now: Micros) -> bool:
        """Tell whether orders execute at a moment."""
        sessions = self._sessions.get(asset_type)
        return sessions is None or sessions.is_open(now)

    def session(self, asset_type: AssetType, now: Micros) -> Session:
        """Return the running session; the next one while the market is closed."""
        sessions = self._sessions.get(asset_type)
        if sessions is None:
            return self._never_closing.session(asset_type, now)
        return sessions.session(now)

    def hours(self, asset_type: AssetType, now: Micros) -> MarketHours:
        """Return whether a market is open at a moment, and what comes next."""
        sessions = self._sessions.get(asset_type)
        if sessions is None:
            return self._never_closing.hours(asset_type, now)
        return sessions.hours(now)

    def session_on(self, asset_type: AssetType, day: date) -> tuple[Micros, Micros] | None:
        """Return beginning and end of a trading day's session.

        None when there is none, and for days that were not loaded.
        """
        sessions = self._sessions.get(asset_type)
        if sessions is None:
            return self._never_closing.session_on(asset_type, day)
        return sessions.on(day)


def exchange_sessions(first: date, last: date) -> ExchangeSessions:
    """Load the sessions of the days from `first` to `last`; takes about a second.

    Raises SessionsUnavailable when the library is not installed. For a market that closes, moments
    before its first loaded opening, or from its last one on, are a broken invariant. Load more days
    on both sides than are needed.
    """
    try:
        # Imported here, because it is an optional package and takes a second.
        import exchange_calendars
    except ImportError:
        raise SessionsUnavailable(
            "sessions: exchange needs the package exchange-calendars: run `make setup-exchange`"
            " or install bottrading[exchange]"
        ) from None
    loaded: dict[str, Sessions] = {}
    for name in set(CALENDARS.values()):
        calendar = exchange_calendars.get_calendar(name, start=str(first), end=str(last))
        loaded[name] = _flatten(calendar, OPEN_AFTER_ALL.get(name, ()))
    sessions = {asset_type: loaded[name] for asset_type, name in CALENDARS.items()}
    return ExchangeSessions(sessions | {AssetType.FOREX: _currencies(first, last)})


def _flatten(calendar: Any, open_after_all: Iterable[date]) -> Sessions:
    days = [session.date() for session in calendar.sessions]
    opens = [opens.value // 1_000 for opens in calendar.opens]
    closes = [closes.value // 1_000 for closes in calendar.closes]
    for day in open_after_all:
        index = bisect_left(days, day)
        # Neighbours of days outside of the loaded span are not known.
        if 0 < index < len(days) and days[index] != day:
            # The market does not close between two days of a week.
            begin, end = closes[index - 1], opens[index]
            days.insert(index, day)
            opens.insert(index, begin)
            closes.insert(index, end)
    return Sessions(days, opens, closes)


def _currencies(first: date, last: date) -> Sessions:
    span = [first + timedelta(days=number) for number in range(-1, (last - first).days + 1)]
    days, opens, closes = [], [], []
    for before, day in pairwise(span):
        if day.weekday() < _SATURDAY:
            days.append(day)
            opens.append(forex_day_end(before))
            closes.append(forex_day_end(day))
    return Sessions(days, opens, closes)
