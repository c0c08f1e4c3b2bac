"""Calls while the engine restarts: those that it certainly did not make are made later, once."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from bottrading.v1 import (
    bot_trading_pb2,
    bot_trading_pb2_grpc,
    key_management_pb2,
    key_management_pb2_grpc,
    order_pb2,
)
from bottrading_client import (
    AsyncKeyManagementClient,
    KeyManagementClient,
    OutcomeUnknown,
    ServiceUnavailable,
)
from tests.support.process import Process, make_key
from tests.support.venue import refusal

CALL_SECONDS = 30

Make = Callable[[str], Awaitable[Any]]


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Process]:
    with Process(tmp_path / "data", engine_answer_seconds="0.5") as service:
        yield service


@pytest.fixture
async def person(service: Process) -> AsyncIterator[AsyncKeyManagementClient]:
    token = service.token("ada")
    async with AsyncKeyManagementClient(token, service.grpc, timeout=CALL_SECONDS) as client:
        yield client


@pytest.fixture(params=["asyncio", "synchronous"])
async def create_key(
    request: pytest.FixtureRequest, service: Process, person: AsyncKeyManagementClient
) -> AsyncIterator[Make]:
    """Create a key with a client of either kind."""
    if request.param == "asyncio":
        yield person.create_key
        return
    with KeyManagementClient(service.token("ada"), service.grpc, timeout=CALL_SECONDS) as client:
        yield lambda label: asyncio.to_thread(client.create_key, label)


async def test_a_key_that_an_engine_could_not_make_is_made_when_it_is_back(
    service: Process, create_key: Make, person: AsyncKeyManagementClient
) -> None:
    with service.held_engine():
        making = asyncio.ensure_future(create_key("once"))
        await asyncio.to_thread(service.wait_until_told, "CreateBotKey.*UNAVAILABLE")
        assert not making.done()

    assert (await making).label == "once"
    assert [key.label for key in await person.keys()] == ["once"]


async def test_an_order_that_no_engine_can_take_is_refused_as_not_executed(
    service: Process,
) -> None:
    metadata = (("x-bot-key", await asyncio.to_thread(make_key, service)),)
    order = bot_trading_pb2.PlaceOrderRequest(symbol="AAPL", side=order_pb2.SIDE_BUY, quantity="1")
    async with grpc.aio.insecure_channel(service.grpc) as channel:
        stub = bot_trading_pb2_grpc.BotTradingStub(channel)
        with service.held_engine():
            told = await refusal(stub.PlaceOrder(order, metadata=metadata))

    assert (told.reason, told.executed, told.retry_seconds) == ("UNAVAILABLE", "false", 1)


async def test_a_call_that_an_engine_took_before_it_was_lost_has_an_unknown_outcome(
    service: Process, person: AsyncKeyManagementClient
) -> None:
    await person.keys()
    os.kill(service.engine(), signal.SIGSTOP)

    with pytest.raises(OutcomeUnknown) as unknown:
        await person.create_key("lost")

    assert isinstance(unknown.value.__cause__, ServiceUnavailable)
    assert not unknown.value.__cause__.is_not_executed


async def test_the_first_call_of_a_person_is_not_executed_when_the_engine_is_lost_before_it(
    service: Process,
) -> None:
    """The engine first learns who calls: what it was asked then is not the call itself."""
    metadata = (("authorization", f"Bearer {service.token('eve')}"),)
    os.kill(service.engine(), signal.SIGSTOP)
    async with grpc.aio.insecure_channel(service.grpc) as channel:
        stub = key_management_pb2_grpc.KeyManagementStub(channel)
        request = key_management_pb2.CreateBotKeyRequest(label="first")
        told = await refusal(stub.CreateBotKey(request, metadata=metadata))

    assert (told.reason, told.executed) == ("UNAVAILABLE", "false")
    assert "nothing was done" in told.message
