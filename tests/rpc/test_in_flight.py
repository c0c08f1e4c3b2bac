"""Places for calls: strangers cannot take them all."""

import asyncio

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from server.domain.errors import Reason
from server.rpc.call import Call, Method
from server.rpc.chain import WATCHES_MAX
from server.rpc.errors import Refused
from server.rpc.interceptors.in_flight import InFlight
from tests.support.venue import Venue


async def test_open_watches_of_health_are_bounded_and_leave_room_for_calls(venue: Venue) -> None:
    bot = await venue.bot()
    channels = [
        grpc.aio.insecure_channel(venue.address, options=[("grpc.use_local_subchannel_pool", 1)])
        for _ in range(3)
    ]
    watches = [
        health_pb2_grpc.HealthStub(channels[number % 3]).Watch(health_pb2.HealthCheckRequest())
        for number in range(WATCHES_MAX + 20)
    ]
    answers = await asyncio.gather(*(watch.read() for watch in watches), return_exceptions=True)

    told = [answer for answer in answers if isinstance(answer, health_pb2.HealthCheckResponse)]
    assert len(told) == WATCHES_MAX
    assert (await bot.call("GetAccount")).account.balance == "100000.00"
    for channel in channels:
        await channel.close()


async def test_calls_above_the_limit_are_refused_and_those_in_flight_finish() -> None:
    link, gate = InFlight(limit=1), asyncio.Event()
    method = Method("/x", "x", "x", object, streams=False)

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
    """They have places of their own: the idle ones of some must not shut out the rest."""
    link = InFlight(limit=0)
    method = Method("/x", "x", "x", object, streams=True)

    async def stream(call: Call) -> bytes:
        return b"streamed"

    handle = link.wrap(method, stream)

    assert await handle(Call(method, None, b"")) == b"streamed"  # type: ignore[arg-type]
