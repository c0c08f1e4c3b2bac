"""An engine without other processes, and calls for it."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from bottrading.v1 import bot_trading_pb2 as pb
from bottrading.v1 import market_data_pb2, order_pb2, quote_pb2
from server.application.callers import Caller
from server.application.ports import Chance, Clock
from server.bootstrap import engine as bootstrap
from server.bootstrap.engine import EngineParts
from server.config import Settings
from server.domain.errors import Reason
from server.domain.user import BotKey, Identity, Plan
from server.domain.values import Micros
from server.engine.frames import (
    Answer,
    Call,
    FrameBuffer,
    Kind,
    decode_refusal,
    encode_identity,
    unpack_answer,
)
from server.market.moments import from_datetime
from server.storage.unit_of_work import SqlUnitOfWork
from tests.support.venue import ManualClock

KEY_ID = "0198c0de-0000-7000-8000-000000000000"
KEY = BotKey(
    id=KEY_ID,
    user_id="",
    account_id="",
    label="bench",
    prefix="tvt_",
    key_hash=b"",
    created_at=0,
)


class Bench:
    """An engine without other processes, on a published market or a replay of some rows."""

    def __init__(
        self,
        data_dir: Path,
        clock: ManualClock,
        *,
        rows: Sequence[str] = (),
        chance: Chance | None = None,
        monotonic: Clock | None = None,
        since_boot: Clock | None = None,
        tell_progress: Callable[[], None] = lambda: None,
        **options: Any,
    ) -> None:
        self.data_dir, self.clock, self.grown = data_dir, clock, set[str]()
        given = {"market": "published", "fees": "none", "slippage": "none"}
        if rows:
            path = data_dir / "quotes.csv"
            path.write_text("\n".join(["time,symbol,bid,bid_size,ask,ask_size", *rows, ""]))
            given |= {"market": "replay", "sessions": "always-open", "replay_file": str(path)}
        settings = Settings(data_dir=data_dir, **given | options)
        self.parts: EngineParts = bootstrap.build(
            settings.for_engine(),
            clock=clock,
            monotonic=monotonic or clock,
            since_boot=since_boot or clock,
            chance=chance,
            tell_progress=tell_progress,
        )
        make_key(self.parts)

    def handle(self, *calls: Call, passing: bool = False) -> list[Answer]:
        """Return answers and notifications; which logs have grown is in `grown` instead."""
        frames = self.parts.service.handle(calls, passing=passing)
        told = [unpack_answer(frame) for frame in FrameBuffer().feed(b"".join(frames))]
        rung = [answer.body.decode() for answer in told if answer.kind is Kind.LOGS_GROWN]
        self.grown = set(" ".join(rung).split())
        return [answer for answer in told if answer.kind is not Kind.LOGS_GROWN]

    def reach(self, moment: Micros) -> None:
        """Let a replay reach a moment in one go; a new replay first reads the clock."""
        self.handle(passing=True)
        self.clock.now += moment - self.parts.clock()
        self.handle(passing=True)

    def account(self, subject: str) -> str:
        identity = Identity(
            issuer="i", subject=subject, name=subject, plan=Plan.FREE, is_operator=False
        )
        (answer,) = self.handle(call(1, "KnowUser", "", encode_identity(identity)))
        return str(orjson.loads(answer.body)[1])

    def publish(
        self, symbol: str, bid: str, ask: str, size: str = "1000", ask_size: str | None = None
    ) -> Call:
        self.clock.now += 1
        quote = quote_pb2.PublishedQuote(
            symbol=symbol, bid=bid, ask=ask, bid_size=size, ask_size=ask_size or size
        )
        request = market_data_pb2.PublishQuotesRequest(quotes=[quote])
        return call(7, "PublishQuotes", "", request.SerializeToString())


def at(text: str) -> Micros:
    """Return a moment of 2025 that is written such as `01-02 15:00`."""
    return from_datetime(datetime.fromisoformat(f"2025-{text}").replace(tzinfo=UTC))


def row(when: str, symbol: str, bid: str, ask: str, *, size: int = 1_000) -> str:
    """Return a row of a replay at a moment of 2025."""
    time = datetime.fromisoformat(f"2025-{when}").isoformat()
    return f"{time}Z,{symbol},{bid},{size},{ask},{size}"


def make_key(parts: EngineParts) -> None:
    """Store the key of all calls, unless an earlier engine did."""
    with SqlUnitOfWork(parts.writer) as unit:
        if unit.key("", KEY_ID) is None:
            unit.add_key(KEY)
            unit.commit()


def call(number: int, name: str, caller: str, body: bytes) -> Call:
    """Return a call of an account or of a user, with the key of all callers here."""
    return Call(number, name, Caller(account_id=caller, user_id=caller, bot_key_id=KEY_ID), body)


def place(number: int, account: str, **fields: Any) -> Call:
    given: dict[str, Any] = {"symbol": "AAPL", "side": order_pb2.SIDE_BUY, "quantity": "1"}
    request = pb.PlaceOrderRequest(**given | fields)
    return call(number, "PlaceOrder", account, request.SerializeToString())


def order_of(answer: Answer) -> order_pb2.Order:
    assert answer.kind is Kind.RESPONSE, answer
    return pb.PlaceOrderResponse.FromString(answer.body).order


def is_not_executed(answer: Answer) -> bool:
    """Tell whether a call was refused as one that certainly changed nothing."""
    assert answer.kind is Kind.REFUSAL, answer
    return decode_refusal(answer.body).is_not_executed


def reason_of(answer: Answer) -> Reason:
    assert answer.kind is Kind.REFUSAL, answer
    return decode_refusal(answer.body).reason
