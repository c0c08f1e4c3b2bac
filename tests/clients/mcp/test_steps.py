"""An agent in a lock-step replay: the tool that moves its clock."""

import asyncio
import re
from typing import Any

import pytest
from mcp import Client

from bottrading_client import AsyncBotTradingClient
from bottrading_mcp import build_server, tools
from tests.clients.mcp.conftest import Agent
from tests.clients.python.wire import Wire
from tests.clients.stepped import NewVenue

LIMIT = {"symbol": "AAPL", "side": "BUY", "quantity": 1, "order_type": "LIMIT"}


async def test_an_agent_moves_the_clock_and_learns_what_became_of_its_orders(
    new_venue: NewVenue,
) -> None:
    async with new_venue() as venue:
        key = (await venue.bot()).key
        async with (
            AsyncBotTradingClient(key, venue.address) as client,
            Client(build_server(client)) as connection,
        ):
            agent = Agent(connection)
            begun, text = await agent("advance_clock")
            order = (await agent("place_order", **LIMIT, limit_price=112))[0]["order"]
            await agent("advance_clock", until="2025-01-02T00:00:30Z")
            day, told = await agent("advance_clock", next_bar="1d")
            hour, _ = await agent("advance_clock", next_bar="1h")
            end, ended = await agent("advance_clock", until="2030-01-01T00:00:00Z")

    assert (begun["advance"]["time"], text) == (
        "2025-01-02T00:00:00Z",
        "The time is 2025-01-02T00:00:00Z.",
    )
    assert (day["advance"]["time"], hour["advance"]["time"]) == (
        "2025-01-03T00:00:00Z",
        "2025-01-03T01:00:00Z",
    )
    filled = f"FILLED: BUY 1 AAPL LIMIT limit 112 GTC: FILLED, 1 filled at 11\\d.+ id {order['id']}"
    assert re.fullmatch(rf"The time is 2025-01-03T00:00:00Z\.\n{filled}", told), told
    assert end["advance"]["ended"] is True
    assert ended.splitlines()[1] == "The replay has ended."


async def test_an_agent_that_waits_for_others_is_told_to_call_again_and_moves_once(
    new_venue: NewVenue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tools, "STEP_SECONDS_MAX", 0.5)
    async with new_venue(2) as venue:
        key, other = (await venue.bot()).key, (await venue.bot("bob")).key
        async with (
            AsyncBotTradingClient(key, venue.address) as client,
            AsyncBotTradingClient(other, venue.address) as bob,
            Client(build_server(client)) as connection,
        ):
            agent = Agent(connection)
            told = await agent.refused("advance_clock")
            for day in ("02", "03"):
                waiting = asyncio.ensure_future(bob.advance_clock(next_bar="1d"))
                content, _ = await agent("advance_clock")
                assert content["advance"]["time"] == f"2025-01-{day}T00:00:00Z"
                await waiting

    assert told == (
        "Other bots are not done yet, so time stands still. Call advance_clock again with the same"
        " arguments: it moves time once."
    )


async def test_an_agent_whose_answer_is_lost_moves_the_clock_once(new_venue: NewVenue) -> None:
    async with new_venue() as venue:
        key = (await venue.bot()).key
        async with (
            Wire.to(venue.address) as wire,
            AsyncBotTradingClient(key, wire.address) as client,
            AsyncBotTradingClient(key, venue.address) as beside,
            Client(build_server(client)) as connection,
        ):
            agent = Agent(connection)
            await agent("advance_clock")
            begun = (await beside.clock()).time
            wire.deaf = True
            given_up = asyncio.ensure_future(agent("advance_clock"))
            while (await beside.clock()).time == begun:
                pass
            given_up.cancel()
            wire.cut()
            content: Any = (await agent("advance_clock"))[0]

    assert content["advance"]["time"] == "2025-01-03T00:00:00Z"


async def test_on_other_markets_the_tool_says_what_to_start(agent: Agent) -> None:
    told = await agent.refused("advance_clock")

    assert told.startswith("MARKET_NOT_STEPPED: ")
    assert "--replay-clock step" in told
