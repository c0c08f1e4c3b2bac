"""Rows: three kinds of calls, each described by the functions that serve it.

Calls of the contract and internal calls have the same rows. The contract (`contract.py`) says who
may call and what it costs.
"""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Any, Generic, TypeAlias, TypeVar

from google.protobuf.message import Message

from server.application.callers import Caller
from server.application.commands import Waiting
from server.application.market_ports import Instruments
from server.domain.errors import Refusal
from server.domain.values import Micros

Request = TypeVar("Request")
Wanted = TypeVar("Wanted")
Found = TypeVar("Found")


class Route(Enum):
    """Whose state a call reads or changes."""

    OWN_ACCOUNT = "own account"
    """The account that the caller acts on."""

    OWN_USER = "own user"
    """All accounts and bot keys of the caller."""

    NAMED_ACCOUNT = "named account"
    """The account that the request names."""

    EVERYONE = "everyone"
    """What all accounts share: people, quotes, instruments, rankings."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What reading a request needs besides the request and its caller."""

    instruments: Instruments
    now: Micros


Read: TypeAlias = Callable[[Request, Caller, Surroundings], Wanted | Refusal]
"""Reads a request: returns a command or query, or the errors of its fields."""

Complete: TypeAlias = Callable[[Any, Any, Any], Awaitable[None]]
"""Adds to an answer the figures that only the front has: (figures, call, answer)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided(Generic[Request, Wanted, Found]):
    """A call that the engine decides and stores, in a batch with others.

    `decide` is a method of a use case and takes (command, permissions, unit, now). A call whose
    result is `Waiting` is answered later. `shard` is set if one engine decides all these calls;
    otherwise the one that owns the caller's shard decides. `followed_by` names an internal call
    that every engine of the venue decides before the caller is answered.
    """

    route: Route = Route.OWN_ACCOUNT
    shard: int | None = None
    read: Read[Request, Wanted]
    decide: Callable[..., Found | Waiting | Refusal]
    answer: Callable[[Found], Message | bytes]
    complete: Complete | None = None
    followed_by: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Queried(Generic[Request, Wanted, Found]):
    """A call that the front answers without the engine.

    `query` is a method of a reader. It blocks and runs in a thread, unless it is answered from
    memory. A large answer is built in the thread too, so that other calls do not wait for it.
    """

    route: Route = Route.OWN_ACCOUNT
    read: Read[Request, Wanted]
    query: Callable[[Any, Wanted], Found | Refusal]
    answer: Callable[[Found], Message]
    complete: Complete | None = None
    from_memory: bool = False
    is_large: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Streamed(Generic[Request, Wanted]):
    """A call that sends messages until its caller leaves or the server ends it.

    `send` is a method of a stream and takes (wanted, call).
    """

    route: Route = Route.OWN_ACCOUNT
    read: Read[Request, Wanted]
    send: Callable[[Any, Wanted, Any], Awaitable[None]]


Row: TypeAlias = Decided[Any, Any, Any] | Queried[Any, Any, Any] | Streamed[Any, Any]


def bound(method: Callable[..., Any], instances: Iterable[object]) -> Callable[..., Any]:
    """Return a method of a class, bound to the instance of that class among the given ones."""
    for instance in instances:
        if getattr(type(instance), method.__name__, None) is method:
            return getattr(instance, method.__name__)  # type: ignore[no-any-return]
    raise LookupError(f"nothing here has the method {method.__qualname__}")
