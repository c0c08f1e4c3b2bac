"""Revocations in the engine: a call is decided by the state of its key at that moment."""

from dataclasses import replace
from typing import Any

import pytest

from bottrading.v1 import bot_trading_pb2 as pb
from bottrading.v1 import key_management_pb2 as keys
from bottrading.v1 import order_pb2
from server.application.callers import SERVICE, Caller
from server.application.ports import StorageUnavailable
from server.application.refusals import KEY_REFUSED
from server.domain.errors import Reason
from server.domain.user import Identity, Plan
from server.engine.frames import Answer, Call, Kind, decode_refusal, decode_user, encode_identity
from tests.engine.bench import Bench, order_of, reason_of


class Owner:
    """A person with a bot key, whose calls carry that key."""

    def __init__(self, bench: Bench) -> None:
        identity = Identity(
            issuer="i", subject="ada", name="ada", plan=Plan.STANDARD, is_operator=False
        )
        (known,) = bench.handle(Call(1, "KnowUser", SERVICE, encode_identity(identity)))
        self.user_id, self.account_id, _ = decode_user(known.body)
        request = keys.CreateBotKeyRequest(label="bot").SerializeToString()
        (made,) = bench.handle(Call(1, "CreateBotKey", Caller(user_id=self.user_id), request))
        self.key_id = keys.CreateBotKeyResponse.FromString(made.body).bot_key.id

    def revoke(self) -> Call:
        request = keys.RevokeBotKeyRequest(key_id=self.key_id).SerializeToString()
        return Call(9, "RevokeBotKey", Caller(user_id=self.user_id), request)

    def ask(self, name: str, request: Any) -> Call:
        caller = Caller(account_id=self.account_id, bot_key_id=self.key_id)
        return Call(2, name, caller, request.SerializeToString())

    def place(self) -> Call:
        request = pb.PlaceOrderRequest(
            symbol="AAPL",
            side=order_pb2.SIDE_BUY,
            quantity="1",
            order_type=order_pb2.ORDER_TYPE_LIMIT,
            limit_price="1.00",
        )
        return self.ask("PlaceOrder", request)

    def asks_for_all(self, order_id: str) -> list[Call]:
        """Return a call of every kind that a bot key opens and the engine decides."""
        preview = pb.PreviewOrderRequest(symbol="AAPL", side=order_pb2.SIDE_BUY, quantity="1")
        replace = pb.ReplaceOrderRequest(order_id=order_id, quantity="2")
        return [
            self.place(),
            self.ask("PreviewOrder", preview),
            self.ask("ReplaceOrder", replace),
            self.ask("CancelOrder", pb.CancelOrderRequest(order_id=order_id)),
            self.ask("CancelAllOrders", pb.CancelAllOrdersRequest()),
            self.ask("GetMarketClock", pb.GetAccountRequest()),
        ]


def told(answers: list[Answer]) -> list[Answer]:
    """Return the answers to the calls of a bot, without notifications and the revoker's own."""
    return [answer for answer in answers if answer.call_id == 2]


def test_what_waits_behind_a_revocation_is_refused_as_the_credential_is(bench: Bench) -> None:
    """The calls came while the key was live, and are decided in the batch that revokes it."""
    owner = Owner(bench)
    (placed,) = bench.handle(owner.place())
    order = order_of(placed)

    answers = told(bench.handle(owner.place(), owner.revoke(), *owner.asks_for_all(order.id)))

    assert answers[0].kind is Kind.RESPONSE
    assert [decode_refusal(answer.body) for answer in answers[1:]] == [KEY_REFUSED] * 6
    later = told(bench.handle(*owner.asks_for_all(order.id)))
    assert {reason_of(answer) for answer in later} == {Reason.BOT_KEY_INVALID}


def test_a_revocation_that_is_not_stored_ends_no_key(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = Owner(bench)
    bench.handle(owner.place())

    def away() -> None:
        raise StorageUnavailable("SQLITE_FULL")

    with monkeypatch.context() as broken:
        broken.setattr(bench.parts.writer, "end_transaction", away)
        (failed,) = bench.handle(owner.revoke())
    (placed,) = bench.handle(owner.place())

    assert reason_of(failed) is Reason.UNAVAILABLE
    assert order_of(placed).status == order_pb2.ORDER_STATUS_OPEN


def test_a_key_that_was_never_made_opens_nothing(bench: Bench) -> None:
    owner = Owner(bench)
    call = owner.place()
    stranger = replace(call, caller=replace(call.caller, bot_key_id=owner.user_id))

    (answer,) = bench.handle(stranger)

    assert reason_of(answer) is Reason.BOT_KEY_INVALID
