"""Places for calls: strangers cannot take them all."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from server.domain.errors import Reason
from server.rpc.call import Call
from server.rpc.errors import Refused
from server.rpc.health_watches import (
    ACCOUNT_WATCHES_MAX,
    CONNECTION_WATCHES_MAX,
    STRANGERS_WATCHES_MAX,
)
from server.rpc.interceptors.in_flight import InFlight
from server.wire.contract import methods
from tests.support.streams import READ_SECONDS_MAX
from tests.support.venue import Venue

Connections = Callable[[], grpc.aio.Channel]


@pytest.fixture
async def connect(venue: Venue) -> AsyncIterator[Connections]:
    """Open connections of their own."""
    channels: list[grpc.aio.Channel] = []

    def connect() -> grpc.aio.Channel:
        options = [("grpc.use_local_subchannel_pool", 1)]
        channels.append(grpc.aio.insecure_channel(venue.address, options=options))
        return channels[-1]

    yield connect
    for channel in channels:
        await channel.close()


def watch(channel: grpc.aio.Channel, *metadata: tuple[str, str]) -> Any:
    stub = health_pb2_grpc.HealthStub(channel)
    return stub.Watch(health_pb2.HealthCheckRequest(), metadata=metadata)


async def opened(watches: Sequence[Any]) -> list[bool]:
    """Tell which watches are open; the others were refused because no place was free."""
    answers = await asyncio.gather(*(it.read() for it in watches), return_exceptions=True)
    for answer in answers:
        if isinstance(answer, grpc.aio.AioRpcError):
            assert answer.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    return [isinstance(answer, health_pb2.HealthCheckResponse) for answer in answers]


async def test_a_connection_has_some_watches_of_health_and_leaves_others_theirs(
    connect: Connections,
) -> None:
    greedy, modest = connect(), connect()

    many = await opened([watch(greedy) for _ in range(CONNECTION_WATCHES_MAX + 20)])

    assert many.count(True) == CONNECTION_WATCHES_MAX
    assert await opened([watch(modest)]) == [True]


async def test_strangers_watches_are_bounded_and_leave_customers_theirs(
    venue: Venue, connect: Connections
) -> None:
    bot, other = await venue.bot(), await venue.bot("eve")
    connections = [connect() for _ in range(STRANGERS_WATCHES_MAX // CONNECTION_WATCHES_MAX + 2)]
    strangers = [watch(it) for it in connections for _ in range(CONNECTION_WATCHES_MAX)]

    taken = await opened(strangers)
    wrong = await opened([watch(connect(), ("x-bot-key", "tvt_x"))])
    own = await opened([watch(connect(), *bot.metadata) for _ in range(ACCOUNT_WATCHES_MAX + 1)])
    others = await opened([watch(connections[0], *other.metadata)])

    assert taken.count(True) == STRANGERS_WATCHES_MAX
    assert wrong == [False]
    assert own.count(True) == ACCOUNT_WATCHES_MAX
    assert others == [True]
    assert (await bot.call("GetAccount")).account.balance == "100000.00"


async def test_a_watch_that_ends_gives_its_place_back(connect: Connections) -> None:
    channel = connect()
    watches = [watch(channel) for _ in range(CONNECTION_WATCHES_MAX)]
    assert all(await opened(watches))

    watches[0].cancel()

    async with asyncio.timeout(READ_SECONDS_MAX):
        while not (await opened([watch(channel)]))[0]:  # noqa: ASYNC110 — no event tells of it
            await asyncio.sleep(0.001)


async def test_calls_above_the_limit_are_refused_and_those_in_flight_finish() -> None:
    link, gate = InFlight(limit=1), asyncio.Event()
    method = replace(methods()[0], streams=False)

    async def slow(call: Call) -> bytes:
        await gate.wait()
        return b"done"

    handle = link.wrap(method, slow)
    call = Call(method, None, b"")  # type: ignore[arg-type]
    first = asyncio.ensure_future(handle(call))
    await asyncio.sleep(0)
    with pytest.raises(Refused) as told:
        await handle(call)
    gate.set()

    assert told.value.refusal.reason is Reason.UNAVAILABLE
    assert await first == b"done"
    assert await handle(call) == b"done"


async def test_streams_take_no_places_of_other_calls() -> None:
    """Streams have separate places: idle streams must not block other calls."""
    link = InFlight(limit=0)
    method = replace(methods()[0], streams=True)

    async def stream(call: Call) -> bytes:
        return b"streamed"

    handle = link.wrap(method, stream)

    assert await handle(Call(method, None, b"")) == b"streamed"  # type: ignore[arg-type]
