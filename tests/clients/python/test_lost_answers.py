"""Lost answers: which calls are repeated, which are not, and what the caller learns."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from bottrading_client import (
    AsyncBotTradingClient,
    AsyncKeyManagementClient,
    BotTradingClient,
    DeadlineExceeded,
    OutcomeUnknown,
)
from tests.clients.python.wire import Wire
from tests.support.venue import Bot, Venue

Place = Callable[..., Awaitable[Any]]


@pytest.fixture
async def wire(quoted: Venue) -> AsyncIterator[Wire]:
    async with Wire.to(quoted.address) as wire:
        yield wire


@pytest.fixture
async def far(bot: Bot, wire: Wire) -> AsyncIterator[AsyncBotTradingClient]:
    """The bot's client at the other end of the wire, already connected."""
    async with AsyncBotTradingClient(bot.key, wire.address) as client:
        await client.account()
        yield client


@pytest.fixture(params=["asyncio", "synchronous"])
async def place(
    request: pytest.FixtureRequest, bot: Bot, wire: Wire, far: AsyncBotTradingClient
) -> AsyncIterator[Place]:
    """Place an order from the other end of the wire, with a client of either kind."""
    if request.param == "asyncio":
        yield far.place_order
        return
    with BotTradingClient(bot.key, wire.address) as client:
        await asyncio.to_thread(client.account)
        yield lambda *given, **named: asyncio.to_thread(client.place_order, *given, **named)


async def test_an_order_whose_answer_is_lost_is_repeated_and_is_one_order(
    place: Place, wire: Wire, client: AsyncBotTradingClient
) -> None:
    wire.deaf = True
    placing = asyncio.ensure_future(place("AAPL", "BUY", 10))
    recorded = await first_order(client)
    wire.cut()

    answered = await placing
    assert answered.replayed
    assert answered.id == recorded.id
    assert [order.id async for order in client.orders()] == [recorded.id]
    assert (await client.portfolio()).positions[0].quantity == 10


async def test_an_order_that_is_never_answered_has_an_unknown_outcome_and_its_id(
    far: AsyncBotTradingClient, wire: Wire, client: AsyncBotTradingClient
) -> None:
    wire.deaf = True
    with pytest.raises(OutcomeUnknown) as raised:
        await far.with_timeout(0.5).place_order("AAPL", "BUY", 10, client_order_id="mine")

    assert raised.value.client_order_id == "mine"
    assert isinstance(raised.value.__cause__, DeadlineExceeded)
    order = await client.order_by_client_id("mine")
    wire.cut()
    assert (await far.place_order("AAPL", "BUY", 10, client_order_id="mine")).id == order.id


async def test_a_cancellation_whose_answer_is_lost_is_repeated(
    far: AsyncBotTradingClient, wire: Wire, client: AsyncBotTradingClient
) -> None:
    order = await client.place_order("AAPL", "BUY", 1, order_type="LIMIT", limit_price=50)
    wire.deaf = True
    async with client.order_updates() as updates:
        cancelling = asyncio.create_task(far.cancel_order(order.id))
        assert (await anext(updates)).order.status == "CANCELLED"  # type: ignore[union-attr]
    wire.cut()

    assert (await cancelling).status == "CANCELLED"


async def test_a_key_whose_answer_is_lost_is_not_made_twice(
    quoted: Venue, wire: Wire, person: AsyncKeyManagementClient
) -> None:
    before = len(await person.keys())
    async with AsyncKeyManagementClient(quoted.token(), wire.address) as far:
        await far.keys()
        wire.deaf = True
        making = asyncio.create_task(far.create_key("one"))
        while len(await person.keys()) == before:  # noqa: ASYNC110 — nothing tells of a key
            await asyncio.sleep(0.01)
        wire.cut()
        with pytest.raises(OutcomeUnknown):
            await making

    assert len(await person.keys()) == before + 1


async def test_streams_go_on_where_the_wire_was_cut(
    far: AsyncBotTradingClient, wire: Wire, client: AsyncBotTradingClient, bot: Bot
) -> None:
    with BotTradingClient(bot.key, wire.address) as waiting:
        others = await asyncio.to_thread(waiting.order_updates().__enter__)
        async with far.order_updates() as updates:
            wire.deaf = True
            for _ in range(2):
                await client.place_order("AAPL", "BUY", 1)
            wire.cut()
            await client.place_order("AAPL", "BUY", 1)

            assert [(await anext(updates)).sequence for _ in range(6)] == [2, 3, 4, 5, 6, 7]
        seen = [(await asyncio.to_thread(next, others)).sequence for _ in range(6)]
        assert seen == [2, 3, 4, 5, 6, 7]
        others.close()


async def first_order(client: AsyncBotTradingClient) -> Any:
    """Wait until the account has an order."""
    async with client.order_updates(after_sequence=1) as updates:
        update: Any = await anext(updates)
    return update.order
