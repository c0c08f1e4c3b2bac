"""Times of a replay file without an offset: they are of the zone that was given, or of none."""

from pathlib import Path

import pytest

from server.domain.values import SECOND
from server.market.moments import to_datetime
from server.market.replay_file import ReplayKind
from server.market.replay_table import ReplayFileError, ReplayOptions
from tests.support.replay_files import BARS, QUOTE, QUOTES, T, check, played, written

NEW_YORK = ReplayOptions(zone="America/New_York")


def bar(time: str, symbol: str = "BTC-USD") -> str:
    return f"{time},{symbol},2,4,1,3,100"


@pytest.mark.parametrize(
    ("time", "moment"),
    [
        ("2025-01-02 09:30:00", "2025-01-02 14:30"),
        ("2025-07-02T09:30", "2025-07-02 13:30"),
        ("2025-07-02T09:30:00.000000000", "2025-07-02 13:30"),
        ("2025-07-02T09:30:00Z", "2025-07-02 09:30"),
        ("1735828200", "2025-01-02 14:30"),
        ("2025-01-02T09:30:00+01:00", "2025-01-02 08:30"),
    ],
)
def test_a_time_is_of_the_zone_unless_it_says_another(
    tmp_path: Path, time: str, moment: str
) -> None:
    path = written(tmp_path, QUOTES, QUOTE.replace(T, time))
    (quote,) = played(path, options=NEW_YORK)
    assert f"{to_datetime(quote.time):%Y-%m-%d %H:%M}" == moment


@pytest.mark.parametrize("time", ["2025-11-02 01:30:00", "2025-03-09 02:30:00"])
def test_a_time_that_clocks_show_twice_or_never_is_refused(tmp_path: Path, time: str) -> None:
    path = written(tmp_path, QUOTES, QUOTE.replace(T, time))
    problem = f"line 2: .*; {time} comes twice or never in America/New_York: write its offset$"
    with pytest.raises(ReplayFileError, match=problem):
        check(path, options=NEW_YORK)


def test_midnights_without_offset_are_dates(tmp_path: Path) -> None:
    rows = [bar("2025-01-02 00:00:00", "AAPL"), bar("2025-01-03T00:00", "AAPL")]
    facts = check(written(tmp_path, BARS, *rows))
    assert facts.kind is ReplayKind.DAILY_BARS
    dates = [row.replace(" 00:00:00", "").replace("T00:00", "") for row in rows]
    as_dates = check(written(tmp_path, BARS, *dates))
    assert (facts.first, facts.last) == (as_dates.first, as_dates.last)


def test_hours_from_midnight_on_lack_their_offset(tmp_path: Path) -> None:
    path = written(tmp_path, BARS, bar("2025-01-02 00:00:00"), bar("2025-01-02 01:00:00"))
    with pytest.raises(ReplayFileError, match=r"line 3: .*; 2025-01-02 01:00:00 lacks its offset"):
        check(path)
    facts = check(path, options=NEW_YORK)
    assert (facts.kind, facts.bar_length) == (ReplayKind.BARS, 3_600 * SECOND)
    assert f"{to_datetime(facts.first):%H:%M}" == "05:00"
    path = written(tmp_path, QUOTES, QUOTE.replace(T, "2025-01-02 00:00:00"))
    with pytest.raises(ReplayFileError, match=r"line 2: .* lacks its offset"):
        check(path)


@pytest.mark.parametrize("time", ["01/02/2025", "1.2.2025", "13-02-25", "01/02/2025 09:30:00"])
@pytest.mark.parametrize("options", [ReplayOptions(), NEW_YORK])
def test_a_day_or_a_month_that_comes_first_is_refused(
    tmp_path: Path, time: str, options: ReplayOptions
) -> None:
    problem = f"line 2: .*; {time} may be two dates: write the year first, then month and day$"
    with pytest.raises(ReplayFileError, match=problem):
        check(written(tmp_path, BARS, bar(time)), options=options)
