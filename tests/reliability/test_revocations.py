"""Revocations while orders are in flight, on the service as its operator runs it."""

import asyncio
from pathlib import Path

import grpc

from bottrading.v1 import bot_trading_pb2 as pb
from bottrading.v1 import bot_trading_pb2_grpc as rpc
from bottrading.v1 import key_management_pb2 as keys
from bottrading.v1 import key_management_pb2_grpc as keys_rpc
from bottrading.v1 import order_pb2
from server.application.refusals import KEY_REFUSED
from tests.support.process import Process
from tests.support.venue import Told, told

ROUNDS = 8
CHANNELS = 8
AT_ONCE = 200
PLACED_FIRST = 300


async def test_no_order_of_a_key_is_decided_after_its_revocation(tmp_path: Path) -> None:
    """Many orders wait for the engine while the key that sent them is revoked."""
    with Process(
        tmp_path / "data",
        orders_per_minute="1000000",
        requests_per_minute="1000000",
        person_requests_per_minute="0",
    ) as service:
        metadata = (("authorization", f"Bearer {service.token('ada', '--plan', 'Professional')}"),)
        channels = [
            grpc.aio.insecure_channel(service.grpc, options=[("grpc.use_local_subchannel_pool", 1)])
            for _ in range(CHANNELS + 1)
        ]
        accepted = [await _race(channels[0], channels[1:], metadata) for _ in range(ROUNDS)]
        for channel in channels:
            await channel.close()

    assert min(accepted) >= PLACED_FIRST


async def _race(
    owners: grpc.aio.Channel,
    bots: list[grpc.aio.Channel],
    metadata: tuple[tuple[str, str], ...],
) -> int:
    """Send orders and revoke their key meanwhile; return how many were accepted."""
    person = keys_rpc.KeyManagementStub(owners)
    made = await person.CreateBotKey(keys.CreateBotKeyRequest(label="bot"), metadata=metadata)
    with_key = (("x-bot-key", made.bot_key.key),)
    placed = asyncio.Semaphore(0)

    async def place_until_refused(number: int) -> tuple[list[order_pb2.Order], Told]:
        stub, orders = rpc.BotTradingStub(bots[number % len(bots)]), list[order_pb2.Order]()
        request = pb.PlaceOrderRequest(symbol="AAPL", side=order_pb2.SIDE_BUY, quantity="0.01")
        while True:
            try:
                answer = await stub.PlaceOrder(request, metadata=with_key)
            except grpc.aio.AioRpcError as error:
                return orders, told(error)
            orders.append(answer.order)
            placed.release()

    sent = [asyncio.create_task(place_until_refused(number)) for number in range(AT_ONCE)]
    for _ in range(PLACED_FIRST):
        await placed.acquire()
    request = keys.RevokeBotKeyRequest(key_id=made.bot_key.id)
    revoked = (await person.RevokeBotKey(request, metadata=metadata)).bot_key
    answers = await asyncio.gather(*sent)

    orders = [order for made_by_one, _ in answers for order in made_by_one]
    last = max(order.created_at.ToMicroseconds() for order in orders)
    assert last <= revoked.revoked_at.ToMicroseconds()
    assert {(it.code, it.reason, it.message) for _, it in answers} == {
        (grpc.StatusCode.UNAUTHENTICATED, KEY_REFUSED.reason.value, KEY_REFUSED.message)
    }
    return len(orders)
