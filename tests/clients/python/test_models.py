"""Models and enums of the client agree with those of the contract."""

import enum
import inspect
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any, get_type_hints

import pytest
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.descriptor_pool import Default
from hypothesis import given
from hypothesis import strategies as st

from bottrading.v1 import order_pb2, quote_pb2
from bottrading_client import (
    ErrorReason,
    Order,
    OrderStatus,
    Quote,
    Side,
    enums,
    limit_models,
    market_models,
    models,
)
from bottrading_client.messages import number, read, text, timestamp

MODELS = [
    kind
    for module in (models, limit_models, market_models)
    for _, kind in inspect.getmembers(module, is_dataclass)
]
ENUMS = [
    kind
    for _, kind in inspect.getmembers(enums, inspect.isclass)
    if issubclass(kind, enums.OpenEnum) and kind is not enums.OpenEnum
]
NAMED_OTHERWISE = {
    "ClockAdvance": "AdvanceClockResponse",
    "Leaderboard": "GetLeaderboardResponse",
    "Session": "SignInResponse",
    "StreamTicket": "CreateStreamTicketResponse",
}
OF_THE_STREAM = {"SnapshotOrder": {"sequence", "order"}}
"""What the client makes itself of a message of a stream."""


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_a_model_has_the_fields_of_its_message_and_none_is_null_that_cannot_be(model: Any) -> None:
    names = [field.name for field in fields(model)]
    if model.__name__ in OF_THE_STREAM:
        assert set(names) == OF_THE_STREAM[model.__name__]
        return
    message = Default().FindMessageTypeByName(
        f"bottrading.v1.{NAMED_OTHERWISE.get(model.__name__, model.__name__)}"
    )
    expected = list(message.fields_by_name)
    own = ["sequence"] if model.__name__ in ("OrderUpdate", "AccountUpdate") else []
    assert sorted(names) == sorted(expected + own)
    for name, kind in get_type_hints(model).items():
        field = message.fields_by_name.get(name)
        if field is not None:
            check_type(field, str(kind))


def check_type(field: FieldDescriptor, kind: str) -> None:
    """Check how a field is read; whether a message may be absent only its comment says."""
    if field.message_type is None and not field.is_repeated:
        assert ("None" in kind) == field.has_presence, field.full_name
    assert field.is_repeated == kind.startswith("tuple["), field.full_name
    if field.enum_type is not None:
        assert field.enum_type.name in kind
    if field.type == FieldDescriptor.TYPE_DOUBLE:
        assert "float" in kind
    else:
        assert "float" not in kind, "amounts are exact"


@pytest.mark.parametrize("words", ENUMS, ids=lambda words: words.__name__)
def test_an_enum_has_the_values_of_the_contract(words: "type[enums.OpenEnum]") -> None:
    described = Default().FindEnumTypeByName(f"bottrading.v1.{words.__name__}")
    prefix = described.values[0].name.removesuffix("UNSPECIFIED")
    values = [value.name.removeprefix(prefix) for value in described.values[1:]]

    assert sorted(words) == sorted(values)
    for word in words:
        assert described.values_by_number[number(words, word)].name == prefix + word


AMOUNTS = st.decimals(
    min_value=0, max_value=Decimal("9999999999.99999999"), places=8, allow_nan=False
)


@given(AMOUNTS)
def test_an_amount_is_sent_and_read_digit_for_digit(amount: Decimal) -> None:
    message = quote_pb2.Quote(bid=text(amount), bid_size="0", ask="0", ask_size="0", last="0")

    assert read(Quote, message).bid == amount


@pytest.mark.parametrize(
    ("given_amount", "sent"),
    [
        (10, "10"),
        ("10", "10"),
        ("0.10", "0.10"),
        (Decimal("1E+3"), "1000"),
        (Decimal("0.10"), "0.1"),
        (Decimal("1E-8"), "0.00000001"),
        (Decimal(100), "100"),
        (Decimal("10.000000000000"), "10"),
        (Decimal("1234567890.12345678"), "1234567890.12345678"),
        (Decimal("0.1234567890123456789012345678901234"), "0.1234567890123456789012345678901234"),
    ],
)
def test_an_amount_is_written_as_the_contract_wants_it_and_never_rounded(
    given_amount: Any, sent: str
) -> None:
    assert text(given_amount) == sent


@pytest.mark.parametrize("amount", [0.1, 1.0, True, b"1"])
def test_a_float_is_no_amount(amount: Any) -> None:
    with pytest.raises(TypeError, match="not exact"):
        text(amount)


@pytest.mark.parametrize("amount", ["NaN", "Infinity"])
def test_what_is_no_number_is_no_amount(amount: str) -> None:
    with pytest.raises(ValueError, match="not an amount"):
        text(Decimal(amount))


def test_a_time_is_read_in_utc_and_sent_from_any_zone_but_none() -> None:
    there = datetime(2026, 11, 19, 13, 0, 0, 1, tzinfo=timezone(timedelta(hours=1)))
    message = an_order(created_at=timestamp(there))

    assert read(Order, message).created_at == datetime(2026, 11, 19, 12, 0, 0, 1, tzinfo=UTC)
    assert read(Order, message).created_at.tzinfo is UTC
    assert read(Order, message).expires_at is None
    with pytest.raises(ValueError, match="no time zone"):
        timestamp(there.replace(tzinfo=None))


@pytest.mark.parametrize("word", ["BYU", "buy", "UNSPECIFIED", ""])
def test_a_word_that_is_none_is_refused_with_those_there_are(word: str) -> None:
    with pytest.raises(ValueError, match="is not a Side: use one of BUY, SELL"):
        number(Side, word)


def test_values_of_a_newer_server_survive() -> None:
    order = read(Order, an_order(status=77, rejection_reason=99))

    assert (order.status, order.rejection_reason) == ("77", "99")
    assert isinstance(order.status, OrderStatus)
    assert isinstance(order.rejection_reason, ErrorReason)
    with pytest.raises(ValueError, match="77"):
        OrderStatus("77")
    assert isinstance(OrderStatus.OPEN, enum.StrEnum)


def test_secrets_are_not_shown() -> None:
    key = models.NewBotKey(id="1", label="a", key="tvt_secret", created_at=datetime.now(UTC))
    ticket = models.StreamTicket(ticket="secret", expires_at=datetime.now(UTC))

    assert "secret" not in f"{key} {ticket}"


def an_order(**fields: Any) -> order_pb2.Order:
    return order_pb2.Order(quantity="1", filled_quantity="0", fees="0", reserved="0", **fields)
