"""Fixtures for tests of the engine."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engine.bench import Bench
from tests.engine.several import Engines
from tests.support.postgresql import Server
from tests.support.venue import NOON, ManualClock


@pytest.fixture
def bench(data_dir: Path) -> Iterator[Bench]:
    made = Bench(data_dir, ManualClock(NOON))
    yield made
    made.parts.close()


@pytest.fixture
def engines(postgresql: Server, venue_url: str, tmp_path: Path) -> Iterator[Engines]:
    made = Engines(postgresql, tmp_path, venue_url)
    yield made
    for engine in made.running:
        engine.parts.close()
