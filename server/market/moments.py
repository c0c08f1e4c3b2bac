"""Moments: exact conversion of microseconds to aware datetimes and back."""

from datetime import UTC, date, datetime, timedelta

from server.domain.values import DAY, Micros

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_DAY = _EPOCH.toordinal()


def to_datetime(moment: Micros) -> datetime:
    """Show a moment as an aware datetime in UTC."""
    return _EPOCH + timedelta(microseconds=moment)


def from_datetime(value: datetime) -> Micros:
    """Read an aware datetime of any zone."""
    return (value - _EPOCH) // timedelta(microseconds=1)


def utc_day(moment: Micros) -> date:
    """Return the date of a moment in UTC."""
    return date.fromordinal(_EPOCH_DAY + moment // DAY)


def day_start(day: date) -> Micros:
    """Return 00:00 UTC of a day."""
    return (day.toordinal() - _EPOCH_DAY) * DAY
