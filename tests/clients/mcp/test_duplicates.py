"""An order that an agent repeats within 120 s without its own id is placed once."""

import asyncio
from typing import Any

import pytest
from mcp import Client

from bottrading_client import AsyncBotTradingClient
from bottrading_mcp import build_server
from tests.clients.mcp.conftest import Agent, Clock
from tests.clients.python.wire import Wire
from tests.support.venue import Bot, Venue, VenueFactory

BUY = {"symbol": "AAPL", "side": "BUY", "quantity": 10}


async def ids(client: AsyncBotTradingClient) -> list[str]:
    return [order.id async for order in client.orders()]


async def test_the_same_order_within_two_minutes_is_the_first_one_and_is_said_to_be(
    agent: Agent, clock: Clock, client: AsyncBotTradingClient
) -> None:
    first, _ = await agent("place_order", **BUY)
    clock.now += 12
    again, text = await agent("place_order", **BUY | {"quantity": "10.00"})

    assert again["order"] == first["order"] | {"replayed": True}
    assert text.startswith(
        "Nothing new was placed: this order was placed 12 s ago;"
        " pass a client_order_id for another. BUY 10 AAPL"
    )
    assert await ids(client) == [first["order"]["id"]]


async def test_after_two_minutes_it_is_another_order(
    agent: Agent, clock: Clock, client: AsyncBotTradingClient
) -> None:
    await agent("place_order", **BUY)
    clock.now += 119.9
    await agent("place_order", **BUY)
    assert len(await ids(client)) == 1
    clock.now += 0.1
    again, text = await agent("place_order", **BUY)

    assert not again["order"]["replayed"]
    assert text.startswith("BUY 10 AAPL")
    assert len(await ids(client)) == 2


@pytest.mark.parametrize(
    "other",
    [
        {"quantity": 11},
        {"side": "SELL"},
        {"time_in_force": "IOC"},
        {"order_type": "LIMIT", "limit_price": 101},
        {"client_order_id": "another"},
    ],
)
async def test_any_other_order_is_another_one(
    agent: Agent, client: AsyncBotTradingClient, other: dict[str, Any]
) -> None:
    await agent("place_order", **BUY)
    await agent("place_order", **BUY | other)

    assert len(await ids(client)) == 2


@pytest.mark.parametrize(
    "same",
    [
        {"symbol": "aapl"},
        {"asset_type": "STOCK"},
        {"quantity": "10.00"},
        {"quantity": 1e1},
        {"order_type": "MARKET", "time_in_force": "GTC"},
    ],
)
async def test_the_same_order_in_other_words_is_the_same_one(
    agent: Agent, client: AsyncBotTradingClient, same: dict[str, Any]
) -> None:
    await agent("place_order", **BUY)
    content, _ = await agent("place_order", **BUY | same)

    assert content["order"]["replayed"] is True
    assert len(await ids(client)) == 1


async def test_an_id_of_the_agents_own_names_one_order(agent: Agent) -> None:
    await agent("place_order", **BUY, client_order_id="mine")
    _, text = await agent("place_order", **BUY, client_order_id="mine")
    refusal = await agent.refused("place_order", **BUY | {"quantity": 1, "client_order_id": "mine"})

    assert text.startswith("Nothing new was placed: this client_order_id is that of this order.")
    assert refusal.startswith("CLIENT_ORDER_ID_REUSED: ")


MUCH = BUY | {"quantity": 100}
"""An order that its account can pay for at 101, and not at 2 000."""


async def test_a_rejected_order_placed_nothing_so_the_same_one_later_is_new_and_is_then_the_first(
    quoted: Venue, agent: Agent, clock: Clock, client: AsyncBotTradingClient
) -> None:
    await quoted.publish("AAPL", "1999", "2000")
    rejected, _ = await agent("place_order", **MUCH)
    still, told = await agent("place_order", **MUCH)
    await quoted.publish("AAPL", "100", "101")
    clock.now += 30
    filled, text = await agent("place_order", **MUCH)
    clock.now += 119
    again, later = await agent("place_order", **MUCH)

    assert rejected["order"]["status"] == still["order"]["status"] == "REJECTED"
    assert told.startswith("BUY 100 AAPL MARKET GTC: REJECTED, INSUFFICIENT_BUYING_POWER")
    assert filled["order"]["status"] == "FILLED"
    assert text.startswith("BUY 100 AAPL MARKET GTC: FILLED")
    assert later.startswith("Nothing new was placed: this order was placed 119 s ago")
    assert again["order"]["id"] == filled["order"]["id"]
    assert await ids(client) == [
        filled["order"]["id"],
        still["order"]["id"],
        rejected["order"]["id"],
    ]


