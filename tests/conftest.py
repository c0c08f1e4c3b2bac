"""Fixtures that every kind of test may use."""

import gc
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from server.config import DATABASE_FILE
from server.storage.migrate import bring_up_to_date
from tests.support.databases import VARIABLE
from tests.support.postgresql import Server, running_server
from tests.support.venue import Venue, VenueFactory

BOTH = {("tests", "storage"), ("tests", "engine")}
"""The packages of tests that run on both databases."""


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a migrated database file, to be copied."""
    path = tmp_path_factory.mktemp("template") / DATABASE_FILE
    bring_up_to_date(path)
    return path


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test of BOTH on both databases; those marked `sqlite_only` tell why."""
    if "database_kind" in metafunc.fixturenames:
        path = metafunc.module.__name__.split(".")
        is_of_both = tuple(path[:2]) in BOTH or metafunc.definition.get_closest_marker("both")
        only_one = metafunc.definition.get_closest_marker("sqlite_only")
        kinds = ["sqlite", "postgresql"] if is_of_both and not only_one else ["sqlite"]
        metafunc.parametrize("database_kind", kinds, scope="function")


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Server]:
    """Return a server of PostgreSQL, at most one in each process of the tests."""
    with running_server() as server:
        yield server


@pytest.fixture
def url(postgresql: Server) -> Iterator[str]:
    """Return the URL of a new database of PostgreSQL."""
    made = postgresql.new_database()
    yield made
    postgresql.drop(made)


@pytest.fixture
def venue_url(url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the URL of a new database of PostgreSQL, which the settings name."""
    monkeypatch.setenv(VARIABLE, url)
    return url


@pytest.fixture
def data_dir(database_kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """Return a data directory with a database of its own, which the settings name."""
    directory = tmp_path / "data"
    directory.mkdir()
    if database_kind == "sqlite":
        empty: Path = request.getfixturevalue("empty_database")
        shutil.copy(empty, directory / DATABASE_FILE)
    else:
        request.getfixturevalue("venue_url")
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


def pytest_collection_finish() -> None:
    """Let Python not search modules and tests for garbage again and again."""
    gc.collect()
    gc.freeze()
