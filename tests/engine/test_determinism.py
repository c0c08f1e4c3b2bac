"""Determinism: the same seed, quotes and commands make the same log, byte for byte."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.sqlite_only
"""Each run has a file of its own."""

ROOT = Path(__file__).parent.parent.parent
EVENTS_MIN = 500
RUN_SECONDS_MAX = 50


def _run(data_dir: Path, *, seed: int, hash_seed: int) -> tuple[int, str]:
    data_dir.mkdir()
    ran = subprocess.run(
        [sys.executable, "-m", "tests.engine.deterministic_run", str(data_dir), str(seed)],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": str(hash_seed)},
        timeout=RUN_SECONDS_MAX,
        check=True,
        capture_output=True,
        text=True,
    )
    count, digest = ran.stdout.split()
    return int(count), digest


def test_the_same_seed_and_commands_make_the_same_log_in_every_process(tmp_path: Path) -> None:
    first = _run(tmp_path / "first", seed=7, hash_seed=1)
    second = _run(tmp_path / "second", seed=7, hash_seed=2)

    assert first == second
    assert first[0] > EVENTS_MIN


def test_another_seed_makes_another_log(tmp_path: Path) -> None:
    _, seven = _run(tmp_path / "seven", seed=7, hash_seed=1)
    _, eight = _run(tmp_path / "eight", seed=8, hash_seed=1)

    assert seven != eight
