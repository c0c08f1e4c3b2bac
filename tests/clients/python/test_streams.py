"""Streams of both kinds of clients on a real server: where they begin, go on and end."""

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import pytest

from bottrading.v1 import order_update_pb2
from bottrading.v1.bot_trading_pb2 import StreamOrderUpdatesResponse
from bottrading_client import (
    AccountUpdate,
    AsyncBotTradingClient,
    AuthenticationFailed,
    BotTradingClient,
    Conflict,
    ErrorReason,
    InvalidRequest,
    OrderUpdate,
    ServiceUnavailable,
    SnapshotOrder,
    Update,
)
from bottrading_client.following import order_updates
from tests.clients.python.wire import Wire
from tests.support.process import free_port
from tests.support.venue import Bot, Venue, VenueFactory

SECONDS = 10


async def test_updates_come_from_now_on(client: AsyncBotTradingClient) -> None:
    await client.place_order("AAPL", "BUY", 1)
    async with client.order_updates() as updates:
        assert updates.last_sequence == 3
        await client.place_order("AAPL", "BUY", 1)

        assert shown(await anext(updates)) == "4 ACCEPTED AAPL"
        assert updates.last_sequence == 4
        assert shown(await anext(updates)) == "5 FILLED AAPL"


async def test_updates_come_from_the_beginning_and_from_any_sequence(
    client: AsyncBotTradingClient,
) -> None:
    await client.place_order("AAPL", "BUY", 1)

    assert [shown(update) for update in await take(client, 3, after_sequence=0)] == [
        "1 OPENED",
        "2 ACCEPTED AAPL",
        "3 FILLED AAPL",
    ]
    assert [shown(update) for update in await take(client, 1, 2)] == ["3 FILLED AAPL"]


async def test_an_update_holds_order_and_fill(client: AsyncBotTradingClient) -> None:
    order = await client.place_order("AAPL", "BUY", 10)
    opened, accepted, filled = await take(client, 3, after_sequence=0)

    assert isinstance(opened, AccountUpdate)
    assert opened.amount == 100_000
    assert isinstance(accepted, OrderUpdate)
    assert (accepted.fill, accepted.transaction_end) == (None, 3)
    assert isinstance(filled, OrderUpdate)
    assert filled.order == order
    assert filled.fill is not None
    assert (filled.fill.price, filled.fill.quantity) == (Decimal(101), Decimal(10))


async def test_a_snapshot_comes_first_and_once(client: AsyncBotTradingClient, wire: Wire) -> None:
    far = AsyncBotTradingClient(secret(client), wire.address)
    order = await client.place_order("AAPL", "BUY", 1, order_type="LIMIT", limit_price=50)
    async with far, far.order_updates(include_snapshot=True) as updates:
        assert await anext(updates) == SnapshotOrder(sequence=2, order=order)
        await client.cancel_order(order.id)
        assert shown(await anext(updates)) == "3 CANCELLED AAPL"
        wire.cut()
        await client.place_order("AAPL", "BUY", 1, order_type="LIMIT", limit_price=50)
        await client.place_order("AAPL", "BUY", 1)
        assert [shown(await anext(updates)) for _ in range(3)] == [
            "4 ACCEPTED AAPL",
            "5 ACCEPTED AAPL",
            "6 FILLED AAPL",
        ]
        await client.place_order("AAPL", "BUY", 1)
        assert shown(await anext(updates)) == "7 ACCEPTED AAPL"


def test_a_server_that_repeats_itself_is_not_repeated() -> None:
    following = order_updates(after_sequence=4)
    update = order_update_pb2.AccountUpdate(balance="1.00")
    taken = [
        following.take(StreamOrderUpdatesResponse(sequence=sequence, account_update=update))
        for sequence in (4, 5, 5, 6)
    ]

    assert [one and one.sequence for one in taken] == [None, 5, None, 6]
    assert following.request().after_sequence == 6


async def test_updates_of_other_symbols_are_left_out_and_counted(
    client: AsyncBotTradingClient, wire: Wire
) -> None:
    async with client.order_updates(symbols=["MSFT"]) as updates:
        begun = updates.last_sequence or 0
        await client.place_order("AAPL", "BUY", 1)
        await client.place_order("MSFT", "BUY", 1, order_type="LIMIT", limit_price=50)

        assert shown(await anext(updates)) == f"{begun + 3} ACCEPTED MSFT"


async def test_a_wait_that_was_cancelled_misses_nothing(client: AsyncBotTradingClient) -> None:
    async with client.order_updates() as updates:
        for _ in range(3):
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(anext(updates), 0.01)
        await client.place_order("AAPL", "BUY", 1)

        assert [(await anext(updates)).sequence for _ in range(2)] == [2, 3]


async def test_a_wait_that_is_cancelled_at_any_moment_leaves_no_stream_open(
    client: AsyncBotTradingClient, quoted: Venue
) -> None:
    for turns in range(40):
        waiting = asyncio.ensure_future(anext(client.order_updates()))
        for _ in range(turns):
            await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting

        async with asyncio.timeout(SECONDS):
            while (await client.limits()).streams.used:
                quoted.clock.turn(seconds=1)
        quoted.clock.turn(seconds=1)


