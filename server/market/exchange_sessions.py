"""Exchange sessions: real opening hours, flattened into sorted arrays of moments."""

from bisect import bisect_left, bisect_right
from datetime import date, timedelta
from itertools import pairwise
from typing import Any

from server.application.ports import MarketHours
from server.domain.instrument import AssetType
from server.domain.values import Micros
from server.market.sessions import AlwaysOpen, forex_day_end

CALENDARS = {
    AssetType.STOCK: "XNYS",
    AssetType.ETF: "XNYS",
    AssetType.OPTION: "XNYS",
    AssetType.COMMODITY: "CMES",
}
"""The calendars of `exchange_calendars` that asset types follow."""

_SATURDAY = 5


class SessionsUnavailable(Exception):
    """The library with the calendars is not installed; the message says what to do."""


class Sessions:
    """The sessions of one market; between two that abut it does not close."""

    def __init__(self, days: list[date], opens: list[Micros], closes: list[Micros]) -> None:
        self._days, self._opens, self._closes = days, opens, closes
        gaps = [index for index in range(1, len(opens)) if opens[index] > closes[index - 1]]
        self._openings = [opens[0], *(opens[index] for index in gaps)]
        self._closings = [*(closes[index - 1] for index in gaps), closes[-1]]

    def is_open(self, now: Micros) -> bool:
        """Tell whether a moment lies in a session: at its opening, not at its close."""
        self._check(now)
        return bisect_right(self._openings, now) > bisect_right(self._closings, now)

    def day_end(self, now: Micros) -> Micros:
        """Return the close of the running session, of the next one while there is none."""
        self._check(now)
        return self._closes[bisect_right(self._closes, now)]

    def hours(self, now: Micros) -> MarketHours:
        """Return whether the market is open, and what comes next."""
        return MarketHours(
            is_open=self.is_open(now),
            next_open=self._openings[bisect_right(self._openings, now)],
            next_close=self._closings[bisect_right(self._closings, now)],
        )

    def on(self, day: date) -> tuple[Micros, Micros] | None:
        """Return opening and close of a trading day's session."""
        index = bisect_left(self._days, day)
        if index == len(self._days) or self._days[index] != day:
            return None
        return self._opens[index], self._closes[index]

    def _check(self, now: Micros) -> None:
        # Better no answer than that a market closed for ever.
        inside = self._openings[0] <= now < self._openings[-1]
        assert inside, "the moment lies outside of the calendars that were loaded"


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

    def day_end(self, asset_type: AssetType, now: Micros) -> Micros:
        """Return when a DAY order that is placed now expires."""
        sessions = self._sessions.get(asset_type)
        if sessions is None:
            return self._never_closing.day_end(asset_type, now)
        return sessions.day_end(now)

    def hours(self, asset_type: AssetType, now: Micros) -> MarketHours:
        """Return whether a market is open at a moment, and what comes next."""
        sessions = self._sessions.get(asset_type)
        if sessions is None:
            return self._never_closing.hours(asset_type, now)
        return sessions.hours(now)

    def session_on(self, asset_type: AssetType, day: date) -> tuple[Micros, Micros] | None:
        """Return beginning and end of a trading day's session; None when there is none."""
        sessions = self._sessions.get(asset_type)
        if sessions is None:
            return self._never_closing.session_on(asset_type, day)
        return sessions.on(day)


def exchange_sessions(first: date, last: date) -> ExchangeSessions:
    """Load the sessions of the days from `first` to `last`; takes about a second.

    Raises SessionsUnavailable when the library is not installed. Moments outside of the days
    are refused by an assertion.
    """
    try:
        # Imported here: it is an extra, and it takes a second.
        import exchange_calendars
    except ImportError:
        raise SessionsUnavailable(
            "exchange needs the package exchange-calendars: run make setup-exchange"
        ) from None
    loaded: dict[str, Sessions] = {}
    for name in set(CALENDARS.values()):
        calendar = exchange_calendars.get_calendar(name, start=str(first), end=str(last))
        loaded[name] = _flatten(calendar)
    sessions = {asset_type: loaded[name] for asset_type, name in CALENDARS.items()}
    return ExchangeSessions(sessions | {AssetType.FOREX: _currencies(first, last)})


def _flatten(calendar: Any) -> Sessions:
    return Sessions(
        [session.date() for session in calendar.sessions],
        [opens.value // 1_000 for opens in calendar.opens],
        [closes.value // 1_000 for closes in calendar.closes],
    )


def _currencies(first: date, last: date) -> Sessions:
    span = [first + timedelta(days=number) for number in range(-1, (last - first).days + 1)]
    days, opens, closes = [], [], []
    for before, day in pairwise(span):
        if day.weekday() < _SATURDAY:
            days.append(day)
            opens.append(forex_day_end(before))
            closes.append(forex_day_end(day))
    return Sessions(days, opens, closes)
