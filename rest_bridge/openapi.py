"""The OpenAPI 3.1 document, built from the same descriptors as the routes.

`python -m rest_bridge.openapi` prints it, without a server.
"""

import sys
from collections.abc import Container, Iterable, Iterator, Sequence
from http import HTTPStatus
from typing import Any, TypeAlias

import orjson
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor

from bottrading.v1 import annotations_pb2 as contract
from bottrading.v1 import error_reason_pb2
from rest_bridge.bounds import array, bounds_of, scalar
from rest_bridge.comments import contract_comments
from rest_bridge.errors import REFUSAL_TYPES
from rest_bridge.request_fields import is_required
from rest_bridge.routes import PREFIXES, Route, contract_routes
from rest_bridge.transcoding import answer_headers, reads_intervals, replayable_resource

Json: TypeAlias = dict[str, Any]

_PERSON: list[Json] = [{"UserToken": []}, {"UserToken": [], "AccountId": []}]
_SECURITY: dict[int, list[Json]] = {
    contract.CREDENTIAL_BOT_KEY: [{"BotKey": []}],
    contract.CREDENTIAL_BOT_KEY_OR_USER_TOKEN: [{"BotKey": []}, *_PERSON],
    contract.CREDENTIAL_BOT_KEY_OR_TICKET: [{"BotKey": []}, *_PERSON, {"StreamTicket": []}],
    contract.CREDENTIAL_USER_TOKEN: [{"UserToken": []}],
    contract.CREDENTIAL_OPERATOR_TOKEN: [{"OperatorToken": []}],
    contract.CREDENTIAL_SIGN_IN_TOKEN: [{"SignInToken": []}],
}
_SECURITY_SCHEMES = {
    "BotKey": {"type": "apiKey", "in": "header", "name": "X-Bot-Key"},
    "StreamTicket": {"type": "apiKey", "in": "query", "name": "ticket"},
    "UserToken": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
    "AccountId": {
        "type": "apiKey",
        "in": "header",
        "name": "X-Account-Id",
        "description": "Id of the person's account that the call is for; it is no secret. Without"
        " it, a call that reads is for the first account.",
    },
    "OperatorToken": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
    "SignInToken": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
}
# Fields of an answer that hold a message and can be null; all others are always set.
_NULLABLE = frozenset(
    {
        "BotKey.last_used_at",
        "BotKey.revoked_at",
        "GetLeaderboardResponse.own_entry",
        "Limits.bot_key",
        "Limits.orders",
        "Limits.requests",
        "MarketClock.replay",
        "MarketSession.next_close",
        "MarketSession.next_open",
        "Order.expires_at",
        "Order.triggered_at",
        "OrderUpdate.fill",
        "AccountUpdate.interest",
        "AccountUpdate.margin_call",
        "AccountUpdate.settlement",
        "Quota.resets_at",
        "RateLimit.reset_at",
        "ReplayProgress.lock_step",
        "StreamQuotesResponse.heartbeat",
        "StreamQuotesResponse.quote",
    }
)
_TEXT = {"type": "string"}
_REFUSAL_TYPE = {"type": "string", "enum": REFUSAL_TYPES}
_REFUSAL = {
    "type": "object",
    "description": "A refusal. Nothing changed, unless `message` says that the outcome is unknown.",
    "required": ["type", "message", "detail", "error", "request_id"],
    "properties": {
        "type": _REFUSAL_TYPE,
        "message": {**_TEXT, "description": "What to change, for a person or an agent."},
        "detail": {**_TEXT, "description": "The same as `message`."},
        "error": {
            "type": "object",
            "required": ["type", "reason", "message", "violations"],
            "properties": {
                "type": _REFUSAL_TYPE,
                "reason": {"$ref": "#/components/schemas/ErrorReason"},
                "message": _TEXT,
                "violations": {
                    "type": "array",
                    "description": "The fields that are wrong; empty if the fault is in no field.",
                    "items": {
                        "type": "object",
                        "required": ["field", "message"],
                        "properties": {"field": _TEXT, "message": _TEXT},
                    },
                },
                "executed": {
                    "type": "boolean",
                    "const": False,
                    "description": "With UNAVAILABLE: the call certainly changed nothing, so that"
                    " any call can be repeated. Left out if the outcome may be unknown.",
                },
            },
        },
        "request_id": {**_TEXT, "description": "Id of the call; quote it to the operator."},
    },
}
_REQUEST_ID = {"X-Request-Id": {"description": "Id of the call.", "schema": _TEXT}}
_ANSWER_HEADERS = {
    "X-Next-Page-Token": {
        "description": "`page_token` of the next page; absent on the last one.",
        "schema": _TEXT,
    },
    "X-Skipped-Orders": {
        "description": "Number of live orders that stayed, because the key may not act on them.",
        "schema": {"type": "integer"},
    },
    "X-Skipped-Positions": {
        "description": "Number of positions that stayed: the key may not trade their instruments,"
        " or they have expired.",
        "schema": {"type": "integer"},
    },
}
_NOTICE = {
    "X-Notice": {
        "description": "Sent if an interval such as `1M`, elsewhere a month, is read as `1m`.",
        "schema": _TEXT,
    }
}
_RETRY_AFTER = {
    "Retry-After": {
        "description": "Whole seconds after which to try again; with 429 and 503.",
        "schema": {"type": "integer"},
    }
}


