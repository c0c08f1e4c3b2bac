"""Session calendars: when an asset type trades and when its trading day ends."""

from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from server.application.ports import MarketHours
from server.domain.instrument import AssetType
from server.domain.values import DAY, Micros
from server.market.moments import day_start, from_datetime, utc_day

_FOREX_DAY_END = time(17, tzinfo=ZoneInfo("America/New_York"))


class AlwaysOpen:
    """All markets are always open; trading days still end once a day."""

    def is_open(self, asset_type: AssetType, now: Micros) -> bool:
        """Return True."""
        del asset_type, now
        return True

    def is_open_throughout(self, asset_type: AssetType, since: Micros, now: Micros) -> bool:
        """Return True."""
        del asset_type, since, now
        return True

    def day_end(self, asset_type: AssetType, now: Micros) -> Micros:
        """Return the first end of a trading day strictly after `now`.

        It is 00:00 UTC, for FOREX 17:00 in New York.
        """
        if asset_type is AssetType.FOREX:
            end = forex_day_end(utc_day(now))
            return end if end > now else forex_day_end(utc_day(now) + timedelta(days=1))
        return (now // DAY + 1) * DAY

    def hours(self, asset_type: AssetType, now: Micros) -> MarketHours:
        """Return that nothing ever closes."""
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
