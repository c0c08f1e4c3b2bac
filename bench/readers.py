"""Readers of streams in a separate process: `python -m bench.readers KIND`, with a JSON task."""

import asyncio
import json
import sys
import time
import uuid
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any

import grpc
import uvloop
from google.protobuf import duration_pb2

from bottrading.v1 import bot_trading_pb2, order_pb2

PLACE_ORDER = "/bottrading.v1.BotTrading/PlaceOrder"
STREAM = "/bottrading.v1.BotTrading/StreamOrderUpdates"
STREAMS_A_CHANNEL = 50
CALLS_A_CHANNEL = 32
"""Concurrent calls: half of what a connection accepts, because more would wait or be refused."""
SECONDS_MAX = 500
AGAIN_SECONDS = 0.05
REFUSED_FOR_NOW = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED)
EVENTS_OF_AN_ORDER = 2
STREAMED = bot_trading_pb2.StreamOrderUpdatesRequest(
    heartbeat_interval=duration_pb2.Duration(seconds=120)
).SerializeToString()
"""Heartbeats are as rare as possible, because only changes of orders are counted."""
NARROW = (("grpc.http2.bdp_probe", 0), ("grpc.http2.lookahead_bytes", 1024))


class Orders:
    """Places orders over its own connection, a few at once."""

    def __init__(self, address: str) -> None:
        self._channel = grpc.aio.insecure_channel(address, _own())
        self._call: Any = self._channel.unary_unary(PLACE_ORDER)
        self._places = asyncio.Semaphore(CALLS_A_CHANNEL)

    async def place(self, key: str) -> None:
        """Place one order, once the connection has a place for it."""
        request = bot_trading_pb2.PlaceOrderRequest(
            symbol="AAPL",
            side=order_pb2.SIDE_BUY,
            quantity="0.01",
            client_order_id=str(uuid.uuid4()),  # A retry places nothing twice.
        ).SerializeToString()
        async with self._places:
            await _until_taken(lambda: self._call(request, metadata=(("x-bot-key", key),)))

    async def close(self) -> None:
        """Close the connection."""
        await self._channel.close()


async def latency(task: dict[str, Any]) -> dict[str, Any]:
    """Follow each account with its own stream while orders come at a rate.

    Returns the milliseconds from the moment an event was decided, which is before its commit,
    to its receipt.
    """
    channels = _channels(task["address"], len(task["keys"]))
    streams = await _opened(channels, task["keys"])
    taken: list[float] = []
    readers = [asyncio.ensure_future(_time(stream, taken)) for stream in streams]
    orders = Orders(task["address"])
    begun, calls = time.perf_counter(), []
    for number in range(task["orders"]):
        await asyncio.sleep(max(0, begun + number / task["rate"] - time.perf_counter()))
        key = task["keys"][number % len(task["keys"])]
        calls.append(asyncio.ensure_future(orders.place(key)))
    await asyncio.gather(*calls)
    sent = len(calls) / (time.perf_counter() - begun)
    async with asyncio.timeout(SECONDS_MAX):
        while len(taken) < EVENTS_OF_AN_ORDER * task["orders"]:
            for reader in readers:
                if reader.done():
                    reader.result()  # A reader reads for ever, unless its stream ended.
            await asyncio.sleep(0.01)
    for reader in readers:
        reader.cancel()
    return {"ms": sorted(taken), "rate": sent}


async def fan_out(task: dict[str, Any]) -> dict[str, Any]:
    """Follow one account with many streams, place orders, and count deliveries per second."""
    channels = _channels(task["address"], task["streams"])
    request = STREAMED
    if task["go"]:  # The bare server gets the number of messages in its request.
        wanted = bot_trading_pb2.StreamOrderUpdatesRequest(after_sequence=task["events"])
        request = wanted.SerializeToString()
    streams = await _opened(channels, task["keys"][:1] * task["streams"], request)
    begun = time.perf_counter()
    done = asyncio.gather(*(_count(stream, task["events"]) for stream in streams))
    if task["go"]:
        go: Any = channels[0].unary_unary(task["go"])
        await go(b"")
    else:
        orders = Orders(task["address"])
        for _ in range(task["events"] // EVENTS_OF_AN_ORDER // 10):
            await asyncio.gather(*(orders.place(task["keys"][0]) for _ in range(10)))
    async with asyncio.timeout(SECONDS_MAX):
        await done
    return {"rate": task["events"] * task["streams"] / (time.perf_counter() - begun)}


async def stalled(task: dict[str, Any]) -> dict[str, Any]:
    """Open streams of a long log and read nothing of them until standard input ends.

    Their connections buffer hardly anything, so that they stall at once.
    """
    channels = _channels(task["address"], task["streams"], *NARROW)
    request = bot_trading_pb2.StreamOrderUpdatesRequest(after_sequence=0).SerializeToString()
    streams = await _opened(channels, task["keys"][:1] * task["streams"], request)
    print("stalled", flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    return {"open": sum(not stream.done() for stream in streams)}


async def idle(task: dict[str, Any]) -> dict[str, Any]:
    """Open a stream of each account, and keep all of them open until standard input ends."""
    channels = _channels(task["address"], len(task["keys"]))
    streams = await _opened(channels, task["keys"])
    print("open", flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    return {"open": sum(not stream.done() for stream in streams)}


KINDS: dict[str, Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]] = {
    "latency": latency,
    "fan_out": fan_out,
    "stalled": stalled,
    "idle": idle,
}


def _own() -> Sequence[tuple[str, int]]:
    return [("grpc.use_local_subchannel_pool", 1)]


def _channels(address: str, streams: int, *options: tuple[str, int]) -> list[grpc.aio.Channel]:
    count = -(-streams // STREAMS_A_CHANNEL)
    return [grpc.aio.insecure_channel(address, [*_own(), *options]) for _ in range(count)]


async def _opened(
    channels: Sequence[grpc.aio.Channel], keys: Sequence[str], request: bytes = STREAMED
) -> list[Any]:
    """Return a stream for each key, with its first message already read."""

    async def one(number: int, key: str) -> Any:
        stream: Any = channels[number // STREAMS_A_CHANNEL].unary_stream(STREAM)
        opened = stream(request, metadata=(("x-bot-key", key),))
        await opened.read()
        return opened

    return await asyncio.gather(
        *(_until_taken(partial(one, number, key)) for number, key in enumerate(keys))
    )


async def _until_taken(call: Callable[[], Awaitable[Any]]) -> Any:
    """Repeat a call while it is refused temporarily, for instance by a full connection."""
    until = time.monotonic() + SECONDS_MAX
    while True:
        try:
            return await call()
        except grpc.aio.AioRpcError as refusal:
            if refusal.code() not in REFUSED_FOR_NOW or time.monotonic() > until:
                raise
            await asyncio.sleep(AGAIN_SECONDS)


async def _time(stream: Any, taken: list[float]) -> None:
    while True:
        data = await stream.read()
        now = time.time()
        message = bot_trading_pb2.StreamOrderUpdatesResponse.FromString(data)
        if message.HasField("order_update"):
            at = message.order_update.order.updated_at
            taken.append((now - at.seconds - at.nanos / 1e9) * 1e3)


async def _count(stream: Any, events: int) -> None:
    for _ in range(events):
        await stream.read()


async def main() -> None:
    """Read the task from the first line of standard input; print the result as the last line."""
    task = json.loads(sys.stdin.readline())
    print(json.dumps(await KINDS[sys.argv[1]](task)), flush=True)


if __name__ == "__main__":
    uvloop.run(main())
