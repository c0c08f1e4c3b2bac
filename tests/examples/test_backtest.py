"""The example of a backtest, as its users run it."""

import os
import re
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from tests.support.process import free_port

ROOT = Path(__file__).parents[2]


@pytest.mark.timeout(300)
def test_two_strategies_are_compared_over_a_year_in_one_command(tmp_path: Path) -> None:
    script = (ROOT / "examples/backtest/year.sh").read_text()
    copied = tmp_path / "year.sh"
    commands = {"bottrading": f"{sys.executable} -m server", "python": sys.executable}
    script = re.sub(r"\.venv/bin/(\w+)", lambda it: commands[it[1]], script)
    copied.write_text(script.replace('"$(dirname "$0")/../.."', str(ROOT)))
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("BOTTRADING_")
    } | {"BACKTEST_PORT": str(free_port()), "TMPDIR": str(tmp_path)}

    with subprocess.Popen(
        ["sh", str(copied), "BTC-USD"],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as run:
        try:
            told, complained = run.communicate(timeout=270)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(run.pid, signal.SIGKILL)

    assert run.returncode == 0, complained
    heading, *rows = told.splitlines()
    assert heading.split() == ["BTC-USD", "return", "drawdown", "Sharpe", "trades"]
    figures = r" +-?\d+\.\d\d % +\d+\.\d\d % +-?\d+\.\d\d"
    assert re.fullmatch(rf"buy and hold{figures} +0", rows[0]), rows
    assert re.fullmatch(rf"crossover{figures} +[1-9]\d*", rows[1]), rows
    assert [path.name for path in tmp_path.iterdir()] == ["year.sh"], "nothing is left"
