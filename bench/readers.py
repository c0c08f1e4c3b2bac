"""Readers of streams, in a process of their own: `python -m bench.readers KIND`, told by JSON."""

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import grpc
import uvloop

from bottrading.v1 import bot_trading_pb2, order_pb2

PLACE_ORDER = "/bottrading.v1.BotTrading/PlaceOrder"
STREAM = "/bottrading.v1.BotTrading/StreamOrderUpdates"
STREAMS_A_CHANNEL = 50
SECONDS_MAX = 120
ORDER = bot_trading_pb2.PlaceOrderRequest(
    symbol="AAPL", side=order_pb2.SIDE_BUY, quantity="0.01"
).SerializeToString()
EVENTS_OF_AN_ORDER = 2
NARROW = (("grpc.http2.bdp_probe", 0), ("grpc.http2.lookahead_bytes", 1024))


async def latency(task: dict[str, Any]) -> dict[str, Any]:
    """Follow each account by a stream of its own while orders come at a rate.

    Returns the milliseconds from the moment an event was decided, which is before its commit,
    to its receipt.
    """
    channels = _channels(task["address"], len(task["keys"]))
    streams = [_open(channels, n, key) for n, key in enumerate(task["keys"])]
    await asyncio.gather(*(stream.read() for stream in streams))
    taken: list[float] = []
    readers = [asyncio.ensure_future(_time(stream, taken)) for stream in streams]
    call: Any = grpc.aio.insecure_channel(task["address"], _own()).unary_unary(PLACE_ORDER)
    begun, calls = time.perf_counter(), []
    for number in range(task["orders"]):
        await asyncio.sleep(max(0, begun + number / task["rate"] - time.perf_counter()))
        key = task["keys"][number % len(task["keys"])]
        calls.append(asyncio.ensure_future(_call(call, key)))
    await asyncio.gather(*calls)
    sent = len(calls) / (time.perf_counter() - begun)
    async with asyncio.timeout(SECONDS_MAX):
        while len(taken) < EVENTS_OF_AN_ORDER * task["orders"]:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    for reader in readers:
        reader.cancel()
    return {"ms": sorted(taken), "rate": sent}


async def fan_out(task: dict[str, Any]) -> dict[str, Any]:
    """Follow one account by many streams, let things happen, and count deliveries a second."""
    channels = _channels(task["address"], task["streams"])
    request = b""
    if task["go"]:  # A bare server is told how many messages there will be.
        wanted = bot_trading_pb2.StreamOrderUpdatesRequest(after_sequence=task["events"])
        request = wanted.SerializeToString()
    streams = [_open(channels, n, task["keys"][0], request) for n in range(task["streams"])]
    await asyncio.gather(*(stream.read() for stream in streams))
    begun = time.perf_counter()
    done = asyncio.gather(*(_count(stream, task["events"]) for stream in streams))
    if task["go"]:
        go: Any = channels[0].unary_unary(task["go"])
        await go(b"")
    else:
        call: Any = grpc.aio.insecure_channel(task["address"], _own()).unary_unary(PLACE_ORDER)
        for _ in range(task["events"] // EVENTS_OF_AN_ORDER // 10):
            await asyncio.gather(*(_call(call, task["keys"][0]) for _ in range(10)))
    async with asyncio.timeout(SECONDS_MAX):
        await done
    return {"rate": task["events"] * task["streams"] / (time.perf_counter() - begun)}


async def stalled(task: dict[str, Any]) -> dict[str, Any]:
    """Open streams of a long log and read nothing of them until standard input ends.

    Their connections take hardly more than what is read, so that they stall at once.
    """
    channels = _channels(task["address"], task["streams"], *NARROW)
    request = bot_trading_pb2.StreamOrderUpdatesRequest(after_sequence=0)
    streams = [
        _open(channels, n, task["keys"][0], request.SerializeToString())
        for n in range(task["streams"])
    ]
    await asyncio.gather(*(stream.read() for stream in streams))
    print("stalled", flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    return {"open": sum(not stream.done() for stream in streams)}


async def idle(task: dict[str, Any]) -> dict[str, Any]:
    """Open a stream of each account and keep them all until standard input ends."""
    channels = _channels(task["address"], len(task["keys"]))
    streams = [_open(channels, n, key) for n, key in enumerate(task["keys"])]
    await asyncio.gather(*(stream.read() for stream in streams))
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


def _open(channels: Sequence[grpc.aio.Channel], number: int, key: str, request: bytes = b"") -> Any:
    stream: Any = channels[number // STREAMS_A_CHANNEL].unary_stream(STREAM)
    return stream(request, metadata=(("x-bot-key", key),))


async def _time(stream: Any, taken: list[float]) -> None:
    while True:
        data = await stream.read()
        now = time.time()
        message = bot_trading_pb2.StreamOrderUpdatesResponse.FromString(data)
        at = message.order_update.order.updated_at
        taken.append((now - at.seconds - at.nanos / 1e9) * 1e3)


async def _count(stream: Any, events: int) -> None:
    for _ in range(events):
        await stream.read()


async def _call(call: Any, key: str) -> None:
    await call(ORDER, metadata=(("x-bot-key", key),))


async def main() -> None:
    """Read the task from the first line of standard input; print the result as the last line."""
    task = json.loads(sys.stdin.readline())
    print(json.dumps(await KINDS[sys.argv[1]](task)), flush=True)


if __name__ == "__main__":
    uvloop.run(main())