def openapi_document(routes: Sequence[Route], prefixes: Iterable[str]) -> Json:
    """Describe the routes below each of the path prefixes, with the contract's own comments."""
    builder = _Builder()
    paths: dict[str, Json] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.verb.lower()] = builder.operation(route)
    builder.add_enum(error_reason_pb2.ErrorReason.DESCRIPTOR)
    services = {route.method.containing_service.name: None for route in routes}
    return {
        "openapi": "3.1.0",
        "info": {"title": "BotTrading", "version": "1"},
        "servers": [{"url": prefix} for prefix in prefixes],
        "tags": [{"name": name, **builder.description(name)} for name in services],
        "paths": paths,
        "components": {
            "schemas": dict(sorted(builder.schemas.items())) | {"Refusal": _REFUSAL},
            "securitySchemes": _SECURITY_SCHEMES,
        },
    }


class _Builder:
    def __init__(self) -> None:
        self.schemas: dict[str, Json] = {}
        self._comments = contract_comments()
        self._operation_ids: set[str] = set()

    def description(self, name: str) -> Json:
        comment = self._comments.get(name)
        return {"description": comment} if comment else {}

    def operation(self, route: Route) -> Json:
        method = route.method
        comment = self._comments.get(f"{method.containing_service.name}.{method.name}", "")
        operation: Json = {
            "operationId": self._operation_id(route),
            "tags": [method.containing_service.name],
            "summary": comment.partition(". ")[0].partition("\n")[0].rstrip("."),
            "description": comment,
            "security": _security(route),
            "parameters": list(self._parameters(route)),
            "responses": {
                **self._successes(route),
                "default": {
                    "description": "A refusal",
                    "headers": _REQUEST_ID | _RETRY_AFTER,
                    "content": _json_content({"$ref": "#/components/schemas/Refusal"}),
                },
            },
        }
        if route.takes_body:
            body = self._object(method.input_type, without=route.parameters)
            operation["requestBody"] = {
                "required": bool(body["required"]),
                "content": _json_content(body),
            }
        return operation

    def add_enum(self, descriptor: EnumDescriptor) -> None:
        prefix = descriptor.values[0].name.removesuffix("UNSPECIFIED")
        names = {value.name: value.name.removeprefix(prefix) for value in descriptor.values[1:]}
        lines = [f"- `{name}`: {self._comments.get(value, '')}" for value, name in names.items()]
        self.schemas[descriptor.name] = {
            "type": "string",
            "enum": list(names.values()),
            "description": "\n".join([self._comments.get(descriptor.name, ""), "", *lines]),
        }

    def _operation_id(self, route: Route) -> str:
        """Name an operation after its method; an additional binding adds words of its path."""
        name = route.method.name
        if name in self._operation_ids:
            name += route.path.rpartition("/")[2].title().replace("-", "")
        self._operation_ids.add(name)
        return name

    def _parameters(self, route: Route) -> Iterator[Json]:
        needed, left_out = _alternatives(route)
        for field in route.method.input_type.fields:
            in_path = field.name in route.parameters
            if in_path or not (route.takes_body or field.name in left_out):
                yield {
                    "name": field.name,
                    "in": "path" if in_path else "query",
                    "required": in_path or is_required(field) or field.name in needed,
                    **self.description(f"{route.method.input_type.name}.{field.name}"),
                    "schema": self._value(field),
                    **({"style": "form", "explode": False} if field.is_repeated else {}),
                }

    def _successes(self, route: Route) -> Json:
        phrase = HTTPStatus(route.success_status).phrase
        told = answer_headers(route).values()
        headers = _REQUEST_ID | {name: _ANSWER_HEADERS[name] for name in told}
        if reads_intervals(route):
            headers |= _NOTICE
        answer = {"headers": headers, "content": self._answer(route)}
        successes = {str(route.success_status): {"description": phrase, **answer}}
        if replayable_resource(route) and route.success_status != HTTPStatus.OK:
            successes["200"] = {"description": "The answer of an earlier call, again", **answer}
        return successes

    def _answer(self, route: Route) -> Json:
        output = route.method.output_type
        if route.method.server_streaming:
            return {"text/event-stream": {"schema": self._message(output)}}
        if route.response_body:
            return _json_content(self._value(output.fields_by_name[route.response_body]))
        return _json_content(self._message(output))

    def _object(self, descriptor: Descriptor, without: Sequence[str]) -> Json:
        """Describe a message that a caller sends: only required fields must be present."""
        fields = [field for field in descriptor.fields if field.name not in without]
        return {
            "type": "object",
            "additionalProperties": False,
            "required": [field.name for field in fields if is_required(field)],
            "properties": self._properties(descriptor.name, fields, is_sent=True),
        }

    def _message(self, descriptor: Descriptor, *, is_sent: bool = False) -> Json:
        """Describe a message by reference; all fields of an answer are always present.

        A message that a caller sends is named in the description of a call before any answer.
        """
        if descriptor.name not in self.schemas:
            # A message can contain messages of its own kind: it is named before it is described.
            self.schemas[descriptor.name] = {}
            required = [field.name for field in descriptor.fields if is_required(field)]
            always_there = () if is_sent else _always_there(descriptor)
            self.schemas[descriptor.name] = {
                "type": "object",
                **self.description(descriptor.name),
                **({"additionalProperties": False} if is_sent else {}),
                "required": required if is_sent else [field.name for field in descriptor.fields],
                "properties": self._properties(
                    descriptor.name, descriptor.fields, always_there, is_sent=is_sent
                ),
            }
        return {"$ref": f"#/components/schemas/{descriptor.name}"}

    def _properties(
        self,
        owner: str,
        fields: Iterable[FieldDescriptor],
        always_there: Container[str] = (),
        *,
        is_sent: bool = False,
    ) -> Json:
        properties: Json = {}
        for field in fields:
            schema = self._value(field, is_sent=is_sent)
            if field.has_presence and not is_required(field) and field.name not in always_there:
                schema = {"anyOf": [schema, {"type": "null"}]}
            properties[field.name] = {**schema, **self.description(f"{owner}.{field.name}")}
        return properties

    def _value(self, field: FieldDescriptor, *, is_sent: bool = False) -> Json:
        item = self._item(field, is_sent=is_sent)
        return array(field, item) if field.is_repeated else item

    def _item(self, field: FieldDescriptor, *, is_sent: bool) -> Json:
        described = scalar(field)
        if described is not None:
            return described
        if field.message_type is not None:
            return self._message(field.message_type, is_sent=is_sent)
        enum = field.enum_type
        assert enum is not None, "a scalar has been described"
        self.add_enum(enum)
        return {"$ref": f"#/components/schemas/{enum.name}"}


