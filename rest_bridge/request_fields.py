"""Conversion of JSON and query text to values for the fields of a message.

Every converter is compiled once from a descriptor. The bridge checks names and types; the server
checks what values mean.
"""

import re
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, ROUND_UP, Context, Decimal, InvalidOperation
from typing import Any, TypeAlias

from google.api import field_behavior_pb2
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from google.protobuf.timestamp_pb2 import Timestamp

from bottrading.v1 import annotations_pb2 as contract
from bottrading.v1 import error_reason_pb2
from rest_bridge.errors import Refusal, Violation
from rest_bridge.strict_json import JsonNumber

FieldValue: TypeAlias = Any
FromJson: TypeAlias = Callable[[object], FieldValue]
FromText: TypeAlias = Callable[[str], FieldValue]

_PLAIN_DECIMAL = re.compile(r"(0|[1-9][0-9]{0,9})(\.[0-9]{1,8})?")
_JSON_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_WHOLE_DIGITS_MAX = 10
_FRACTION_DIGITS_MAX = 8
_LAST_DECIMAL = Decimal(1).scaleb(-_FRACTION_DIGITS_MAX)
_NOISE_DIGITS = 12
_ROUNDING = Context(prec=40, rounding=ROUND_HALF_EVEN, traps=[])
_ROUNDING_UP = Context(prec=40, rounding=ROUND_UP, traps=[])
_INTEGER = re.compile(r"0|-?[1-9][0-9]{0,18}")
_INTEGER_BITS = {FieldDescriptor.CPPTYPE_INT32: 32, FieldDescriptor.CPPTYPE_INT64: 64}
_TIMESTAMP = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt]([0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.([0-9]{1,9}))?"
    r"([Zz]|[+-][0-9]{2}:[0-9]{2})"
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECONDS_MIN, _SECONDS_MAX = -62_135_596_800, 253_402_300_799
_DURATION = re.compile(r"([0-9]{1,9})(?:\.([0-9]{1,9}))?s")
_ECHO_CHARACTERS_MAX = 64
_PROBLEMS_MAX = 20


@dataclass(frozen=True, slots=True)
class Problem:
    """A problem of one field; `message` continues a sentence that begins with its path."""

    reason: str
    message: str
    path: str = ""

    def under(self, name: str) -> "Problem":
        separator = "." if self.path and not self.path.startswith("[") else ""
        return Problem(self.reason, self.message, f"{name}{separator}{self.path}")


class Invalid(Exception):
    """Some fields cannot be read."""

    def __init__(self, *problems: Problem) -> None:
        super().__init__()
        self.problems = problems

    def refusal(self) -> Refusal:
        """Return the problems, first the one whose reason comes first in the contract."""
        ordered = sorted(self.problems, key=_precedence)[:_PROBLEMS_MAX]
        violations = tuple(
            Violation(problem.path, f"`{problem.path}` {problem.message}.") for problem in ordered
        )
        return Refusal(422, ordered[0].reason, violations[0].message, violations=violations)


def unknown_field(name: str) -> Problem:
    return Problem("UNKNOWN_FIELD", "is not a field of this call", printable(name))


def printable(text: str) -> str:
    """Return a caller's text as an answer may quote it: short, and in ASCII."""
    return text[:_ECHO_CHARACTERS_MAX].encode("ascii", "backslashreplace").decode("ascii")


def json_message(
    descriptor: Descriptor, without: Collection[str] = ()
) -> Callable[[object], dict[str, FieldValue]]:
    """Compile a converter from a JSON object to fields; `null` sets nothing.

    Fields in `without` cannot be set. The converter raises Invalid with what is wrong.
    """
    fields = {
        field.name: _json_field(field) for field in descriptor.fields if field.name not in without
    }
    required = [name for name in fields if is_required(descriptor.fields_by_name[name])]

    def convert(value: object) -> dict[str, FieldValue]:
        if type(value) is not dict:
            raise _mistyped("an object")
        values: dict[str, FieldValue] = {}
        problems: list[Problem] = []
        for name, item in value.items():
            field = fields.get(name)
            if field is None:
                problems.append(unknown_field(name))
            elif item is not None:
                try:
                    values[name] = field(item)
                except Invalid as invalid:
                    problems.extend(problem.under(name) for problem in invalid.problems)
            if len(problems) >= _PROBLEMS_MAX:
                break
        if problems:
            raise Invalid(*problems, *_missing(required, value))
        return values

    return convert


def text_field(field: FieldDescriptor) -> FromText:
    """Compile a converter from the text of a query parameter or of a path segment.

    There, names of enum values may be in lower case, such as `interval=1m`.
    """
    if field.enum_type is not None:
        number = _enum(field.enum_type)
        return lambda value: number(value.upper())
    return _scalar_text(field)


def _scalar_text(field: FieldDescriptor) -> FromText:
    if field.message_type is not None:
        return _WELL_KNOWN[field.message_type.full_name]
    if field.cpp_type in _INTEGER_BITS:
        return _integer(_INTEGER_BITS[field.cpp_type])
    if field.cpp_type == FieldDescriptor.CPPTYPE_BOOL:
        return _bool_text
    if field.GetOptions().Extensions[contract.decimal]:
        return _decimal_text
    if field.cpp_type == FieldDescriptor.CPPTYPE_STRING:
        return _text
    raise ValueError(f"{field.full_name}: the bridge has no text for this type")


def is_required(field: FieldDescriptor) -> bool:
    behaviors = field.GetOptions().Extensions[field_behavior_pb2.field_behavior]
    return field_behavior_pb2.REQUIRED in behaviors


def _json_field(field: FieldDescriptor) -> FromJson:
    scalar = _json_scalar(field)
    return _json_list(scalar) if field.is_repeated else scalar


def _json_scalar(field: FieldDescriptor) -> FromJson:
    if field.message_type is not None:
        if field.message_type.full_name in _WELL_KNOWN:
            return _from_string(_WELL_KNOWN[field.message_type.full_name])
        return _json_submessage(field.message_type)
    if field.cpp_type in _INTEGER_BITS:
        return _from_number(_integer(_INTEGER_BITS[field.cpp_type]))
    if field.cpp_type == FieldDescriptor.CPPTYPE_BOOL:
        return _bool
    if field.GetOptions().Extensions[contract.decimal]:
        return _decimal
    if field.enum_type is not None:
        return _from_string(_enum(field.enum_type))
    return _from_string(_scalar_text(field))


def _json_submessage(descriptor: Descriptor) -> FromJson:
    fields_of = json_message(descriptor)
    message_class: Callable[..., Message] = GetMessageClass(descriptor)
    return lambda value: message_class(**fields_of(value))


def _json_list(item: FromJson) -> FromJson:
    def convert(value: object) -> list[FieldValue]:
        if type(value) is not list:
            raise _mistyped("an array")
        items: list[FieldValue] = []
        problems: list[Problem] = []
        for index, element in enumerate(value):
            try:
                items.append(item(element))
            except Invalid as invalid:
                problems.extend(problem.under(f"[{index}]") for problem in invalid.problems)
            if len(problems) >= _PROBLEMS_MAX:
                # A body full of wrong items must not cause an answer many times its size.
                break
        if problems:
            raise Invalid(*problems)
        return items

    return convert


def _from_string(from_text: FromText) -> FromJson:
    def convert(value: object) -> FieldValue:
        if type(value) is not str:
            raise _mistyped("a string")
        return from_text(value)

    return convert


def _from_number(from_text: FromText) -> FromJson:
    def convert(value: object) -> FieldValue:
        if type(value) is not JsonNumber:
            raise _mistyped("a number")
        return from_text(value.text)

    return convert


def _decimal(value: object) -> str:
    if type(value) is str:
        return _text(value)
    if type(value) is not JsonNumber:
        raise _mistyped("a decimal number or a string that holds one")
    if _PLAIN_DECIMAL.fullmatch(value.text):
        return value.text
    return _decimal_of(value.text)


def _decimal_text(value: str) -> str:
    """Read a decimal of a URL, into which many languages write floats such as 1e-05."""
    return _decimal(JsonNumber(value) if _JSON_NUMBER.fullmatch(value) else value)


def _decimal_of(number: str) -> str:
    """Write a JSON number as a decimal, without exponent and without the noise of floating point.

    It is rounded half-even to 8 decimals where that moves it by less than one part in 10¹².
    """
    try:
        value = Decimal(number)
    except InvalidOperation:
        raise _not_a_decimal() from None
    if not value:
        return "0"
    # Checked first, because writing out 1e999999999 would take a gigabyte.
    if value < 0 or value.adjusted() >= _WHOLE_DIGITS_MAX:
        raise _not_a_decimal()
    rounded = value.quantize(_LAST_DECIMAL, context=_ROUNDING)
    moved = _ROUNDING_UP.subtract(max(value, rounded), min(value, rounded))
    if (
        not rounded
        or rounded.adjusted() >= _WHOLE_DIGITS_MAX
        or moved.scaleb(_NOISE_DIGITS, _ROUNDING_UP) >= value
    ):
        raise _not_a_decimal()
    return f"{rounded.normalize(_ROUNDING):f}"


def _text(value: str) -> str:
    if not value.isascii():
        try:
            value.encode("utf-8")
        except UnicodeEncodeError:
            raise _mistyped("valid Unicode: a surrogate stands alone") from None
    return value


def _bool(value: object) -> bool:
    if type(value) is not bool:
        raise _mistyped("true or false")
    return value


def _bool_text(value: str) -> bool:
    if value not in ("true", "false"):
        raise _mistyped("true or false")
    return value == "true"


def _integer(bits: int) -> Callable[[str], int]:
    low, high = -(1 << bits - 1), (1 << bits - 1) - 1

    def convert(value: str) -> int:
        if _INTEGER.fullmatch(value) and low <= int(value) <= high:
            return int(value)
        raise _mistyped(f"a whole number of {bits} bits")

    return convert


def _enum(descriptor: EnumDescriptor) -> Callable[[str], int]:
    """Return the names without their prefix; the zero value has none, because it means left out."""
    prefix = descriptor.values[0].name.removesuffix("UNSPECIFIED")
    numbers = {value.name.removeprefix(prefix): value.number for value in descriptor.values[1:]}
    names = ", ".join(numbers)

    def convert(value: str) -> int:
        if value not in numbers:
            raise Invalid(Problem("ENUM_VALUE_UNKNOWN", f"must be one of {names}"))
        return numbers[value]

    return convert


def _timestamp(value: str) -> Timestamp:
    match = _TIMESTAMP.fullmatch(value)
    if match:
        day, clock, fraction, offset = match.groups()
        try:
            moment = datetime.fromisoformat(f"{day}T{clock}{offset.upper()}")
            seconds = int((moment - _EPOCH).total_seconds())
        except ValueError:
            pass
        else:
            if _SECONDS_MIN <= seconds <= _SECONDS_MAX:
                return Timestamp(seconds=seconds, nanos=_nanos(fraction))
    raise _mistyped("an RFC 3339 time such as 2025-01-15T10:00:00Z (in a URL, + is written %2B)")


def _duration(value: str) -> Duration:
    match = _DURATION.fullmatch(value)
    if match is None:
        raise _mistyped("a duration in seconds such as 15s")
    return Duration(seconds=int(match[1]), nanos=_nanos(match[2]))


def _nanos(fraction: str | None) -> int:
    return int((fraction or "0").ljust(9, "0"))


_WELL_KNOWN: dict[str, FromText] = {
    Timestamp.DESCRIPTOR.full_name: _timestamp,
    Duration.DESCRIPTOR.full_name: _duration,
}


def _not_a_decimal() -> Invalid:
    return Invalid(
        Problem(
            "DECIMAL_INVALID",
            f"must be a decimal of at most {_WHOLE_DIGITS_MAX} digits before and "
            f"{_FRACTION_DIGITS_MAX} after the point, not negative",
        )
    )


def _mistyped(expected: str) -> Invalid:
    return Invalid(Problem("FIELD_INVALID", f"must be {expected}"))


def _missing(required: Iterable[str], given: dict[str, object]) -> Iterable[Problem]:
    return (
        Problem("FIELD_REQUIRED", "is required", name)
        for name in required
        if given.get(name) is None
    )


def _precedence(problem: Problem) -> int:
    return error_reason_pb2.ErrorReason.Value(f"ERROR_REASON_{problem.reason}")
