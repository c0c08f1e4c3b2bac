"""An engine without processes around it, and calls for it."""

from pathlib import Path
from typing import Any

import orjson

from bottrading.v1 import bot_trading_pb2 as pb
from bottrading.v1 import market_data_pb2, order_pb2, quote_pb2
from server.application.commands import PassTime
from server.bootstrap import engine as bootstrap
from server.bootstrap.engine import EngineParts
from server.config import Settings
from server.domain.errors import Reason
from server.domain.user import Identity, Plan
from server.engine.frames import (
    Answer,
    Call,
    FrameBuffer,
    Kind,
    Method,
    decode_refusal,
    encode_identity,
    unpack_answer,
)
from tests.support.venue import ManualClock

KEY_ID = "0198c0de-0000-7000-8000-000000000000"


class Bench:
    """An engine without processes around it."""

    def __init__(self, data_dir: Path, clock: ManualClock) -> None:
        self.data_dir, self.clock, self.grown = data_dir, clock, set[str]()
        settings = Settings(data_dir=data_dir, market="published", fees="none", slippage="none")
        self.parts: EngineParts = bootstrap.build(settings.for_engine(), clock=clock)

    def handle(self, *calls: Call, passing: bool = False) -> list[Answer]:
        """Return answers and doorbells; which logs have grown is in `grown` instead."""
        frames = self.parts.service.handle(calls, [PassTime()] if passing else [])
        told = [unpack_answer(frame) for frame in FrameBuffer().feed(b"".join(frames))]
        rung = [answer.body.decode() for answer in told if answer.kind is Kind.LOGS_GROWN]
        self.grown = set(" ".join(rung).split())
        return [answer for answer in told if answer.kind is not Kind.LOGS_GROWN]

    def account(self, subject: str) -> str:
        identity = Identity(
            issuer="i", subject=subject, name=subject, plan=Plan.FREE, is_operator=False
        )
        (answer,) = self.handle(call(1, Method.KNOW_USER, "", encode_identity(identity)))
        return str(orjson.loads(answer.body)[1])

    def publish(self, symbol: str, bid: str, ask: str, size: str = "1000") -> Call:
        self.clock.now += 1
        quote = quote_pb2.PublishedQuote(
            symbol=symbol, bid=bid, ask=ask, bid_size=size, ask_size=size
        )
        request = market_data_pb2.PublishQuotesRequest(quotes=[quote])
        return call(7, Method.PUBLISH_QUOTES, "", request.SerializeToString())


def call(number: int, method: Method, caller: str, body: bytes) -> Call:
    return Call(number, method, caller, KEY_ID, body)


def place(number: int, account: str, **fields: Any) -> Call:
    given: dict[str, Any] = {"symbol": "AAPL", "side": order_pb2.SIDE_BUY, "quantity": "1"}
    request = pb.PlaceOrderRequest(**given | fields)
    return call(number, Method.PLACE_ORDER, account, request.SerializeToString())


def order_of(answer: Answer) -> order_pb2.Order:
    assert answer.kind is Kind.RESPONSE, answer
    return pb.PlaceOrderResponse.FromString(answer.body).order


def reason_of(answer: Answer) -> Reason:
    assert answer.kind is Kind.REFUSAL, answer
    return decode_refusal(answer.body).reason
