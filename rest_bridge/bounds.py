"""Bounds of the contract as JSON Schema: which values the server accepts in a request."""

from collections.abc import Sequence
from typing import Any, TypeAlias

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from bottrading.v1 import annotations_pb2 as contract

Json: TypeAlias = dict[str, Any]

_WHOLE_DIGITS, _FRACTION_DIGITS = 10, 8
_SECONDS_DIGITS = 9
"""Every number of seconds with so many digits fits into a Duration."""

_NOT_ZERO = r"(?!0(\.0*)?$)"
_TIMESTAMP = {"type": "string", "format": "date-time"}
_SCALARS: dict[int, Json] = {
    FieldDescriptor.CPPTYPE_STRING: {"type": "string"},
    FieldDescriptor.CPPTYPE_BOOL: {"type": "boolean"},
    FieldDescriptor.CPPTYPE_INT32: {"type": "integer", "format": "int32"},
    FieldDescriptor.CPPTYPE_INT64: {"type": "integer", "format": "int64"},
    FieldDescriptor.CPPTYPE_DOUBLE: {"type": "number", "format": "double"},
}
_BITS = {FieldDescriptor.CPPTYPE_INT32: 32, FieldDescriptor.CPPTYPE_INT64: 64}


def bounds_of(field: FieldDescriptor) -> contract.Bounds:
    """Return the bounds of a field."""
    bounds: contract.Bounds = field.GetOptions().Extensions[contract.bounds]
    return bounds


def scalar(field: FieldDescriptor) -> Json | None:
    """Describe one value of a field; None for messages and enums, which are referred to by name."""
    bounds = bounds_of(field)
    if field.message_type is not None:
        name = field.message_type.full_name
        if name == Duration.DESCRIPTOR.full_name:
            return _duration(bounds)
        return _TIMESTAMP if name == Timestamp.DESCRIPTOR.full_name else None
    if field.enum_type is not None:
        return None
    if field.GetOptions().Extensions[contract.decimal]:
        return _decimal(bounds)
    schema = dict(_SCALARS[field.cpp_type])
    if field.cpp_type in _BITS:
        schema |= _range(bounds, _BITS[field.cpp_type])
    if bounds.HasField("length_max"):
        schema["maxLength"] = bounds.length_max
    if bounds.form:
        schema["pattern"] = _whole(_pattern(bounds.form))
    return schema


def array(field: FieldDescriptor, items: Json) -> Json:
    """Describe a list."""
    bounds = bounds_of(field)
    schema: Json = {"type": "array", "items": items}
    if bounds.HasField("items_min"):
        schema["minItems"] = bounds.items_min
    if bounds.HasField("items_max"):
        schema["maxItems"] = bounds.items_max
    return schema


def _range(bounds: contract.Bounds, bits: int) -> Json:
    """Describe a range; an open side ends at the limit of the integer type."""
    if not (bounds.HasField("minimum") or bounds.HasField("maximum")):
        return {}
    end = 1 << bits - 1
    return {
        "minimum": bounds.minimum if bounds.HasField("minimum") else -end,
        "maximum": bounds.maximum if bounds.HasField("maximum") else end - 1,
    }


def _decimal(bounds: contract.Bounds) -> Json:
    """Describe a decimal as text and as a number, with the same bounds."""
    digits = bounds.fraction_digits if bounds.HasField("fraction_digits") else _FRACTION_DIGITS
    zeros = _FRACTION_DIGITS - digits
    fraction = rf"(\.[0-9]{{1,{digits}}}{f'0{{0,{zeros}}}' if zeros else ''})?"
    text = rf"(0|[1-9][0-9]{{0,{_WHOLE_DIGITS - 1}}}){fraction}"
    number: Json = {"type": "number", "multipleOf": 10**-digits}
    number |= {"exclusiveMinimum": 0} if bounds.positive else {"minimum": 0}
    if bounds.HasField("maximum"):
        below = _alternatives(_whole_numbers(0, bounds.maximum - 1))
        text = rf"({below}{fraction}|{bounds.maximum}(\.0{{1,{_FRACTION_DIGITS}}})?)"
        number["maximum"] = bounds.maximum
    else:
        number["exclusiveMaximum"] = 10**_WHOLE_DIGITS
    pattern = _whole(_NOT_ZERO + text if bounds.positive else text)
    return {"anyOf": [{"type": "string", "pattern": pattern}, number]}


def _duration(bounds: contract.Bounds) -> Json:
    # A microsecond is the shortest time above zero that the service knows.
    fraction = rf"(\.[0-9]{{1,{6 if bounds.positive else 9}}})?"
    if not bounds.HasField("maximum"):
        above_zero = r"(?!0+(\.0*)?s$)" if bounds.positive else ""
        text = rf"[0-9]{{1,{_SECONDS_DIGITS}}}{fraction}s"
        return {"type": "string", "pattern": _whole(above_zero + text)}
    below = _alternatives(_whole_numbers(bounds.minimum, bounds.maximum - 1))
    text = rf"({below}{fraction}|{bounds.maximum}(\.0{{1,9}})?)s"
    return {"type": "string", "pattern": _whole(text)}


def _pattern(form: "contract.Form.ValueType") -> str:
    options = contract.Form.DESCRIPTOR.values_by_number[form].GetOptions()
    return str(options.Extensions[contract.pattern])


def _whole_numbers(first: int, last: int) -> list[str]:
    """List patterns, one for each ten, that match the whole numbers from first to last."""
    return [
        f"{ten or ''}[{max(first - 10 * ten, 0)}-{min(last - 10 * ten, 9)}]"
        for ten in range(first // 10, last // 10 + 1)
    ]


def _alternatives(patterns: Sequence[str]) -> str:
    return f"({'|'.join(patterns)})"


def _whole(pattern: str) -> str:
    return f"^{pattern}$"
