"""Calls: what interceptors know about a call, and the types of interceptors."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from grpc import StatusCode
from grpc.aio import ServicerContext

from server.application.callers import Caller
from server.application.rate_limits import Allowance, Figures
from server.domain.user import Plan
from server.engine.receipts import Receipt
from server.rpc.open_stream import OpenStream
from server.wire.contract import Method


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal(Caller):
    """Who makes a call, and the owner's plan. A ticket counts as the key or token behind it."""

    plan: Plan
    by_ticket: bool = False


NOBODY = Principal(plan=Plan.FREE)
"""Everybody who calls a public method without a credential."""


@dataclass(slots=True)
class Call:
    """One call on its way through the interceptors.

    `receipt` says what the engine charges when it decides the call; `allowance` is what it told
    when it was asked before.
    """

    method: Method
    context: ServicerContext[bytes, bytes]
    body: bytes
    metadata: Sequence[tuple[str, str | bytes]] = ()
    request_id: str = ""
    named_account: str | None = None
    principal: Principal | None = None
    figures: Figures | None = None
    receipt: Receipt | None = None
    allowance: Allowance | None = None
    code: StatusCode = StatusCode.OK
    reason: str = ""
    trailers: list[tuple[str, str | bytes]] = field(default_factory=list)
    stream: OpenStream | None = None
    is_begun: bool = False
    """Whether all interceptors let the call pass: until then it has certainly changed nothing."""

    @property
    def caller(self) -> Principal:
        """Return who makes the call; known once it is authenticated."""
        assert self.principal is not None, "the call is not authenticated"
        return self.principal

    @property
    def open_stream(self) -> OpenStream:
        """Return the stream on which the call sends its messages."""
        assert self.stream is not None, "the call has a place for its stream"
        return self.stream


Handler = Callable[[Call], Awaitable[bytes]]


class Interceptor(Protocol):
    """One interceptor of the chain."""

    def wrap(self, method: Method, proceed: Handler) -> Handler:
        """Return the handler of a method that runs this interceptor and then the next ones."""
