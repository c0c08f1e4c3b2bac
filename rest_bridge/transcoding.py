"""Transcoding for one route: HTTP requests to message bytes, and message bytes to answers."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias
from urllib.parse import unquote_to_bytes

import orjson
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from bottrading.v1 import bar_pb2
from rest_bridge.answer_fields import field_json, message_json
from rest_bridge.errors import Refusal
from rest_bridge.request_fields import (
    FieldValue,
    FromText,
    Invalid,
    Problem,
    json_message,
    text_field,
    unknown_field,
)
from rest_bridge.routes import Route
from rest_bridge.strict_json import NotStrictJson, parse_object

HttpHeaders: TypeAlias = list[tuple[bytes, bytes]]

_HEADERS = {
    "next_page_token": "X-Next-Page-Token",
    "skipped_orders": "X-Skipped-Orders",
    "skipped_positions": "X-Skipped-Positions",
}
_SEQUENCE = "sequence"
_NO_FIELDS = (b"", b"{}", b"null")
_BAR_INTERVAL = bar_pb2.BarInterval.DESCRIPTOR
# Elsewhere 1M is a month and 1m a minute; here 1M is the contract's name of a minute.
_MONTHS = re.compile(rb"(?:^|&)interval=([0-9]+M)(?=&|$)")


class RequestReader:
    """Reads requests of one route."""

    def __init__(self, route: Route) -> None:
        descriptor = route.method.input_type
        self._message_class: Callable[..., Message] = GetMessageClass(descriptor)
        self._parameters = route.parameters
        self._refuses_body = route.refuses_body
        _require_strings(descriptor, route.parameters)
        self._body_fields = (
            json_message(descriptor, without=route.parameters) if route.takes_body else None
        )
        self._query_fields = (
            {}
            if route.takes_body
            else {
                field.name: (text_field(field), field.is_repeated)
                for field in descriptor.fields
                if field.name not in route.parameters
            }
        )

        self._has_intervals = reads_intervals(route)

    def read(self, path_values: tuple[str, ...], query: bytes, body: bytes) -> bytes:
        """Return the serialised request message.

        Raises Refusal if the request cannot be read. A route that takes no body ignores one, or
        refuses it if a body could limit what the call does. If `{"symbol": "AAPL"}` were ignored,
        the call would cancel all orders.
        """
        if self._refuses_body and body.strip() not in _NO_FIELDS:
            told = "This call takes no body: send its fields in the query."
            raise Refusal(422, "MALFORMED_REQUEST", told)
        try:
            values: dict[str, FieldValue] = {}
            if self._body_fields is not None:
                values = self._body_fields(parse_object(body))
            if query:
                values |= self._query_values(query)
        except NotStrictJson as error:
            raise Refusal(422, "MALFORMED_REQUEST", str(error)) from None
        except Invalid as invalid:
            raise invalid.refusal() from None
        if path_values:
            values.update(zip(self._parameters, path_values, strict=True))
        return self._message_class(**values).SerializeToString()

    def notice(self, query: bytes) -> str | None:
        """Return a notice for a query whose author may have meant something else."""
        found = _MONTHS.search(query) if self._has_intervals else None
        if found is None:
            return None
        text = found[1].decode()
        return f"interval: {text} is read as {text.lower()}, minutes; there are no bars of months"

    def _query_values(self, query: bytes) -> dict[str, FieldValue]:
        values: dict[str, FieldValue] = {}
        problems: list[Problem] = []
        for pair in filter(None, query.split(b"&")):
            name, text = _decoded_pair(pair)
            if name not in self._query_fields:
                problems.append(unknown_field(name))
                continue
            convert, repeated = self._query_fields[name]
            try:
                _add(values, name, text, convert, repeated=repeated)
            except Invalid as invalid:
                problems.extend(problem.under(name) for problem in invalid.problems)
        if problems:
            raise Invalid(*problems)
        return values


def _add(
    values: dict[str, FieldValue], name: str, text: str, convert: FromText, *, repeated: bool
) -> None:
    if repeated:
        values.setdefault(name, []).extend(convert(item) for item in text.split(","))
    elif name in values:
        raise Invalid(Problem("FIELD_INVALID", "may be given once only"))
    else:
        values[name] = convert(text)


def _decoded_pair(pair: bytes) -> tuple[str, str]:
    name, _, value = pair.partition(b"=")
    try:
        return _form_decoded(name), _form_decoded(value)
    except UnicodeDecodeError:
        raise Refusal(422, "MALFORMED_REQUEST", "The query must be UTF-8.") from None


def _form_decoded(text: bytes) -> str:
    return unquote_to_bytes(text.replace(b"+", b" ")).decode("utf-8")


def _require_strings(descriptor: Descriptor, names: tuple[str, ...]) -> None:
    for name in names:
        field = descriptor.fields_by_name[name]
        if field.cpp_type != FieldDescriptor.CPPTYPE_STRING or field.is_repeated:
            raise ValueError(f"{field.full_name}: a path holds strings only")


@dataclass(frozen=True, slots=True)
class Answer:
    """A success, ready to be sent."""

    status: int
    body: bytes
    headers: HttpHeaders


class AnswerWriter:
    """Writes answers of one route."""

    def __init__(self, route: Route) -> None:
        descriptor = route.method.output_type
        self._message_class = GetMessageClass(descriptor)
        self._success_status = route.success_status
        self._to_json = (
            field_json(descriptor.fields_by_name[route.response_body])
            if route.response_body
            else message_json(descriptor)
        )
        self._resource = replayable_resource(route)
        self._headers = {
            field: name.lower().encode("ascii") for field, name in answer_headers(route).items()
        }

    def write(self, answer: bytes) -> Answer:
        message = self._message_class.FromString(answer)
        replayed = self._resource is not None and getattr(message, self._resource).replayed
        return Answer(
            status=200 if replayed else self._success_status,
            body=orjson.dumps(self._to_json(message), option=orjson.OPT_APPEND_NEWLINE),
            headers=[
                (name, str(value).encode("ascii"))
                for field, name in self._headers.items()
                if (value := getattr(message, field)) != ""
            ],
        )


@dataclass(frozen=True, slots=True)
class Event:
    """One Server-Sent Event as bytes, with its `sequence` if its stream has sequences."""

    name: str
    sequence: int | None
    frame: bytes


class EventWriter:
    """Writes the messages of one route that streams.

    The one field that is set beside the sequence names the event, and its value is the data. If
    the stream has sequences, the sequence is the event's id.
    """

    def __init__(self, route: Route) -> None:
        descriptor = route.method.output_type
        self._message_class = GetMessageClass(descriptor)
        self._has_sequence = _SEQUENCE in descriptor.fields_by_name
        self._to_json = {
            field.name: message_json(field.message_type)
            for field in descriptor.fields
            if field.message_type is not None
        }

    def write(self, data: bytes) -> Event | None:
        """Write a message as an event; None for a kind that only a newer bridge knows."""
        message = self._message_class.FromString(data)
        name = next((it.name for it, _ in message.ListFields() if it.name in self._to_json), None)
        if name is None:
            return None
        value = getattr(message, name)
        sequence = getattr(message, _SEQUENCE) if self._has_sequence else None
        lines = [
            b"event: " + name.encode("ascii"),
            b"data: " + orjson.dumps(self._to_json[name](value)),
        ]
        if sequence is not None:
            lines.insert(0, b"id: %d" % sequence)
        return Event(name, sequence, b"\n".join(lines) + b"\n\n")


def replayable_resource(route: Route) -> str | None:
    """Return the name of the answer's field that can be `replayed`; None if there is none."""
    field = route.method.output_type.fields_by_name.get(route.response_body)
    if field is None or field.is_repeated or field.message_type is None:
        return None
    return field.name if "replayed" in field.message_type.fields_by_name else None


def reads_intervals(route: Route) -> bool:
    """Tell whether the query of a route has a bar interval."""
    fields = () if route.takes_body else route.method.input_type.fields
    return any(field.enum_type == _BAR_INTERVAL for field in fields)


def answer_headers(route: Route) -> dict[str, str]:
    """Return the names of the headers, by the fields of the answer that they carry.

    Only a body that is a bare array needs headers: a whole message has these fields in its body.
    """
    fields = route.method.output_type.fields_by_name if route.response_body else {}
    return {field: name for field, name in _HEADERS.items() if field in fields}