async def test_a_stream_is_closed_from_elsewhere(
    client: AsyncBotTradingClient, bot: Bot, quoted: Venue
) -> None:
    with BotTradingClient(bot.key, quoted.address) as waiting:
        updates, others = client.order_updates(after_sequence=0), waiting.order_updates(0)
        reading = asyncio.ensure_future(collect(updates))
        thread = asyncio.ensure_future(asyncio.to_thread(list, others))
        async with asyncio.timeout(SECONDS):
            while not updates.last_sequence == others.last_sequence == 1:  # noqa: ASYNC110
                await asyncio.sleep(0.001)
        await updates.close()
        others.close()

        assert [update.sequence for update in await reading] == [1]
        assert [update.sequence for update in await thread] == [1]


async def test_a_stream_ends_with_its_client(bot: Bot, quoted: Venue) -> None:
    client, waiting = (
        AsyncBotTradingClient(bot.key, quoted.address),
        BotTradingClient(bot.key, quoted.address),
    )
    updates, others = client.order_updates(0), waiting.with_timeout(1).order_updates(0)
    reading = asyncio.ensure_future(collect(updates))
    thread = asyncio.ensure_future(asyncio.to_thread(list, others))
    async with asyncio.timeout(SECONDS):
        while not updates.last_sequence == others.last_sequence == 1:  # noqa: ASYNC110
            await asyncio.sleep(0.001)
    await client.close()
    waiting.close()

    assert [update.sequence for update in await reading] == [1]
    assert [update.sequence for update in await thread] == [1]


async def test_the_stream_of_a_revoked_key_ends_with_that(
    client: AsyncBotTradingClient, quoted: Venue, bot: Bot
) -> None:
    with BotTradingClient(bot.key, quoted.address) as waiting, waiting.order_updates(1) as others:
        thread = asyncio.ensure_future(asyncio.to_thread(next, others))
        async with client.order_updates() as updates:
            await quoted.person().revoke_key(bot.key_id)
            with pytest.raises(AuthenticationFailed) as raised:
                await anext(updates)
            with pytest.raises(StopAsyncIteration):
                await anext(updates)
        with pytest.raises(AuthenticationFailed):
            await thread
    assert raised.value.reason is ErrorReason.BOT_KEY_INVALID


async def test_what_cannot_be_resumed_is_told(client: AsyncBotTradingClient) -> None:
    with pytest.raises(Conflict) as raised:
        await take(client, 1, after_sequence=99)
    assert raised.value.reason is ErrorReason.SEQUENCE_IN_FUTURE
    with pytest.raises(InvalidRequest):
        await take(client, 1, symbols=["NOPE"])


async def test_a_first_connection_must_succeed_within_the_timeout() -> None:
    async with AsyncBotTradingClient("tvt_key", f"127.0.0.1:{free_port()}", timeout=0.5) as client:
        with pytest.raises(ServiceUnavailable):
            await anext(client.order_updates())


async def test_a_stream_waits_out_the_rate_when_it_comes_again(
    start_venue: VenueFactory,
) -> None:
    """Each opening spends a request, and the account may have none left."""
    venue = await start_venue(requests_per_minute=1)
    bot = await venue.bot()
    async with (
        Wire.to(venue.address) as wire,
        AsyncBotTradingClient(bot.key, wire.address) as client,
        client.order_updates() as updates,
    ):
        wire.cut()
        waiting = asyncio.ensure_future(anext(updates))
        while b"REQUEST_RATE_EXCEEDED" not in b"".join(venue.log):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(waiting, 0.2)


async def test_quotes_come_as_they_are_and_as_they_change_over_a_break(
    client: AsyncBotTradingClient, quoted: Venue, wire: Wire
) -> None:
    far = AsyncBotTradingClient(secret(client), wire.address)
    async with far, far.quote_updates(["AAPL", "MSFT"]) as quotes:
        assert (await anext(quotes)).ask == 101
        await quoted.publish("AAPL", "101", "102")
        assert (await anext(quotes)).ask == 102
        wire.cut()
        await quoted.publish("MSFT", "7", "8")
        assert [(quote := await anext(quotes)).symbol, quote.ask] == ["MSFT", 8]


async def test_quotes_come_to_the_synchronous_client_too(quoted: Venue, bot: Bot) -> None:
    with BotTradingClient(bot.key, quoted.address) as waiting:
        with waiting.quote_updates(["AAPL"]) as quotes:
            assert (await asyncio.to_thread(next, quotes)).ask == 101
        assert list(quotes) == []


@pytest.fixture
async def wire(quoted: Venue) -> AsyncIterator[Wire]:
    async with Wire.to(quoted.address) as wire:
        yield wire


async def take(client: AsyncBotTradingClient, count: int, *given: Any, **named: Any) -> list[Any]:
    """Return some updates of a new stream."""
    async with asyncio.timeout(SECONDS), client.order_updates(*given, **named) as updates:
        return [await anext(updates) for _ in range(count)]


async def collect(updates: AsyncIterator[Any]) -> list[Any]:
    return [update async for update in updates]


def shown(update: Update) -> str:
    match update:
        case OrderUpdate():
            return f"{update.sequence} {update.type} {update.order.symbol}"
        case AccountUpdate():
            return f"{update.sequence} {update.type}"
        case SnapshotOrder():
            return f"{update.sequence} SNAPSHOT {update.order.symbol}"


def secret(client: AsyncBotTradingClient) -> str:
    return client._metadata[0][1]
