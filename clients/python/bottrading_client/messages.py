"""Conversion between the contract's messages and values, by the types of the models' fields.

Amounts are text on the wire and `Decimal` here, so that none is ever a floating-point number.
"""

from collections.abc import Callable
from dataclasses import fields, is_dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cache, partial
from types import NoneType, UnionType
from typing import Any, TypeVar, cast, get_args, get_origin, get_type_hints

from google.protobuf.descriptor import EnumDescriptor
from google.protobuf.descriptor_pool import Default
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from bottrading_client.enums import OpenEnum

Model = TypeVar("Model")
Amount = Decimal | int | str
"""A quantity, a price or money as a caller gives it: exact, so never a float."""


def read(model: type[Model], message: Message, **given: Any) -> Model:
    """Return a message as a value; `given` are fields that the message does not hold."""
    known = _fields(cast("Any", model))
    told = {name: field(message, name) for name, field in known if name not in given}
    return model(**told, **given)


@cache
def _fields(model: Any) -> tuple[tuple[str, Callable[[Message, str], Any]], ...]:
    types = get_type_hints(model)
    return tuple((field.name, _field(types[field.name])) for field in fields(model))


def _field(kind: Any) -> Callable[[Message, str], Any]:
    if get_origin(kind) is UnionType:
        [kind] = set(get_args(kind)) - {NoneType}
        value = _value(kind)
        return lambda message, name: (
            value(getattr(message, name)) if message.HasField(name) else None
        )
    if get_origin(kind) is tuple:
        item = _value(get_args(kind)[0])
        return lambda message, name: tuple(item(one) for one in getattr(message, name))
    value = _value(kind)
    return lambda message, name: value(getattr(message, name))


def _value(kind: Any) -> Callable[[Any], Any]:
    if is_dataclass(kind):
        return partial(read, cast("type[Any]", kind))
    if issubclass(kind, OpenEnum):
        return partial(_word, kind)
    if kind is datetime:
        return partial(Timestamp.ToDatetime, tzinfo=UTC)
    if kind is date:
        return date.fromisoformat
    return kind  # type: ignore[no-any-return]  # str, int, bool, float and Decimal


def _word(kind: type[OpenEnum], number: int) -> OpenEnum:
    known = _descriptor(kind).values_by_number.get(number)
    return kind.named(str(number) if known is None else known.name.removeprefix(_prefix(kind)))


def number(kind: type[OpenEnum], word: str | None) -> Any:
    """Return the number of an enum's value, given as a word; None stays None.

    Raises ValueError for an unknown word.
    """
    if word is None:
        return None
    found = _descriptor(kind).values_by_name.get(_prefix(kind) + word)
    if found is None or found.number == 0:
        raise ValueError(f"{word!r} is not a {kind.__name__}: use one of {', '.join(kind)}")
    return found.number


@cache
def _descriptor(kind: type[OpenEnum]) -> EnumDescriptor:
    found: EnumDescriptor = Default().FindEnumTypeByName(f"bottrading.v1.{kind.__name__}")
    return found


@cache
def _prefix(kind: type[OpenEnum]) -> str:
    return str(_descriptor(kind).values[0].name).removesuffix("UNSPECIFIED")


def text(amount: Amount | None) -> Any:
    """Return an amount as the contract writes it, digit for digit; None stays None.

    Raises TypeError for a float, which is not exact, and ValueError for anything that is not a
    number.
    """
    if amount is None:
        return None
    if isinstance(amount, bool) or not isinstance(amount, Decimal | int | str):
        raise TypeError(f"{amount!r} is not a Decimal, int or str: a float is not exact")
    if isinstance(amount, str):
        return amount
    amount = Decimal(amount)
    if not amount.is_finite():
        raise ValueError(f"{amount} is not an amount")
    whole, _, fraction = format(amount, "f").partition(".")
    return f"{whole}.{fraction}".rstrip("0").rstrip(".") if fraction else whole


def timestamp(time: datetime | None) -> Timestamp | None:
    """Return a time as the contract writes it, None for None. Raises ValueError without a zone."""
    if time is None:
        return None
    if time.utcoffset() is None:
        raise ValueError(f"{time!r} has no time zone")
    stamp = Timestamp()
    stamp.FromDatetime(time)
    return stamp
