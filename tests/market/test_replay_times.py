"""Times of a replay file: the usual form is read quickly, and means what the general form means."""

import pytest

from server.market.replay_times import read_time

MINUTE = "2025-01-02T14:30"


@pytest.mark.parametrize(
    "second",
    ["00", "07", "59", "07.5", "07.25", "07.123456", "07.1234567", "07.999999999", "00.0", "05 "],
)
def test_a_time_in_utc_is_read_as_with_an_offset(second: str) -> None:
    moment = read_time(f"{MINUTE}:{second}Z")

    assert moment is not None
    assert moment == read_time(f"{MINUTE}:{second}+00:00") == read_time(f"{MINUTE}:{second}z")


@pytest.mark.parametrize(
    "second",
    ["60", "61", "99", "5", "005", "", "+5", "5_", "٠٥", "05.", "05.1234567890", "05,5", "05.٥"],
)
def test_seconds_that_are_none_are_refused_as_with_an_offset(second: str) -> None:
    for zone in ("Z", "+00:00"):
        assert read_time(f"{MINUTE}:{second}{zone}") is None


@pytest.mark.parametrize("minute", ["2025-02-30T14:30", "2025-01-02T24:00", "1969-12-31T23:59"])
def test_minutes_that_are_none_are_refused(minute: str) -> None:
    assert read_time(f"{minute}:00Z") is None
