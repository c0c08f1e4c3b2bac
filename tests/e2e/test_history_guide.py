"""The commands of the guide to replays that ask an exchange work as pasted, and its file plays."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.exchanges.elsewhere import elsewhere
from tests.support.exchanges.kraken import kraken_of_guides
from tests.support.process import Process

GUIDE = Path(__file__).parents[2] / "docs" / "replay.md"


@pytest.mark.timeout(120)
def test_history_and_universe_of_the_guide_make_a_replay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    section = GUIDE.read_text().split("## History from a source")[1].split("\n## ")[0]
    script = "".join(re.findall(r"(?ms)^```sh\n(.*?)^```$", section))
    script = script.replace("make setup-ccxt\n", "")
    script = script.replace(".venv/bin/bottrading", f"{sys.executable} -m server")
    with elsewhere(kraken_of_guides) as (exchange, _):
        monkeypatch.setenv("BOTTRADING_FEED_URLS", exchange.url)
        done = subprocess.run(
            ["bash", "-euc", script],
            capture_output=True,
            text=True,
            check=False,
            cwd=tmp_path,
            timeout=90,
        )

    assert done.returncode == 0, done.stderr
    assert done.stderr == "bottrading: btc.csv: 300 bars\n"
    with Process(
        tmp_path / "data",
        *("--market", "replay", "--replay-file", str(tmp_path / "btc.csv")),
        universe_file=str(tmp_path / "btc.toml"),
    ) as service:
        service.wait_until_told(
            r"replay of btc\.csv, 2026-01-01 00:00 UTC to 2026-10-27 23:59 UTC, "
        )
        assert service.stop() == 0
