"""Places for connections: whose are closed when they run out."""

import os
import resource
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, ExitStack, contextmanager

import grpc
import pytest

from server.rpc.interceptors.connections import Connection
from server.rpc.sockets import cut, open_descriptors
from tests.support.strangers import PING, is_open, stranger
from tests.support.streams import order_updates, shown, until
from tests.support.venue import Bot, Venue, VenueFactory

PLACES, ROOM_FOR = 10, 8


class Crowd:
    """A venue with few places, and what is connected to it."""

    def __init__(self, venue: Venue, key: str, stack: AsyncExitStack) -> None:
        self.venue = venue
        self._key = key
        self._port = int(venue.address.rsplit(":", 1)[1])
        self._stack = stack
        self._connections = venue.front.connections

    async def customer(self) -> Bot:
        """Return a client whose connection has brought a call with a key."""
        channel = grpc.aio.insecure_channel(
            self.venue.address, options=[("grpc.use_local_subchannel_pool", 1)]
        )
        await self._stack.enter_async_context(channel)
        customer = Bot(self.venue, self._key, channel=channel)
        await customer.call("GetAccount")
        return customer

    async def until(self, holds: Callable[[list[Connection]], bool]) -> None:
        """Wait until the server has the expected connections."""
        await until(lambda: holds(self._connections._look(self._port, 0) or []))

    async def make_room(self) -> int:
        return await self._connections.make_room(self._port)


@pytest.fixture
async def crowd(start_venue: VenueFactory) -> AsyncIterator[Crowd]:
    async with AsyncExitStack() as stack:
        venue = await start_venue(grpc_connections_max=PLACES, requests_per_minute=0)
        yield Crowd(venue, (await venue.bot()).key, stack)


@contextmanager
def strangers(crowd: Crowd, count: int) -> Iterator[list[socket.socket]]:
    """Connect strangers."""
    with ExitStack() as stack:
        yield [stack.enter_context(stranger(crowd.venue.address)) for _ in range(count)]


def count_idler(seen: list[Connection], *, by_ms: int) -> int:
    """Return how many connections have been idle longer than the newest, by some margin."""
    last = min(one.idle_ms for one in seen)
    return sum(one.idle_ms > last + by_ms for one in seen)


async def test_nobody_is_closed_while_there_are_places(crowd: Crowd) -> None:
    with strangers(crowd, PLACES - 2) as connected:
        await crowd.until(lambda seen: len(seen) == PLACES - 1)

        assert await crowd.make_room() == 0
        assert all(map(is_open, connected))


async def test_strangers_go_before_customers_and_the_idlest_of_them_first(crowd: Crowd) -> None:
    customer = await crowd.customer()
    # The venue's own channel and the customer's take two places.
    with strangers(crowd, PLACES - 2) as connected:
        await crowd.until(lambda seen: len(seen) == PLACES and min(s.idle_ms for s in seen) > 300)
        for active in connected[:-2]:
            active.sendall(PING)
        await crowd.until(lambda seen: count_idler(seen, by_ms=150) == 4)

        assert await crowd.make_room() == PLACES - ROOM_FOR
        await crowd.until(lambda seen: len(seen) == ROOM_FOR)
        assert [is_open(one) for one in connected] == [True] * (PLACES - 4) + [False] * 2
    await customer.call("GetAccount")


async def test_customers_with_calls_in_flight_stay(crowd: Crowd) -> None:
    busy = [await order_updates(await crowd.customer()) for _ in range(3)]
    idle = [await crowd.customer() for _ in range(PLACES - 4)]
    await crowd.until(lambda seen: len(seen) == PLACES)

    assert await crowd.make_room() == PLACES - ROOM_FOR
    await crowd.until(lambda seen: len(seen) == ROOM_FOR)
    await crowd.venue.publish("AAPL", "99", "100")
    for customer in idle:  # A client whose connection was closed gets another one.
        await customer.place()
    for stream, _ in busy:
        assert shown(await stream.read()) == "2 ACCEPTED AAPL"


async def test_beyond_the_places_nobody_is_let_in(crowd: Crowd) -> None:
    await crowd.customer()
    with strangers(crowd, PLACES) as connected:
        await crowd.until(lambda seen: len(seen) == PLACES)
        await until(lambda: sum(map(is_open, connected)) == PLACES - 2)


def test_all_connections_are_ended_with_few_descriptors_left() -> None:
    """A service that stops may have nearly as many connections as descriptors."""
    before, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        callers = []
        for _ in range(20):
            callers.append(stack.enter_context(socket.create_connection(listener.getsockname())))
            stack.enter_context(listener.accept()[0])
        highest = max(open_descriptors())
        fillers = [os.dup(0)]
        while fillers[-1] < highest:
            fillers.append(os.dup(0))
        resource.setrlimit(resource.RLIMIT_NOFILE, (fillers[-1] + 1 + 3, most))
        try:
            cut(frozenset({listener.getsockname()[1]}))
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (before, most))
            for filler in fillers:
                os.close(filler)
        for caller in callers:
            caller.settimeout(10)
            assert caller.recv(1) == b""
