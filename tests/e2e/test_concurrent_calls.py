"""As many calls at once as a server announces for a connection."""

import asyncio
from pathlib import Path

import grpc

from bottrading.v1 import bot_trading_pb2, bot_trading_pb2_grpc
from server.rpc.server import STREAMS_PER_CONNECTION_MAX
from tests.support.process import Process, make_key

CALLS = 3_000


async def test_a_client_that_keeps_to_the_announced_number_of_calls_is_never_refused(
    tmp_path: Path,
) -> None:
    with Process(tmp_path / "data", requests_per_minute="0") as service:
        metadata, left = (("x-bot-key", make_key(service)),), iter(range(CALLS))
        async with grpc.aio.insecure_channel(service.grpc) as channel:
            stub = bot_trading_pb2_grpc.BotTradingStub(channel)

            async def some() -> list[str]:
                request = bot_trading_pb2.GetAccountRequest()
                answers = [await stub.GetAccount(request, metadata=metadata) for _ in left]
                return [answer.account.bot_user_id for answer in answers]

            told = await asyncio.gather(*(some() for _ in range(STREAMS_PER_CONNECTION_MAX)))

    assert sum(map(len, told)) == CALLS
