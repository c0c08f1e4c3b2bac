"""Session calendars: when an instrument trades and when its trading day ends."""

from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from server.domain.instrument import AssetType, Instrument
from server.domain.values import DAY, Micros
from server.market.moments import from_datetime, utc_day

_NEW_YORK = ZoneInfo("America/New_York")
_FOREX_DAY_END = time(17, tzinfo=_NEW_YORK)


class AlwaysOpen:
    """Everything trades all the time; a day still ends once every day."""

    def is_open(self, instrument: Instrument, now: Micros) -> bool:
        """Return True."""
        del instrument, now
        return True

    def day_end(self, instrument: Instrument, now: Micros) -> Micros:
        """Return the first end of a trading day strictly after `now`.

        It is 00:00 UTC, for FOREX 17:00 in New York.
        """
        if instrument.asset_type is AssetType.FOREX:
            return _next_forex_day_end(now)
        return (now // DAY + 1) * DAY


def _next_forex_day_end(now: Micros) -> Micros:
    today = utc_day(now)
    end = from_datetime(datetime.combine(today, _FOREX_DAY_END))
    if end > now:
        return end
    return from_datetime(datetime.combine(today + timedelta(days=1), _FOREX_DAY_END))
