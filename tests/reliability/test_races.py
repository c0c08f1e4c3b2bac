"""Races: a cancel against a fill, and many callers with one id, on the running service."""

import asyncio
import os
from collections import Counter
from collections.abc import AsyncIterator, Coroutine, Sequence
from pathlib import Path
from typing import Any, TypeVar

import grpc
import pytest

from bottrading.v1 import bot_trading_pb2 as pb
from bottrading.v1 import bot_trading_pb2_grpc as rpc
from bottrading.v1 import market_data_pb2_grpc, order_pb2
from bottrading.v1.market_data_pb2 import PublishQuotesRequest
from tests.support.audit import audit
from tests.support.process import Process, make_key
from tests.support.venue import told

RACES = int(os.environ.get("SOAK_RACES", "2000"))
ROUNDS = int(os.environ.get("SOAK_ROUNDS", "250"))
AT_ONCE = 64
CONNECTIONS = 4
"""A server accepts 64 concurrent calls on a connection."""

TURNS = 5
"""The head start, in turns of the event loop, of the side that lost more often."""

Result = TypeVar("Result")

SYMBOL = "AAPL"
LIMITS: dict[str, Any] = {
    "orders_per_minute": "0",
    "requests_per_minute": "0",
    "person_requests_per_minute": "0",
    "market": "published",
    "initial_balance": "900000000.00",
    "log_calls": "false",
}


class Side:
    """Clients of one bot over some connections, and of an operator who publishes."""

    placed: set[str]
    """The ids of all orders that were answered."""

    def __init__(self, service: Process, channels: Sequence[grpc.aio.Channel]) -> None:
        self._key = (("x-bot-key", make_key(service)),)
        self._operator = (("authorization", f"Bearer {service.token('me', '--operator')}"),)
        self._stubs = [rpc.BotTradingStub(channel) for channel in channels]
        self.placed = set()
        self._market = market_data_pb2_grpc.MarketDataStub(channels[0])

    async def publish(self, price: str) -> None:
        """Publish a quote at which buyers and sellers meet."""
        request = PublishQuotesRequest()
        request.quotes.add(symbol=SYMBOL, bid=price, ask=price, bid_size="1000", ask_size="1000")
        answer = await self._market.PublishQuotes(request, metadata=self._operator)
        assert answer.accepted == 1

    async def place(self, number: int, **fields: Any) -> order_pb2.Order:
        """Place a small order to buy, over one of the connections."""
        request = pb.PlaceOrderRequest(
            symbol=SYMBOL, side=order_pb2.SIDE_BUY, quantity="0.01", **fields
        )
        stub = self._stubs[number % CONNECTIONS]
        order = (await stub.PlaceOrder(request, metadata=self._key)).order
        self.placed.add(order.id)
        return order

    async def rest(self, number: int) -> str:
        """Place an order that waits for 100; return its id."""
        kind = order_pb2.ORDER_TYPE_LIMIT
        order = await self.place(number, order_type=kind, limit_price="100")
        assert order.status == order_pb2.ORDER_STATUS_OPEN
        return order.id

    async def cancel(self, number: int, order_id: str) -> tuple[int, bool]:
        """Cancel an order; return the status that the caller was told, and if that was at once."""
        stub = self._stubs[number % CONNECTIONS]
        try:
            request = pb.CancelOrderRequest(order_id=order_id)
            return (await stub.CancelOrder(request, metadata=self._key)).order.status, True
        except grpc.aio.AioRpcError as error:
            refusal = told(error)
            assert refusal.code is grpc.StatusCode.FAILED_PRECONDITION, refusal
        return await self.status(number, order_id), False

    async def status(self, number: int, order_id: str) -> int:
        """Return the status of an order as it is read."""
        stub = self._stubs[number % CONNECTIONS]
        answer = await stub.GetOrder(pb.GetOrderRequest(order_id=order_id), metadata=self._key)
        return int(answer.order.status)


@pytest.fixture
async def side(tmp_path: Path) -> AsyncIterator[Side]:
    """Return clients of a service whose books must agree with their logs at the end."""
    with Process(tmp_path / "data", **LIMITS) as service:
        channels = [
            grpc.aio.insecure_channel(service.grpc, options=[("grpc.use_local_subchannel_pool", 1)])
            for _ in range(CONNECTIONS)
        ]
        clients = Side(service, channels)
        yield clients
        for channel in channels:
            await channel.close()
        assert service.stop() == 0
    assert audit(tmp_path / "data") == clients.placed


@pytest.mark.timeout(60 + RACES // 50)
async def test_a_cancel_and_a_fill_of_one_order_have_one_outcome(side: Side) -> None:
    """Each order that a quote reaches is cancelled at the same time; both ends come often."""
    outcomes, lead = Counter[int](), 0
    while outcomes.total() < RACES:
        await side.publish("101")
        orders = await asyncio.gather(*(side.rest(number) for number in range(AT_ONCE)))
        cancels = [side.cancel(number, order_id) for number, order_id in enumerate(orders)]
        ends, _ = await asyncio.gather(
            asyncio.gather(*(_after(lead, cancel) for cancel in cancels)),
            _after(-lead, side.publish("100")),
        )
        for (status, was_cancelled), order_id in zip(ends, orders, strict=True):
            expected = (
                order_pb2.ORDER_STATUS_CANCELLED if was_cancelled else order_pb2.ORDER_STATUS_FILLED
            )
            assert status == expected == await side.status(0, order_id)
            outcomes[status] += 1
        # The side that lost more often begins earlier, so that neither outcome is rare on any
        # machine.
        cancelled = outcomes[order_pb2.ORDER_STATUS_CANCELLED]
        lead += TURNS if cancelled > outcomes.total() / 2 else -TURNS

    assert len(outcomes) == 2
    assert min(outcomes.values()) >= RACES / 5, outcomes


async def _after(turns: int, call: Coroutine[Any, Any, Result]) -> Result:
    """Make a call after so many turns of the event loop."""
    for _ in range(turns):
        await asyncio.sleep(0)
    return await call


@pytest.mark.timeout(60 + ROUNDS // 5)
async def test_of_many_calls_with_one_id_one_places_the_order(side: Side) -> None:
    await side.publish("100")
    for count in range(ROUNDS):
        name = f"round-{count}"
        calls = (side.place(number, client_order_id=name) for number in range(AT_ONCE))
        orders = await asyncio.gather(*calls)
        assert [order.replayed for order in orders].count(False) == 1
        for order in orders:
            order.replayed = False
        assert all(order == orders[0] for order in orders)
    assert len(side.placed) == ROUNDS
