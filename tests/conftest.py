"""Fixtures that every kind of test may use."""

import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from server.config import DATABASE_FILE
from server.storage.migrate import bring_up_to_date
from tests.support.venue import Venue, VenueFactory


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a migrated database file, to be copied."""
    path = tmp_path_factory.mktemp("template") / DATABASE_FILE
    bring_up_to_date(path)
    return path


@pytest.fixture
def data_dir(empty_database: Path, tmp_path: Path) -> Path:
    """Return a data directory with a database of its own."""
    directory = tmp_path / "data"
    directory.mkdir()
    shutil.copy(empty_database, directory / DATABASE_FILE)
    return directory


@pytest.fixture
async def start_venue(data_dir: Path) -> AsyncIterator[VenueFactory]:
    """Return how to start a venue: a real gRPC server and engine on a real database."""
    started: list[Venue] = []

    async def start(**settings: Any) -> Venue:
        venue = await Venue.start(data_dir, **settings)
        started.append(venue)
        return venue

    yield start
    for venue in started:
        await venue.stop()


@pytest.fixture
async def venue(start_venue: VenueFactory) -> Venue:
    """Return a venue on a published market, with exact costs."""
    return await start_venue()
