"""Routes, made from the `google.api.http` annotations of the contract, and their router."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar
from urllib.parse import unquote_to_bytes

from google.api import annotations_pb2, http_pb2
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor

from bottrading.v1 import annotations_pb2 as contract
from bottrading.v1 import bot_trading_pb2, key_management_pb2, market_data_pb2

T = TypeVar("T")

PREFIXES = ("/api/trade/v1/bot", "/api/v1/bot")

_PARAMETER = re.compile(r"\{(\w+)\}")
_VERBS = ("get", "post", "put", "patch", "delete")


@dataclass(frozen=True, slots=True)
class Route:
    """One verb and path, and the method that it calls."""

    verb: str
    path: str
    method: MethodDescriptor
    takes_body: bool
    response_body: str

    @property
    def rpc(self) -> str:
        return f"/{self.method.containing_service.full_name}/{self.method.name}"

    @property
    def parameters(self) -> tuple[str, ...]:
        return tuple(_PARAMETER.findall(self.path))

    @property
    def success_status(self) -> int:
        return self.method.GetOptions().Extensions[contract.success_status] or 200

    @property
    def refuses_body(self) -> bool:
        """Tell whether a body must not be ignored, because it could limit what the call does."""
        if self.takes_body:
            return False
        spends = self.method.GetOptions().Extensions[contract.spends]
        takes_query = len(self.method.input_type.fields) > len(self.parameters)
        return spends == contract.SPENDS_ORDER or (self.verb == "DELETE" and takes_query)

    @property
    def credential(self) -> contract.Credential.ValueType:
        return self.method.GetOptions().Extensions[contract.credential]

    @property
    def can_be_public(self) -> bool:
        return self.method.GetOptions().Extensions[contract.can_be_public]

    @property
    def scope(self) -> contract.RequiredScope.ValueType:
        return self.method.GetOptions().Extensions[contract.scope]


def contract_routes() -> list[Route]:
    """List all routes that the bridge serves."""
    modules = (bot_trading_pb2, key_management_pb2, market_data_pb2)
    return routes_of(
        service for module in modules for service in module.DESCRIPTOR.services_by_name.values()
    )


def routes_of(services: Iterable[ServiceDescriptor]) -> list[Route]:
    """List the routes of all annotated methods, in the order of the contract."""
    return [
        _route(method, rule)
        for service in services
        for method in service.methods
        for rule in _rules(method)
    ]


def _rules(method: MethodDescriptor) -> Iterator[http_pb2.HttpRule]:
    options = method.GetOptions()
    if options.HasExtension(annotations_pb2.http):
        rule = options.Extensions[annotations_pb2.http]
        yield rule
        yield from rule.additional_bindings


def _route(method: MethodDescriptor, rule: http_pb2.HttpRule) -> Route:
    verb = rule.WhichOneof("pattern")
    if verb not in _VERBS or rule.body not in ("", "*"):
        raise ValueError(f"{method.full_name}: the bridge does not transcode {rule}")
    return Route(
        verb=verb.upper(),
        path=getattr(rule, verb),
        method=method,
        takes_body=rule.body == "*",
        response_body=rule.response_body,
    )


@dataclass(frozen=True, slots=True)
class Match(Generic[T]):
    """The match of a path: an endpoint for each HTTP method, and the values in the path."""

    endpoints: dict[str, T]
    values: tuple[str, ...]


class Router(Generic[T]):
    """A tree of path segments; a literal segment takes precedence over a parameter."""

    def __init__(self) -> None:
        self._root: _Node[T] = _Node()

    def add(self, verb: str, path: str, endpoint: T) -> None:
        node = self._root
        for segment in path.split("/")[1:]:
            if _PARAMETER.fullmatch(segment):
                node.parameter = node.parameter or _Node()
                node = node.parameter
            else:
                node = node.literals.setdefault(segment, _Node())
        if verb in node.endpoints:
            raise ValueError(f"two methods claim {verb} {path}")
        node.endpoints[verb] = endpoint

    def find(self, raw_path: bytes) -> Match[T] | None:
        """Find the match of a path that is still percent-encoded.

        A segment that is empty or not UTF-8 matches nothing: a path whose id is missing must not
        become the path of all objects.
        """
        node = self._root
        values: tuple[str, ...] = ()
        for encoded in raw_path.split(b"/")[1:]:
            segment = _decoded(encoded)
            if not segment:
                return None
            literal = node.literals.get(segment)
            if literal is not None:
                node = literal
            elif node.parameter is not None:
                node = node.parameter
                values += (segment,)
            else:
                return None
        return Match(node.endpoints, values) if node.endpoints else None


class _Node(Generic[T]):
    def __init__(self) -> None:
        self.literals: dict[str, _Node[T]] = {}
        self.parameter: _Node[T] | None = None
        self.endpoints: dict[str, T] = {}


def _decoded(segment: bytes) -> str:
    try:
        return (unquote_to_bytes(segment) if b"%" in segment else segment).decode("utf-8")
    except UnicodeDecodeError:
        return ""
