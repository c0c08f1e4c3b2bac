"""Fixtures for tests of the engine."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engine.bench import Bench
from tests.support.venue import NOON, ManualClock


@pytest.fixture
def bench(data_dir: Path) -> Iterator[Bench]:
    made = Bench(data_dir, ManualClock(NOON))
    yield made
    made.parts.close()
