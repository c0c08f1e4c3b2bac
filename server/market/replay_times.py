"""Times of a replay file: moments with an offset or of a given zone, numbers since 1970, dates."""

import re
from datetime import date, datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

from server.domain.values import SECOND, Micros
from server.market.moments import day_start, from_datetime

_DATE = "(?:19[7-9][0-9]|20[0-9]{2}|21[0-9]{2})-[0-9]{2}-[0-9]{2}"
_LOCAL = rf"{_DATE}[Tt ][0-9]{{2}}:[0-9]{{2}}(?::[0-9]{{2}}(?:\.[0-9]{{1,9}})?)?"
_DAY = re.compile(_DATE)
_LOCAL_TIME = re.compile(_LOCAL)
_TIME = re.compile(rf"({_LOCAL}) ?([Zz]|UTC|[+-][0-9]{{2}}(?::?[0-9]{{2}})?)")
_MIDNIGHT = re.compile(rf"({_DATE})[Tt ]00:00(?::00(?:\.0+)?)?( ?[Zz]| ?UTC| ?[+-].*)?")

_MINUTE = re.compile(rf"{_DATE}[Tt ][0-9]{{2}}:[0-9]{{2}}")
_SECOND_DIGITS, _FRACTION_DIGITS_MAX = 2, 9

_EPOCH = re.compile(r"[0-9]{9,10}|[0-9]{12,13}|[0-9]{15,16}|[0-9]{18,19}")
_EPOCH_END: Micros = 7_258_118_400 * SECOND
_DAY_OR_MONTH_FIRST = re.compile(r"[0-9]{1,2}[/.-][0-9]{1,2}[/.-][0-9]{2}(?:[0-9]{2})?\b.*")


@lru_cache(maxsize=16)
def read_time(text: str) -> Micros | None:
    """Read a moment, cut to microseconds; None for anything else.

    It is in the form of RFC 3339, or a number of seconds, milli-, micro- or nanoseconds since 1970.
    Seconds and the colon of the offset may be left out.
    """
    if text[-1:] == "Z" and text[16:17] == ":":
        minute, second = _read_minute(text[:16]), _read_second(text[17:-1])
        if minute is not None and second is not None:
            return minute + second
    if _EPOCH.fullmatch(text) is not None:
        # The number of digits shows the unit, from 1973 on.
        moment = int(text) * SECOND // 1_000 ** ((len(text) - 9) // 3)
        return moment if moment < _EPOCH_END else None
    match = _TIME.fullmatch(text)
    if match is None:
        return None
    local, offset = match.groups()
    try:
        moment = from_datetime(datetime.fromisoformat(local + offset.upper().replace("UTC", "Z")))
    except ValueError:
        return None
    return moment if moment >= 0 else None


@lru_cache(maxsize=256)
def _read_minute(text: str) -> Micros | None:
    """Read a minute of UTC such as 2025-01-02T14:30, which many neighbouring rows share."""
    return None if _MINUTE.fullmatch(text) is None else read_time(f"{text}Z")


def _read_second(text: str) -> Micros | None:
    """Read the seconds of a minute with up to 9 decimals, such as 59.25, cut to microseconds."""
    whole, point, fraction = text.partition(".")
    if len(whole) != _SECOND_DIGITS or not whole.isdigit() or whole > "59" or not text.isascii():
        return None
    if not point:
        return int(whole) * SECOND
    if not fraction.isdigit() or len(fraction) > _FRACTION_DIGITS_MAX:
        return None
    return int(whole) * SECOND + int(fraction[:6].ljust(6, "0"))


@lru_cache(maxsize=16)
def read_day(text: str) -> Micros | None:
    """Read a date such as 2025-01-02 as its 00:00 UTC; None for anything else."""
    if _DAY.fullmatch(text) is None:
        return None
    try:
        return day_start(date.fromisoformat(text))
    except ValueError:
        return None


class TimeReader:
    """Reads the times of a file; those without an offset are of `zone`, if one is given.

    `has_used_zone` tells whether a time was read that way. A midnight without an offset counts as
    a date if no zone is given.
    """

    def __init__(self, zone: str | None) -> None:
        self._zone = None if zone is None else ZoneInfo(zone)
        self.has_used_zone = False
        self.read = read_time if self._zone is None else self._read_in_zone
        self.read_day = self._read_day_or_midnight if self._zone is None else read_day

    def lacks_offset(self, text: str) -> bool:
        """Tell whether a time lacks nothing but its offset or zone."""
        return self._zone is None and _LOCAL_TIME.fullmatch(text) is not None

    def problem(self, text: str) -> str:
        """Return what is wrong with a time that `read` does not read."""
        problem = "time: must be such as 2025-01-02T14:30:00Z, from 1970 to 2199"
        if self.lacks_offset(text):
            return (
                f"{problem}; {text} lacks its offset from UTC: write one, such as -05:00, or give"
                " the zone of all rows, such as --replay-zone America/New_York"
            )
        if _LOCAL_TIME.fullmatch(text) is not None:
            return f"{problem}; {text} comes twice or never in {self._zone}: write its offset"
        if _DAY_OR_MONTH_FIRST.fullmatch(text) is not None:
            return f"{problem}; {text} may be two dates: write the year first, then month and day"
        return problem

    def _read_in_zone(self, text: str) -> Micros | None:
        moment = read_time(text)
        if moment is not None or self._zone is None or _LOCAL_TIME.fullmatch(text) is None:
            return moment
        self.has_used_zone = True
        return _read_local(text, self._zone)

    @staticmethod
    def _read_day_or_midnight(text: str) -> Micros | None:
        match = _MIDNIGHT.fullmatch(text)
        return read_day(text if match is None or match[2] else match[1])


def written_midnight(text: str) -> date | None:
    """Return the date of a time that is read as a moment and that is written as a midnight."""
    if text[11:16] != "00:00":
        return None
    match = _MIDNIGHT.fullmatch(text)
    return None if match is None else date.fromisoformat(match[1])


@lru_cache(maxsize=16)
def _read_local(text: str, zone: ZoneInfo) -> Micros | None:
    """Read a time of a zone; None for one that the zone's clocks show twice or never."""
    try:
        local = datetime.fromisoformat(text).replace(tzinfo=zone)
    except ValueError:
        return None
    first, second = (from_datetime(local.replace(fold=fold)) for fold in (0, 1))
    return first if first == second and first >= 0 else None
