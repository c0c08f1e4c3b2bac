"""Messages as JSON values: every field is present, in the order of the contract."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, TypeAlias

from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

JsonValue: TypeAlias = Any
ToJson: TypeAlias = Callable[[Any], JsonValue]
Reader: TypeAlias = Callable[[Message], JsonValue]


def message_json(descriptor: Descriptor, outer: Mapping[str, ToJson] | None = None) -> ToJson:
    """Compile a converter from a message to a JSON object; fields that are not set become null.

    `outer` are the converters of the messages that this one is a part of, by full name. A message
    can contain messages of its own kind.
    """
    if descriptor.full_name == Timestamp.DESCRIPTOR.full_name:
        return rfc3339
    readers = list[tuple[str, Reader]]()

    def convert(message: Any) -> JsonValue:
        return {name: read(message) for name, read in readers}

    known = {**(outer or {}), descriptor.full_name: convert}
    readers += [(field.name, field_json(field, known)) for field in descriptor.fields]
    return convert


def field_json(field: FieldDescriptor, outer: Mapping[str, ToJson] | None = None) -> Reader:
    """Compile a reader of one field of a message; `outer` is as in `message_json`."""
    name = field.name
    convert = _value_json(field, outer or {})
    if field.is_repeated:
        if convert is None:
            return lambda message: list(getattr(message, name))
        return lambda message: [convert(item) for item in getattr(message, name)]
    if field.has_presence:
        if convert is None:
            return lambda message: getattr(message, name) if message.HasField(name) else None
        return lambda message: convert(getattr(message, name)) if message.HasField(name) else None
    if convert is None:
        return lambda message: getattr(message, name)
    return lambda message: convert(getattr(message, name))


def rfc3339(time: Timestamp) -> str:
    """Write a time in UTC, with as many digits of the second as it needs: none, 3 or 6."""
    text = datetime.fromtimestamp(time.seconds, UTC).isoformat()[:19]
    microseconds = time.nanos // 1000
    if not microseconds:
        return f"{text}Z"
    if microseconds % 1000:
        return f"{text}.{microseconds:06}Z"
    return f"{text}.{microseconds // 1000:03}Z"


def _value_json(field: FieldDescriptor, outer: Mapping[str, ToJson]) -> ToJson | None:
    """Return the converter of one value; None if the value goes into JSON unchanged."""
    if field.message_type is not None:
        if field.message_type.GetOptions().map_entry:
            raise ValueError(f"{field.full_name}: the bridge does not transcode maps")
        return outer.get(field.message_type.full_name) or message_json(field.message_type, outer)
    if field.enum_type is not None:
        return _enum_json(field.enum_type)
    if field.type == FieldDescriptor.TYPE_BYTES:
        raise ValueError(f"{field.full_name}: the bridge does not transcode bytes")
    return None


def _enum_json(descriptor: EnumDescriptor) -> ToJson:
    prefix = descriptor.values[0].name.removesuffix("UNSPECIFIED")
    names = {value.number: value.name.removeprefix(prefix) for value in descriptor.values}
    # A newer server may send a value that this bridge cannot name; it is shown by its number.
    return lambda number: names.get(number, str(number))
