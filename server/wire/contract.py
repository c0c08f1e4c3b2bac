"""The contract's methods, with what their descriptors say."""

from dataclasses import dataclass
from enum import Enum
from functools import cache
from typing import Any

from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message_factory import GetMessageClass

from bottrading.v1 import annotations_pb2, bot_trading_pb2, key_management_pb2, market_data_pb2
from server.domain.user import Scope

FILES = (bot_trading_pb2, key_management_pb2, market_data_pb2)


class Credential(Enum):
    """The credential that a method needs."""

    BOT_KEY = "BOT_KEY"
    BOT_KEY_OR_TICKET = "BOT_KEY_OR_TICKET"
    USER_TOKEN = "USER_TOKEN"
    OPERATOR_TOKEN = "OPERATOR_TOKEN"
    BOT_KEY_OR_USER_TOKEN = "BOT_KEY_OR_USER_TOKEN"
    SIGN_IN_TOKEN = "SIGN_IN_TOKEN"

    @property
    def is_of_a_bot(self) -> bool:
        """Tell whether a bot key opens the method."""
        return self is Credential.BOT_KEY or self.is_of_either

    @property
    def is_of_either(self) -> bool:
        """Tell whether a person's token opens the method too."""
        return self in (Credential.BOT_KEY_OR_USER_TOKEN, Credential.BOT_KEY_OR_TICKET)


class Spends(Enum):
    """What a call spends of the rate limits of its account; an order is a request too."""

    NOTHING = "NOTHING"
    REQUEST = "REQUEST"
    ORDER = "ORDER"


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """One method of the contract; `path` is its full name on the wire.

    `credential` and `spends` are None if the contract does not state them. `scope` is what a bot
    key needs; None: every key may call. `says_scope` is false if the contract states no scope, not
    even NONE. `can_be_public` is true if a setting can open the method to everybody.
    """

    path: str
    service: str
    name: str
    request_type: type[Any]
    response_type: type[Any]
    streams: bool
    credential: Credential | None
    scope: Scope | None
    spends: Spends | None
    says_scope: bool
    can_be_public: bool = False

    @property
    def is_open(self) -> bool:
        """Tell whether the method has every annotation that it needs to be callable."""
        if self.credential is None or self.spends is None:
            return False
        return self.says_scope or not self.credential.is_of_a_bot


@cache
def methods() -> tuple[Method, ...]:
    """Return every method of the contract, in its order."""
    return tuple(
        _method(method)
        for file in FILES
        for service in file.DESCRIPTOR.services_by_name.values()
        for method in service.methods
    )


def _method(method: MethodDescriptor) -> Method:
    said = method.GetOptions().Extensions
    credential = annotations_pb2.Credential.Name(said[annotations_pb2.credential])
    scope = annotations_pb2.RequiredScope.Name(said[annotations_pb2.scope])
    spends = annotations_pb2.Spends.Name(said[annotations_pb2.spends])
    scopes = {f"REQUIRED_SCOPE_{one.value}": one for one in Scope}
    return Method(
        path=f"/{method.containing_service.full_name}/{method.name}",
        service=method.containing_service.name,
        name=method.name,
        request_type=GetMessageClass(method.input_type),
        response_type=GetMessageClass(method.output_type),
        streams=method.server_streaming,
        credential={f"CREDENTIAL_{one.value}": one for one in Credential}.get(credential),
        scope=scopes.get(scope),
        spends={f"SPENDS_{one.value}": one for one in Spends}.get(spends),
        says_scope=scope in scopes or scope == "REQUIRED_SCOPE_NONE",
        can_be_public=said[annotations_pb2.can_be_public],
    )
