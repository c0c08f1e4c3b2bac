"""A published market of two servers: whichever gets the quotes, the orders of both see them."""

import asyncio
import signal
from collections.abc import AsyncIterator, Iterator
from typing import Any

import grpc
import pytest

from bottrading.v1 import market_data_pb2, market_data_pb2_grpc, order_pb2, quote_pb2
from server.config import load
from server.credentials import known_identity, signed_token
from server.domain.sharding import MARKET
from tests.support.audit import audit
from tests.support.databases import VARIABLE, Opened
from tests.support.postgresql import Server
from tests.support.process import START_SECONDS_MAX
from tests.support.servers import TOKEN_SECONDS, Person, Remote, Servers, code_of, two_servers

OWN_CONNECTION = ("grpc.use_local_subchannel_pool", 1)
ROUNDS = 10
PUBLISHERS = 20
pytestmark = pytest.mark.timeout(120)


@pytest.fixture(scope="module")
def servers(postgresql: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """Return two servers, which all tests but the last one share."""
    with two_servers(postgresql, tmp_path_factory.mktemp("venue"), **SETTINGS) as made:
        yield made


SETTINGS: dict[str, Any] = {
    "market": "published",
    "rest": False,
    "orders_per_minute": "0",
    "requests_per_minute": "0",
    "person_requests_per_minute": "0",
}


class Operator:
    """An operator who publishes at any server."""

    def __init__(self, servers: Servers, channels: list[grpc.aio.Channel]) -> None:
        settings = load(data_dir=servers.processes[0].data_dir, database=servers.url)
        identity = known_identity(settings, "operator", is_operator=True)
        token = signed_token(settings, identity, TOKEN_SECONDS)
        self._metadata = (("authorization", f"Bearer {token}"),)
        self._stubs = [market_data_pb2_grpc.MarketDataStub(channel) for channel in channels]

    async def publish(self, at: int, price: str, symbol: str = "AAPL") -> int:
        """Publish a quote at a server; return how many were accepted."""
        quote = quote_pb2.PublishedQuote(
            symbol=symbol, bid=price, ask=price, bid_size="1000", ask_size="1000"
        )
        request = market_data_pb2.PublishQuotesRequest(quotes=[quote])
        answer = await self._stubs[at].PublishQuotes(request, metadata=self._metadata)
        return int(answer.accepted)


@pytest.fixture
async def channels(servers: Servers) -> AsyncIterator[list[grpc.aio.Channel]]:
    made = [grpc.aio.insecure_channel(it.grpc, [OWN_CONNECTION]) for it in servers.processes]
    yield made
    for channel in made:
        await channel.close()


async def test_orders_of_both_servers_are_filled_before_a_publisher_at_either_is_answered(
    servers: Servers, channels: list[grpc.aio.Channel]
) -> None:
    operator = Operator(servers, channels)
    people = [Person(servers.new_token(it), channels) for it in servers.processes]
    bots = [(await person.bots())[0] for person in people]
    for number in range(ROUNDS):
        await operator.publish(number % 2, "100.00")
        waiting = [await bot.place(quantity="1", limit_price="90.00") for bot in bots]
        assert {it.status for it in waiting} == {order_pb2.ORDER_STATUS_OPEN}
        await operator.publish(number % 2, "90.00")
        read = [await bot.order(it.id) for bot, it in zip(bots, waiting, strict=True)]
        bought = [await bot.place(quantity="1") for bot in bots]

        assert {it.status for it in read} == {order_pb2.ORDER_STATUS_FILLED}
        assert {it.filled_price for it in [*read, *bought]} == {"90.00000000"}


async def test_quotes_that_are_published_at_both_at_once_come_in_one_order(
    servers: Servers, channels: list[grpc.aio.Channel]
) -> None:
    operator = Operator(servers, channels)
    person = Person(servers.new_token(servers.processes[0]), channels)
    bots = await person.bots()
    accepted = await asyncio.gather(
        *(operator.publish(it % 2, f"{50 + it}.00", "MSFT") for it in range(PUBLISHERS))
    )
    shown = await quote_at_both(bots, "MSFT")
    others = [await Person(servers.new_token(it), channels).bots() for it in servers.processes]
    bought = [await bots[0].place("MSFT", quantity="1") for bots in others]

    assert sum(accepted) > 0
    assert {it.filled_price for it in bought} == {shown.ask}


async def quote_at_both(bots: list[Remote], symbol: str) -> Any:
    """Return a quote once both servers show the same; their engines tell them a moment later."""
    async with asyncio.timeout(START_SECONDS_MAX):
        while True:
            one, other = [(await bot.call("GetQuote", symbol=symbol)).quote for bot in bots]
            if one == other:
                return one


async def test_publishing_goes_on_when_the_owner_of_the_market_is_killed(
    url: str, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    servers = Servers(url, tmp_path_factory.mktemp("killed"), **SETTINGS)
    first, second = servers.processes
    with first, second:
        for process in servers.processes:
            process.wait_until_ready()
        servers.wait_until_shared(servers.processes)
        channels = [grpc.aio.insecure_channel(it.grpc) for it in servers.processes]
        operator, owner = Operator(servers, channels), owner_of_market(servers)
        survivor = 1 - owner
        person = Person(servers.new_token(servers.processes[survivor]), channels)
        bot = (await person.bots(survivor))[survivor]
        await operator.publish(survivor, "100.00")
        order = await bot.place(quantity="1", limit_price="90.00")
        servers.processes[owner].process.send_signal(signal.SIGKILL)
        code = grpc.StatusCode.UNAVAILABLE
        while code is grpc.StatusCode.UNAVAILABLE:
            code = await code_of(operator.publish(survivor, "90.00"))
        assert code is grpc.StatusCode.OK
        filled = await bot.order(order.id)
        for channel in channels:
            await channel.close()
        assert await asyncio.to_thread(servers.processes[survivor].stop) == 0

    assert filled.status == order_pb2.ORDER_STATUS_FILLED
    monkeypatch.setenv(VARIABLE, url)
    assert await asyncio.to_thread(audit, first.data_dir) == {order.id}
    servers.close()


def owner_of_market(servers: Servers) -> int:
    """Return the number of the server whose engine owns the market."""
    database = Opened(load(data_dir=servers.processes[0].data_dir, database=servers.url).location)
    query = "SELECT address FROM shards JOIN engines ON engines.id = engine_id WHERE shard = ?"
    ((address,),) = database.execute(query, [MARKET])
    database.close()
    return next(
        number
        for number, process in enumerate(servers.processes)
        if str(process.data_dir.resolve()) in address
    )
