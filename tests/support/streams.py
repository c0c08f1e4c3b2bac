"""Streams as tests read them: message by message, each with a deadline."""

import asyncio
from collections.abc import Callable
from typing import Any

import grpc
from google.protobuf.duration_pb2 import Duration

from bottrading.v1 import bot_trading_pb2, market_data_pb2, order_update_pb2
from server.rpc.open_stream import OpenStream
from tests.support.venue import Bot, Told, told

READ_SECONDS_MAX = 10.0
BLOCKED_LOOKS = 100

Metadata = tuple[tuple[str, str], ...]


class Stream:
    """One stream of a bot."""

    def __init__(self, call: Any) -> None:
        self.call = call

    async def read(self) -> Any:
        """Return the next message; fail when the stream has ended or nothing comes."""
        message = await asyncio.wait_for(self.call.read(), READ_SECONDS_MAX)
        assert message is not grpc.aio.EOF, "the stream has ended"
        return message

    async def take(self, count: int) -> list[Any]:
        """Return some messages."""
        return [await self.read() for _ in range(count)]

    async def end(self) -> Told:
        """Read to the end; return what it was told."""
        try:
            while await asyncio.wait_for(self.call.read(), READ_SECONDS_MAX) is not grpc.aio.EOF:
                pass
        except grpc.aio.AioRpcError as error:
            return told(error)
        raise AssertionError("the stream ended without a reason")


async def order_updates(
    bot: Bot, *, metadata: Metadata | None = None, heartbeat_seconds: int = 120, **fields: Any
) -> tuple[Stream, int]:
    """Open a stream of order updates; return it and the sequence of its `subscribed`."""
    stream = Stream(stream_call(bot, metadata, heartbeat_seconds, **fields))
    first = await stream.read()
    assert first.WhichOneof("message") == "subscribed"
    return stream, first.sequence


def stream_call(
    bot: Bot, metadata: Metadata | None = None, heartbeat_seconds: int = 120, **fields: Any
) -> Any:
    """Call StreamOrderUpdates."""
    request = bot_trading_pb2.StreamOrderUpdatesRequest(
        heartbeat_interval=Duration(seconds=heartbeat_seconds), **fields
    )
    return bot.trading.StreamOrderUpdates(request, metadata=metadata or bot.metadata)


def quotes(bot: Bot, *symbols: str, metadata: Metadata | None = None) -> Stream:
    """Open a stream of quotes."""
    request = market_data_pb2.StreamQuotesRequest(symbols=symbols)
    return Stream(bot.market.StreamQuotes(request, metadata=metadata or bot.metadata))


def shown(message: Any) -> str:
    """Return an order update as a line: its sequence, what happened, and to which symbol."""
    update = message.order_update
    name = order_update_pb2.OrderUpdateType.Name(update.type).removeprefix("ORDER_UPDATE_TYPE_")
    return f"{message.sequence} {name} {update.order.symbol}"


def narrow_channel(address: str) -> grpc.aio.Channel:
    """Open a channel that buffers hardly anything, like that of the slowest reader."""
    return grpc.aio.insecure_channel(
        address,
        options=[
            ("grpc.http2.bdp_probe", 0),
            ("grpc.http2.lookahead_bytes", 1024),
            ("grpc.use_local_subchannel_pool", 1),
        ],
    )


async def until(condition: Callable[[], bool]) -> None:
    """Let the event loop run until something has happened."""
    async with asyncio.timeout(READ_SECONDS_MAX):
        while not condition():  # noqa: ASYNC110 — there is no event for what others do
            await asyncio.sleep(0.001)


async def until_blocked(stream: OpenStream) -> None:
    """Wait until a message is blocked by its slow reader, and not just on its way."""
    looks = 0

    def is_blocked() -> bool:
        nonlocal looks
        looks = looks + 1 if stream.is_sending and stream.last_sequence == seen else 0
        return looks > BLOCKED_LOOKS

    seen = stream.last_sequence
    async with asyncio.timeout(READ_SECONDS_MAX):
        while not is_blocked():
            seen = stream.last_sequence
            await asyncio.sleep(0.001)
