"""Clients of a venue in this process."""

from collections.abc import AsyncIterator

import pytest

from bottrading_client import AsyncBotTradingClient, AsyncKeyManagementClient
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
