"""Two servers of one venue: whichever of them a client calls, it sees one and the same venue."""

import asyncio
import signal
import time
from asyncio import TaskGroup
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from itertools import count
from typing import Any

import grpc
import httpx
import pytest
from grpc import StatusCode

from bottrading.v1 import order_pb2
from bottrading_client import AsyncBotTradingClient
from bottrading_client.connecting import CHANNEL_OPTIONS
from examples.cluster.proxy import Port, Proxy, Replica
from tests.e2e.test_streams import PREFIX
from tests.support.audit import audit
from tests.support.databases import VARIABLE
from tests.support.postgresql import Server
from tests.support.process import START_SECONDS_MAX, Process, free_port
from tests.support.servers import Person, Remote, Servers, code_of, two_servers
from tests.support.streams import order_updates
from tests.support.venue import refusal

OWN_CONNECTION = ("grpc.use_local_subchannel_pool", 1)
pytestmark = pytest.mark.timeout(120)  # It is set up with the servers, which start all at once.

REPEATS = 64
ROUNDS = 12
CALLERS = 8
WITHOUT_LIMITS: dict[str, Any] = {
    "orders_per_minute": "0",
    "requests_per_minute": "0",
    "person_requests_per_minute": "0",
}


@pytest.fixture(scope="module")
def servers(postgresql: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """Return two servers, which all tests share."""
    with two_servers(postgresql, tmp_path_factory.mktemp("venue"), **WITHOUT_LIMITS) as made:
        yield made


@pytest.fixture(scope="module")
def limited(postgresql: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """Return two servers with the limits of every day."""
    with two_servers(postgresql, tmp_path_factory.mktemp("limited"), rest=False) as made:
        yield made


@pytest.fixture
async def people(servers: Servers) -> AsyncIterator[list[Person]]:
    """Return two new persons; each server owns the account of one."""
    async with people_of(servers) as made:
        yield made


@asynccontextmanager
async def people_of(servers: Servers) -> AsyncIterator[list[Person]]:
    channels = [grpc.aio.insecure_channel(it.grpc, [OWN_CONNECTION]) for it in servers.processes]
    yield [Person(servers.new_token(it), channels) for it in servers.processes]
    for channel in channels:
        await channel.close()


async def test_a_client_that_calls_both_in_turn_reads_all_that_it_was_answered(
    people: list[Person],
) -> None:
    async def trade(bots: list[Remote]) -> None:
        for number in range(ROUNDS):
            here, there = bots[number % 2], bots[1 - number % 2]
            order = await here.place(quantity="1")
            listed = (await there.call("ListOrders", limit=1)).orders
            (position,) = (await there.portfolio()).positions

            assert await there.order(order.id) == order
            assert [it.id for it in listed] == [order.id]
            assert position.quantity == f"{number + 1}.00000000"

    await asyncio.gather(*[trade(await person.bots()) for person in people])


async def test_a_bot_that_hammers_both_gets_no_more_through_than_the_limits(
    limited: Servers,
) -> None:
    """All calls are made within 60 s, so that no part of a limit is given back."""
    async with people_of(limited) as people:
        for person in people:
            bots, begun = await person.bots(), time.monotonic()
            orders = await asyncio.gather(
                *(is_let_pass(bots[it % 2], "PlaceOrder") for it in range(80))
            )
            reads = await asyncio.gather(
                *(is_let_pass(bots[it % 2], "GetAccount") for it in range(240))
            )

            assert sum(orders) == 20
            assert sum(orders) + sum(reads) == 120
            assert time.monotonic() < begun + 60


async def is_let_pass(bot: Remote, method: str) -> bool:
    """Make a call that succeeds or fails after it is charged; tell whether it was let pass."""
    code = await code_of(bot.call(method))
    assert code in {StatusCode.OK, StatusCode.INVALID_ARGUMENT, StatusCode.RESOURCE_EXHAUSTED}
    return code is not StatusCode.RESOURCE_EXHAUSTED


@pytest.mark.parametrize("revoked_at", [0, 1])
async def test_a_key_is_dead_at_the_other_server_before_its_revocation_is_answered(
    servers: Servers, people: list[Person], revoked_at: int
) -> None:
    async def call_until_refused(
        bot: Remote, is_used: asyncio.Event, is_revoked: asyncio.Event
    ) -> None:
        is_late = False
        while (code := await code_of(bot.call("GetAccount"))) is StatusCode.OK:
            assert not is_late, "a call was answered that was made after the revocation"
            is_used.set()
            is_late = is_revoked.is_set()
        assert code is StatusCode.UNAUTHENTICATED

    other = servers.processes[1 - revoked_at]
    for person in people:
        bot = (await person.bots(revoked_at))[1 - revoked_at]
        stream, _ = await order_updates(bot)
        is_used, is_revoked = asyncio.Event(), asyncio.Event()
        async with TaskGroup() as group:
            for _ in range(8):
                group.create_task(call_until_refused(bot, is_used, is_revoked))
            await is_used.wait()
            # It cannot hear of the revocation before it gets the calls that are made later.
            with paused(other):
                await person.revoke(bot, revoked_at)
                is_revoked.set()
                late = [group.create_task(code_of(bot.call("GetAccount"))) for _ in range(8)]
                order = group.create_task(refusal(bot.place()))

        assert {call.result() for call in late} == {StatusCode.UNAUTHENTICATED}
        assert [order.result().reason, (await stream.end()).reason] == ["BOT_KEY_INVALID"] * 2


@contextmanager
def paused(server: Process) -> Iterator[None]:
    """Pause the front of a server during the block; its engine goes on."""
    server.process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        server.process.send_signal(signal.SIGCONT)


async def test_an_order_that_is_sent_to_both_many_times_at_once_is_placed_once(
    people: list[Person],
) -> None:
    for person in people:
        bots = await person.bots()
        orders = await asyncio.gather(
            *(bots[at % 2].place(client_order_id="the one") for at in range(REPEATS))
        )

        for bot in bots:
            (order,) = (await bot.call("ListOrders")).orders
            (position,) = (await bot.portfolio()).positions
            assert {it.id for it in orders} == {order.id}
            assert [it.replayed for it in orders].count(False) == 1
            assert position.quantity == order.filled_quantity == "10.00000000"


async def test_a_stream_shows_what_is_done_at_the_other_server_and_resumes_there(
    people: list[Person],
) -> None:
    for person in people:
        first, second = await person.bots()
        stream, begun = await order_updates(first)
        placed = [await second.place(quantity="1") for _ in range(10)]
        seen = await stream.take(20)

        assert [it.sequence for it in seen] == list(range(begun + 1, begun + 21))
        assert [it.order_update.order.id for it in seen[::2]] == [it.id for it in placed]

        for number in range(10):
            await (first, second)[number % 2].place(quantity="1")
        resumed, _ = await order_updates(second, after_sequence=seen[4].sequence)
        missed = await resumed.take(35)

        assert [it.sequence for it in missed] == list(range(begun + 6, begun + 41))
        assert missed == [*seen[5:], *await stream.take(20)]


async def test_rest_at_one_server_and_grpc_at_the_other_are_one_venue(
    servers: Servers, people: list[Person]
) -> None:
    here, there = (f"http://{it.rest}{PREFIX}" for it in servers.processes)
    order = {"symbol": "AAPL", "side": "BUY", "quantity": 1}
    async with httpx.AsyncClient(timeout=START_SECONDS_MAX) as http:
        for person in people:
            bearer = {"Authorization": f"Bearer {person.token}"}
            made = (await http.post(f"{here}/keys", headers=bearer, json={"label": "a"})).json()
            key = {"X-Bot-Key": made["key"]}
            updates = f"{here}/order-updates?after_sequence=0"
            async with http.stream("GET", updates, headers=key) as stream:
                placed = (await http.post(f"{there}/orders", headers=key, json=order)).json()
                told = await lines_until(stream, "id: 3")
            found = [
                await http.get(f"{it}/orders/{placed['id']}", headers=key) for it in (here, there)
            ]
            read = await Remote(person.channels[0], made["key"], made["id"]).order(placed["id"])

            assert placed["status"] == "FILLED"
            assert [it.json() for it in found] == [placed, placed]
            assert read.filled_quantity == placed["filled_quantity"]
            assert [it for it in told if it.startswith("id: ")] == [f"id: {at}" for at in range(4)]


async def lines_until(stream: httpx.Response, last: str) -> list[str]:
    """Return the lines of a stream until one of them."""
    lines = list[str]()
    async for line in stream.aiter_lines():
        lines.append(line)
        if line == last:
            break
    return lines


async def test_portfolio_and_leaderboard_are_the_same_at_both(people: list[Person]) -> None:
    """Nothing is held at the end, so that the figures do not follow the market."""
    both = [await person.bots() for person in people]
    for bots in both:
        for bot, side in zip(bots, ("BUY", "SELL"), strict=True):
            order = await bot.place(side=side, quantity="10")
            assert order.status == order_pb2.ORDER_STATUS_FILLED
    for here, there in both:
        assert await here.portfolio() == await there.portfolio()
        assert await place_of(here) == await place_of(there)


async def place_of(bot: Remote) -> Any:
    """Return the place of a bot's account on the leaderboard, once it has one."""
    async with asyncio.timeout(START_SECONDS_MAX):
        while True:
            board = await bot.call("GetLeaderboard")
            if board.HasField("own_entry"):
                return board.own_entry.rank, board.own_entry.return_pct, board.own_entry.trades


class Load:
    """Bots that trade until the end."""

    def __init__(self, group: TaskGroup) -> None:
        self._group = group
        self._placed = asyncio.Semaphore(0)
        self._ended = False
        self.orders = set[str]()

    def directly(self, bots: list[Remote]) -> None:
        """Let each of some callers order at one server and read at the other, without retries."""

        async def trade() -> None:
            for number in count():
                here, there = bots[number % 2], bots[1 - number % 2]
                order = await here.place(side=side_of(number), quantity="1")
                assert await there.order(order.id) == order
                if self._is_enough(order.id):
                    return

        for _ in range(CALLERS):
            self._group.create_task(trade())

    def over(self, address: str, key: str) -> None:
        """Let the client of the project order, each time over a new connection."""

        async def trade() -> None:
            for number in count():
                channel = grpc.aio.insecure_channel(address, [*CHANNEL_OPTIONS, OWN_CONNECTION])
                async with AsyncBotTradingClient(key, address, channel=channel) as client:
                    order = await client.place_order("AAPL", side_of(number), 1)
                if self._is_enough(order.id):
                    return

        self._group.create_task(trade())

    def _is_enough(self, order_id: str) -> bool:
        self.orders.add(order_id)
        self._placed.release()
        return self._ended

    async def more(self, orders: int) -> None:
        """Wait until so many more orders are placed from now on."""
        wanted = len(self.orders) + orders
        while len(self.orders) < wanted:
            await self._placed.acquire()

    def end(self) -> None:
        self._ended = True


def side_of(number: int) -> str:
    return "SELL" if number % 2 else "BUY"


@asynccontextmanager
async def proxy_of(processes: list[Process]) -> AsyncIterator[str]:
    """Spread connections over servers; yield the address for gRPC."""
    proxy, address = (
        Proxy(Replica(it.grpc, it.rest) for it in processes),
        f"127.0.0.1:{free_port()}",
    )
    watching = asyncio.create_task(proxy.watch())
    listener = await proxy.bind(Port.GRPC, address)
    await listener.start_serving()
    try:
        yield address
    finally:
        watching.cancel()
        listener.close()


@pytest.mark.timeout(120)
async def test_no_call_fails_while_a_third_server_joins_and_leaves(
    servers: Servers, people: list[Person], monkeypatch: pytest.MonkeyPatch
) -> None:
    third, two = servers.new("three"), servers.processes
    async with proxy_of([*two, third]) as address, TaskGroup() as group:
        load = Load(group)
        for person in people:
            bots = await person.bots()
            load.directly(bots)
            load.over(address, bots[0].key)
        await load.more(50)
        with third:
            await asyncio.to_thread(third.wait_until_ready)
            await asyncio.to_thread(servers.wait_until_shared, [*two, third])
            theirs = Person(servers.new_token(third), people[0].channels)
            load.directly(await theirs.bots())
            await load.more(100)
            assert await asyncio.to_thread(third.stop) == 0
        await asyncio.to_thread(servers.wait_until_shared, two)
        await load.more(50)
        load.end()

    assert '"PlaceOrder"' in third.log.read_text()
    monkeypatch.setenv(VARIABLE, servers.url)
    assert load.orders <= await asyncio.to_thread(audit, two[0].data_dir)
