"""Fixtures for tests of the market."""

from collections.abc import Callable
from pathlib import Path

import pytest

from server.market.replay_file import ReplayFacts, check_replay_file
from tests.market.replays import CALENDAR, HEADER, UNIVERSE


@pytest.fixture
def recorded(tmp_path: Path) -> Callable[..., ReplayFacts]:
    def record(*rows: str, header: str = HEADER) -> ReplayFacts:
        path = tmp_path / "own.csv"
        path.write_text("\n".join([header, *rows, ""]))
        return check_replay_file(path, UNIVERSE, CALENDAR)

    return record
