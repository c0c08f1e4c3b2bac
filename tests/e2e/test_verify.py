"""`bottrading verify` as its users run it."""

import os
import re
import subprocess
import sys
from pathlib import Path

from server.config import DATABASE_FILE
from tests.e2e.test_damaged_data import damage, trade
from tests.support.process import Process


def verified(data_dir: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "server", "verify", "--data-dir", str(data_dir)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_sound_database_is_verified_beside_a_running_server_and_after_it(data_dir: Path) -> None:
    with Process(data_dir, orders_per_minute="0") as service:
        trade(service, 10)
        beside = verified(data_dir)
        assert service.stop() == 0
    for done in (beside, verified(data_dir)):
        assert (done.returncode, done.stderr) == (0, "")
        summary = r"bottrading\.sqlite: 1 accounts, 21 events, 10 orders, 10 fills, \d+ .+ agrees\n"
        assert re.fullmatch(summary, done.stdout), done.stdout


def test_faults_are_told_before_the_summary_with_status_1(data_dir: Path) -> None:
    damage(data_dir / DATABASE_FILE, "inflows")
    done = verified(data_dir)

    *faults, summary = done.stdout.splitlines()
    assert (done.returncode, done.stderr, bool(faults)) == (1, "", True)
    assert "docs/operators.md#backup" in summary


def test_what_cannot_be_verified_is_one_line_with_status_2(tmp_path: Path) -> None:
    done = verified(tmp_path)

    assert done.returncode == 2
    assert re.fullmatch(r"bottrading: .+ does not exist\n", done.stderr)


def test_on_a_terminal_a_bar_shows_how_far_it_is(data_dir: Path) -> None:
    ours, theirs = os.openpty()
    with os.fdopen(ours, "rb", buffering=0) as terminal:
        with os.fdopen(theirs, "wb"):
            done = subprocess.run(
                [sys.executable, "-m", "server", "verify", "--data-dir", str(data_dir)],
                stdout=subprocess.PIPE,
                stderr=theirs,
                text=True,
                timeout=60,
                check=False,
                env=os.environ | {"TERM": "xterm"},
            )
        shown = terminal.read(100_000).decode()

    assert done.stdout.endswith("everything agrees\n")
    assert "Replaying the logs" in shown
