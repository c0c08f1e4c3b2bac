"""SIGTERM under load: the answers to callers in the middle of a call."""

import asyncio
import signal
from collections import Counter
from pathlib import Path

import grpc

from bottrading.v1 import bot_trading_pb2, bot_trading_pb2_grpc
from tests.support.process import STOP_SECONDS_MAX, Process, make_key

CALLERS = 48
CALLS_BEFORE = 200


async def test_callers_of_a_server_that_stops_are_told_to_try_again(tmp_path: Path) -> None:
    """Never CANCELLED, which looks as if the caller had cancelled, and says nothing to repeat."""
    told, answered = Counter[str](), 0
    ended = asyncio.Event()

    async def call_on(process: Process, key: str) -> None:
        nonlocal answered
        options = [("grpc.use_local_subchannel_pool", 1)]
        async with grpc.aio.insecure_channel(process.grpc, options=options) as channel:
            stub = bot_trading_pb2_grpc.BotTradingStub(channel)
            while not ended.is_set():
                try:
                    await stub.GetAccount(
                        bot_trading_pb2.GetAccountRequest(), metadata=(("x-bot-key", key),)
                    )
                    answered += 1
                except grpc.aio.AioRpcError as error:
                    told[error.code().name] += 1
                    await asyncio.sleep(0)

    with Process(tmp_path / "data", requests_per_minute="0") as process:
        key = make_key(process)
        callers = [asyncio.create_task(call_on(process, key)) for _ in range(CALLERS)]
        async with asyncio.timeout(STOP_SECONDS_MAX):
            while answered < CALLS_BEFORE:  # noqa: ASYNC110 — what others do has no event
                await asyncio.sleep(0.001)
        process.process.send_signal(signal.SIGTERM)
        status = await asyncio.to_thread(process.process.wait, STOP_SECONDS_MAX)
        ended.set()
        await asyncio.gather(*callers)

    assert status == 0
    assert set(told) == {"UNAVAILABLE"}, told
