"""Session calendars: when an asset type trades and when its trading day ends."""

from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from server.application.market_ports import MarketHours
from server.domain.instrument import AssetType
from server.domain.market import Session
from server.domain.values import DAY, Micros
from server.market.moments import day_start, from_datetime, utc_day

FOREVER: Micros = 2**63

_FOREX_DAY_END = time(17, tzinfo=ZoneInfo("America/New_York"))


class AlwaysOpen:
    """All markets are always open; trading days still end once a day."""

    def is_open(self, asset_type: AssetType, now: Micros) -> bool:
        """Return True."""
        del asset_type, now
        return True

    def session(self, asset_type: AssetType, now: Micros) -> Session:
        """Return a session without end.

        The trading day ends at the next 00:00 UTC, for FOREX at the next 17:00 in New York.
        """
        end = (now // DAY + 1) * DAY
        if asset_type is AssetType.FOREX:
            end = forex_day_end(utc_day(now))
            if end <= now:
                end = forex_day_end(utc_day(now) + timedelta(days=1))
        return Session(since=now, until=end, opens_at=-FOREVER, closes_at=FOREVER, day_end=end)

    def hours(self, asset_type: AssetType, now: Micros) -> MarketHours:
        """Return the hours of a market that never closes."""
        del asset_type, now
        return MarketHours(is_open=True, next_open=None, next_close=None)

    def session_on(self, asset_type: AssetType, day: date) -> tuple[Micros, Micros]:
        """Return beginning and end of a trading day."""
        if asset_type is AssetType.FOREX:
            return forex_day_end(day - timedelta(days=1)), forex_day_end(day)
        return day_start(day), day_start(day + timedelta(days=1))


def forex_day_end(day: date) -> Micros:
    """Return 17:00 in New York on a day, when currencies' trading day ends."""
    return from_datetime(datetime.combine(day, _FOREX_DAY_END))
