"""Limits of health watches: an open watch takes a place."""

from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeAlias

import grpc
from grpc.aio import ServicerContext

if TYPE_CHECKING:
    RpcHandler: TypeAlias = grpc.RpcMethodHandler[Any, Any]

STRANGERS_WATCHES_MAX = 100
"""The most open watches without a bot key; gRPC clients open such watches by themselves."""
CONNECTION_WATCHES_MAX = 4
ACCOUNT_WATCHES_MAX = 20

Metadata: TypeAlias = Sequence[tuple[str, str | bytes]]


class HealthWatches:
    """Limits the watches of strangers, in total and per connection; customers have separate places.

    `account_of` returns the account of a call's bot key, None without a valid key.
    """

    def __init__(self, account_of: Callable[[Metadata], Awaitable[str | None]]) -> None:
        self._account_of = account_of
        self._strangers: Counter[str] = Counter()
        self._customers: Counter[str] = Counter()

    def bounded(self, watch: "RpcHandler | None") -> "RpcHandler":
        """Return the handler of Watch with a place for each call."""
        assert watch is not None, "health is registered"
        serve: Any = watch.unary_stream

        async def handle(request: Any, context: ServicerContext[Any, Any]) -> None:
            metadata: Any = context.invocation_metadata() or ()
            account_id = await self._account_of(metadata)
            if account_id is not None:
                places, holder = self._customers, account_id
                is_full = places[holder] >= ACCOUNT_WATCHES_MAX
            else:
                places, holder = self._strangers, context.peer()
                is_full = (
                    places[holder] >= CONNECTION_WATCHES_MAX
                    or places.total() >= STRANGERS_WATCHES_MAX
                )
            if is_full:
                context.set_code(grpc.StatusCode.RESOURCE_EXHAUSTED)
                context.set_details("Too many watches are open; use Check, or send a bot key.")
                return
            with _place(places, holder):
                await serve(request, context)

        return grpc.unary_stream_rpc_method_handler(
            handle,
            request_deserializer=watch.request_deserializer,
            response_serializer=watch.response_serializer,
        )


@contextmanager
def _place(places: Counter[str], holder: str) -> Iterator[None]:
    places[holder] += 1
    try:
        yield
    finally:
        places[holder] -= 1
        if not places[holder]:
            del places[holder]
