"""Options that say what a replay file does not: its symbol, and the zone of its times."""

import gzip
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.test_replay import pass_real_seconds
from tests.support.venue import VenueFactory

YAHOO = """Datetime,Open,High,Low,Close,Adj Close,Volume
2025-01-02 09:30:00,250,252,249,251,251,400000
2025-01-02 09:31:00,251,255,250,254,254,400000
"""


async def test_a_file_of_yahoo_plays_with_its_symbol_and_its_zone(
    start_venue: VenueFactory, tmp_path: Path
) -> None:
    path = tmp_path / "download.csv.gz"
    path.write_bytes(gzip.compress(YAHOO.encode()))
    venue = await start_venue(
        market="replay",
        replay_file=path,
        replay_symbol="AAPL",
        replay_zone="America/New_York",
        sessions="exchange",
    )
    pass_real_seconds(venue, 0)
    pass_real_seconds(venue, 0.1)
    bot = await venue.bot()
    order = await bot.place("AAPL", quantity="10")
    assert order.filled_price == "250.01000000"
    assert f"{order.created_at.ToDatetime():%Y-%m-%d %H:%M}" == "2025-01-02 14:30"


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (
            ["--market", "replay", "--replay-file", "a.csv", "--replay-zone", "Nowhere/Else"],
            "replay_zone: must be a zone such as America/New_York, not 'Nowhere/Else'",
        ),
        (
            ["--replay-symbol", "AAPL"],
            "settings: replay_symbol and replay_zone are for market replay: leave them out",
        ),
    ],
)
def test_an_option_that_cannot_be_kept_is_refused(
    tmp_path: Path, options: list[str], problem: str
) -> None:
    command = [sys.executable, "-m", "server", "serve", "--data-dir", str(tmp_path / "data")]
    ended = subprocess.run(
        [*command, *options], capture_output=True, text=True, timeout=50, check=False
    )
    assert ended.returncode != 0
    assert problem in ended.stderr