async def test_a_rejected_order_is_new_over_a_restart_and_for_a_second_server(
    quoted: Venue, agent: Agent, clock: Clock, client: AsyncBotTradingClient
) -> None:
    async with Client(build_server(client, clock=clock)) as connection:
        second = Agent(connection)
        await quoted.publish("AAPL", "1999", "2000")
        await agent("place_order", **MUCH)
        await second("place_order", **MUCH)
        await quoted.publish("AAPL", "100", "101")
        filled, _ = await agent("place_order", **MUCH)
        same, _ = await second("place_order", **MUCH)
    async with Client(build_server(client, clock=clock)) as connection:
        third, _ = await Agent(connection)("place_order", **MUCH)

    assert filled["order"]["status"] == "FILLED"
    assert {same["order"]["id"], third["order"]["id"]} == {filled["order"]["id"]}
    assert len(await ids(client)) == 3


async def test_two_servers_that_repeat_a_rejected_order_at_once_place_one(
    quoted: Venue, agent: Agent, clock: Clock, client: AsyncBotTradingClient
) -> None:
    await quoted.publish("AAPL", "1999", "2000")
    await agent("place_order", **MUCH)
    await quoted.publish("AAPL", "100", "101")
    async with Client(build_server(client, clock=clock)) as connection:
        answers = await asyncio.gather(
            agent("place_order", **MUCH), Agent(connection)("place_order", **MUCH)
        )

    assert len({content["order"]["id"] for content, _ in answers}) == 1
    assert len(await ids(client)) == 2


async def test_an_order_that_was_filled_is_found_behind_one_that_was_rejected(
    quoted: Venue, agent: Agent, clock: Clock, client: AsyncBotTradingClient
) -> None:
    """Two servers that send in the same moment under two ids: one order fills, one does not."""
    filled, _ = await agent("place_order", **MUCH)
    own = filled["order"]["client_order_id"]["untrusted_text"]
    clock.now += 1
    await client.place_order(
        "AAPL", "BUY", 1000, client_order_id=f"{own.rpartition('-')[0]}-{clock.now:.0f}"
    )
    async with Client(build_server(client, clock=clock)) as connection:
        again, _ = await Agent(connection)("place_order", **MUCH)

    assert again["order"]["id"] == filled["order"]["id"]


async def test_a_rejected_order_whose_answer_was_lost_is_new_when_it_is_repeated(
    start_venue: VenueFactory, clock: Clock
) -> None:
    venue = await start_venue(orders_per_minute=2)
    await venue.publish("AAPL", "1999", "2000")
    bot = await venue.bot()
    async with (
        Wire.to(venue.address) as wire,
        AsyncBotTradingClient(bot.key, wire.address, timeout=1) as client,
        Client(build_server(client, clock=clock)) as connection,
    ):
        agent = Agent(connection)
        for quantity in (1, 2):
            await agent("place_order", **BUY | {"quantity": quantity})
        # It has an id from now on, so that the next call looks nothing up before it places.
        assert "ORDER_RATE_EXCEEDED" in await agent.refused("place_order", **MUCH)
        venue.clock.turn(seconds=60)
        await venue.publish("AAPL", "1999", "2000")
        wire.deaf = True
        told = await agent.refused("place_order", **MUCH)
        wire.cut()
        venue.clock.turn(seconds=60)
        await venue.publish("AAPL", "100", "101")
        statuses = [order.status async for order in client.orders(limit=1)]
        filled, text = await agent("place_order", **MUCH)

    assert "may have been placed: look it up with get_order" in told
    assert statuses == ["REJECTED"]
    assert filled["order"]["status"] == "FILLED"
    assert text.startswith("BUY 100 AAPL MARKET GTC: FILLED")


async def test_many_at_once_that_are_rejected_end_and_place_nothing(
    quoted: Venue, agent: Agent
) -> None:
    await quoted.publish("AAPL", "1999", "2000")
    answers = await asyncio.gather(*(agent("place_order", **MUCH) for _ in range(5)))

    assert {content["order"]["status"] for content, _ in answers} == {"REJECTED"}


