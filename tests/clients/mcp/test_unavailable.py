"""The tools while the server is away or stops: what an agent is told."""

from mcp import Client

from bottrading_client import AsyncBotTradingClient
from bottrading_mcp import build_server
from tests.clients.mcp.conftest import Agent
from tests.support.venue import Venue

BUY = {"symbol": "AAPL", "side": "BUY", "quantity": 10}


async def test_a_server_that_is_away_is_said_to_be(venue: Venue) -> None:
    bot = await venue.bot()
    await venue.front.server.stop(0)
    async with (
        AsyncBotTradingClient(bot.key, venue.address, timeout=0.5) as client,
        Client(build_server(client)) as connection,
    ):
        agent = Agent(connection)
        read = await agent.refused("get_portfolio")
        placed = await agent.refused("place_order", **BUY, client_order_id="mine")

    assert read.startswith("UNAVAILABLE: ")
    assert read.endswith("The server does not answer; try again later.")
    assert "may have been placed: look it up with get_order, client_order_id mine" in placed


async def test_an_order_that_a_stopping_server_did_not_take_is_said_not_to_be_placed(
    venue: Venue,
) -> None:
    bot = await venue.bot()
    # Less than the pause that the server asks for: there is no second attempt.
    async with (
        AsyncBotTradingClient(bot.key, venue.address, timeout=1) as client,
        Client(build_server(client)) as connection,
    ):
        agent = Agent(connection)
        await agent("get_portfolio")
        venue.front.server._draining.begin()
        placed = await agent.refused("place_order", **BUY, client_order_id="mine")

    assert placed.startswith("UNAVAILABLE: The server is stopping; nothing was done, try again.")
    assert "does not answer" not in placed