def _security(route: Route) -> list[Json]:
    """Return the credentials of a call; a person's call that changes an account names it."""
    taken = _SECURITY.get(route.credential, [])
    if route.scope == contract.REQUIRED_SCOPE_TRADE:
        return [one for one in taken if one != {"UserToken": []}]
    return taken


def _alternatives(route: Route) -> tuple[set[str], set[str]]:
    """Return the fields that are alternatives to others: those given, and those left out.

    The path decides: a field in the path excludes its alternative.
    """
    needed, left_out = set[str](), set[str]()
    for field in route.method.input_type.fields:
        other = bounds_of(field).instead_of
        if other:
            given, spared = (other, field.name)[:: 1 if other in route.parameters else -1]
            needed.add(given)
            left_out.add(spared)
    return needed, left_out


def _json_content(schema: Json) -> Json:
    return {"application/json": {"schema": schema}}


def _always_there(descriptor: Descriptor) -> Container[str]:
    """Return the fields of an answer that hold a message and are never null."""
    return {
        field.name
        for field in descriptor.fields
        if field.message_type is not None
        and field.containing_oneof is None
        and f"{descriptor.name}.{field.name}" not in _NULLABLE
    }


if __name__ == "__main__":
    sys.stdout.buffer.write(orjson.dumps(openapi_document(contract_routes(), PREFIXES)))