async def test_a_cancelled_order_was_placed_and_stays_the_first_one(
    agent: Agent, client: AsyncBotTradingClient
) -> None:
    waiting = BUY | {"order_type": "LIMIT", "limit_price": 90}
    first, _ = await agent("place_order", **waiting)
    await agent("cancel_order", order_id=first["order"]["id"])
    again, text = await agent("place_order", **waiting)

    assert again["order"]["id"] == first["order"]["id"]
    assert text.startswith("Nothing new was placed: this order was placed 0 s ago; pass a")
    assert "CANCELLED, REQUESTED" in text
    assert len(await ids(client)) == 1


async def test_an_id_of_the_agents_own_names_a_rejected_order_for_ever(
    quoted: Venue, agent: Agent, client: AsyncBotTradingClient
) -> None:
    await quoted.publish("AAPL", "1999", "2000")
    rejected, _ = await agent("place_order", **MUCH, client_order_id="mine")
    await quoted.publish("AAPL", "100", "101")
    again, text = await agent("place_order", **MUCH, client_order_id="mine")

    assert again["order"] == rejected["order"] | {"replayed": True}
    assert text.startswith("Nothing new was placed: this client_order_id is that of this order.")
    assert len(await ids(client)) == 1


async def test_it_is_one_order_over_a_restart_of_the_server(
    agent: Agent, clock: Clock, client: AsyncBotTradingClient
) -> None:
    await agent("place_order", **BUY)
    await agent("place_order", **BUY | {"quantity": 1})
    clock.now += 60
    async with Client(build_server(client, clock=clock)) as connection:
        _, text = await Agent(connection)("place_order", **BUY)
        clock.now += 60
    async with Client(build_server(client, clock=clock)) as connection:
        _, later = await Agent(connection)("place_order", **BUY)

    assert "placed 60 s ago" in text
    assert later.startswith("BUY 10 AAPL")
    assert len(await ids(client)) == 3


async def test_it_is_one_order_of_all_agents_on_an_account(
    quoted: Venue, agent: Agent, clock: Clock, client: AsyncBotTradingClient
) -> None:
    await agent("place_order", **BUY)
    other = await quoted.bot()
    async with (
        AsyncBotTradingClient(other.key, quoted.address) as second,
        Client(build_server(second, clock=clock)) as connection,
    ):
        _, text = await Agent(connection)("place_order", **BUY)

    assert text.startswith("Nothing new was placed")
    assert len(await ids(client)) == 1


async def test_many_at_once_are_one_order(agent: Agent, client: AsyncBotTradingClient) -> None:
    answers = await asyncio.gather(*(agent("place_order", **BUY) for _ in range(10)))

    assert len({content["order"]["id"] for content, _ in answers}) == 1
    assert sum(not content["order"]["replayed"] for content, _ in answers) == 1
    assert len(await ids(client)) == 1


async def test_an_order_whose_answer_was_lost_is_told_and_not_doubled(
    quoted: Venue, bot: Bot, client: AsyncBotTradingClient, clock: Clock
) -> None:
    async with (
        Wire.to(quoted.address) as wire,
        AsyncBotTradingClient(bot.key, wire.address, timeout=1) as far,
        Client(build_server(far, clock=clock)) as connection,
    ):
        agent = Agent(connection)
        await agent("get_bot_account")
        await agent("get_orders")
        wire.deaf = True
        told = await agent.refused("place_order", **BUY, client_order_id="mine")
        wire.deaf = False
        wire.cut()
        found, _ = await agent("get_order", client_order_id="mine")
        again, _ = await agent("place_order", **BUY, client_order_id="mine")

    assert "may have been placed: look it up with get_order, client_order_id mine" in told
    assert found["order"]["status"] == "FILLED"
    assert again["order"]["id"] == found["order"]["id"]
    assert await ids(client) == [found["order"]["id"]]


async def test_an_order_that_may_be_on_its_way_keeps_its_id_and_no_other_is_sent_blindly(
    quoted: Venue, bot: Bot, clock: Clock
) -> None:
    async with (
        AsyncBotTradingClient(bot.key, quoted.address, timeout=0.5) as client,
        Client(build_server(client, clock=clock)) as connection,
    ):
        agent = Agent(connection)
        placed, _ = await agent("place_order", **BUY)
        await quoted.front.server.stop(0)
        clock.now += 60
        again = await agent.refused("place_order", **BUY)
        clock.now += 60
        later = await agent.refused("place_order", **BUY)

    own = placed["order"]["client_order_id"]["untrusted_text"]
    assert f"may have been placed: look it up with get_order, client_order_id {own}." in again
    assert later.startswith("UNAVAILABLE: ")
    assert "may have been placed" not in later
