"""A call is one row: a toy call of each kind, added to a copy of the table, works end to end."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import pytest

from bottrading.v1 import bot_trading_pb2 as pb
from bottrading.v1.order_pb2 import Order
from server.application.callers import Caller
from server.application.orders import Orders
from server.application.ports import UnitOfWork
from server.application.queries import Queries
from server.calls.table import ROWS
from server.domain.errors import Reason, Refusal
from server.domain.user import Permissions
from server.domain.values import Micros
from server.engine.frames import Call, FrameBuffer, Kind, decode_refusal, unpack_answer
from server.wire.contract import methods
from server.wire.rows import Decided, Queried, Surroundings, bound
from tests.support.venue import Bot, Venue, refusal

SHOUT = "/bottrading.v1.BotTrading/CancelOrder"
COUNT = "/bottrading.v1.BotTrading/GetOrder"
"""Paths of the contract that the toys are served under."""


def read(request: Any, caller: Caller, _: Surroundings) -> tuple[str, str] | Refusal:
    if not request.order_id:
        return Refusal(reason=Reason.FIELD_REQUIRED, message="Say something.")
    return caller.account_id, request.order_id


def shout(
    _: Orders, command: tuple[str, str], __: Permissions, unit: UnitOfWork, ___: Micros
) -> str:
    account_id, word = command
    return f"{word.upper()} {unit.account(account_id).sequence}"


def count(_: Queries, wanted: tuple[str, str]) -> str:
    return str(len(wanted[1]))


@pytest.fixture
def toys(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.setattr(Orders, "shout", shout, raising=False)
    monkeypatch.setattr(Queries, "count", count, raising=False)
    return {
        SHOUT: Decided(
            read=read,
            decide=shout,
            answer=lambda word: pb.CancelOrderResponse(order=Order(symbol=word)),
        ),
        COUNT: Queried(
            read=read,
            query=count,
            answer=lambda word: pb.GetOrderResponse(order=Order(symbol=word)),
        ),
    }


@pytest.fixture
async def venue(data_dir: Path, toys: dict[str, Any]) -> Any:
    running = await Venue.start(data_dir, rows={**ROWS, **toys})
    yield running
    await running.stop()


async def test_a_new_call_is_one_row(venue: Venue) -> None:
    bot = await venue.bot()

    shouted = await bot.call("CancelOrder", order_id="hello")
    counted = await bot.call("GetOrder", order_id="hello")

    assert (shouted.order.symbol, counted.order.symbol) == ("HELLO 1", "5")


@pytest.mark.parametrize("faulty", ["read", "answer"])
async def test_a_fault_in_a_row_is_told_and_ends_nothing(
    data_dir: Path, toys: dict[str, Any], faulty: str, caplog: pytest.LogCaptureFixture
) -> None:
    def fault(*_: object) -> Any:
        raise RuntimeError("a fault of the toy")

    venue = await Venue.start(
        data_dir, rows={**ROWS, **toys, SHOUT: replace(toys[SHOUT], **{faulty: fault})}
    )
    bot = await venue.bot()
    caller = await venue.base.keyring.find(bot.key)
    assert caller is not None
    body = pb.CancelOrderRequest(order_id="hello").SerializeToString()
    calls = [Call(1, "CancelOrder", caller, body), Call(2, "GetMarketClock", caller, b"")]

    frames = FrameBuffer().feed(b"".join(venue.parts.service.handle(calls)))
    failed, answered = [answer for answer in map(unpack_answer, frames) if answer.call_id]
    await venue.stop()

    assert decode_refusal(failed.body).reason is Reason.INTERNAL
    assert answered.kind is Kind.RESPONSE
    assert "a fault of the toy" in caplog.text


async def test_what_a_row_refuses_is_refused_and_a_stranger_gets_nowhere(venue: Venue) -> None:
    bot = await venue.bot()
    stranger = Bot(venue, "tvt_nobody")

    for method in ("CancelOrder", "GetOrder"):
        told = await refusal(bot.call(method))
        assert (told.code, told.message) == (grpc.StatusCode.INVALID_ARGUMENT, "Say something.")
        told = await refusal(stranger.call(method, order_id="hello"))
        assert told.code is grpc.StatusCode.UNAUTHENTICATED


def test_a_method_of_which_the_contract_says_too_little_is_open_to_nobody() -> None:
    method = methods()[0]

    assert method.is_open
    assert not replace(method, credential=None).is_open
    assert not replace(method, spends=None).is_open
    assert not replace(method, says_scope=False).is_open


def test_a_row_whose_function_is_nobodys_method_is_found_at_the_start() -> None:
    lost: Callable[..., Any] = shout

    with pytest.raises(LookupError, match="shout"):
        bound(lost, [object()])
