"""Clients of a venue in this process."""

import itertools
import shutil
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest

from bottrading_client import AsyncBotTradingClient, AsyncKeyManagementClient
from server.config import DATABASE_FILE
from tests.clients.stepped import NewVenue, kept_going
from tests.support.venue import Bot, Venue


@pytest.fixture
async def quoted(venue: Venue) -> Venue:
    """Return a venue where AAPL is 100 bid and 101 asked."""
    await venue.publish("AAPL", "100", "101")
    return venue


@pytest.fixture
async def bot(quoted: Venue) -> Bot:
    """Return a bot with a key of its own."""
    return await quoted.bot()


@pytest.fixture
async def client(quoted: Venue, bot: Bot) -> AsyncIterator[AsyncBotTradingClient]:
    """Return the bot's client."""
    async with AsyncBotTradingClient(bot.key, quoted.address) as client:
        yield client


@pytest.fixture
async def person(quoted: Venue) -> AsyncIterator[AsyncKeyManagementClient]:
    """Return the client of the bot's owner."""
    async with AsyncKeyManagementClient(quoted.token(), quoted.address) as client:
        yield client


@pytest.fixture
def new_venue(empty_database: Path, tmp_path: Path) -> NewVenue:
    """Return how to run a new venue in this process for a number of participants."""
    numbers = itertools.count()

    def make(participants: int = 1) -> AbstractAsyncContextManager[Venue]:
        folder = tmp_path / str(next(numbers))
        folder.mkdir()
        shutil.copy(empty_database, folder / DATABASE_FILE)
        return kept_going(folder, participants)

    return make
