"""The chain: composes all interceptors of a method once, instead of at each call."""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeAlias

import grpc
from grpc.aio import ServerInterceptor, ServicerContext

from server.rpc.call import Call, Handler, Interceptor
from server.rpc.dispatch import Dispatcher, refuse_unreadable
from server.rpc.health_watches import HealthWatches
from server.wire.contract import Method

if TYPE_CHECKING:
    RpcHandler: TypeAlias = grpc.RpcMethodHandler[Any, Any]

HEALTH_CHECK = "/grpc.health.v1.Health/Check"
HEALTH_WATCH = "/grpc.health.v1.Health/Watch"
REFLECTION_PREFIX = "/grpc.reflection."
"""Services of gRPC itself, open to everybody; reflection exists only if a setting enables it."""

UNREADABLE_PREFIX = "/bottrading.unreadable"
"""Prefix of a method's path, for a call whose request the bridge could not read.

Such a call is authenticated, costs what its method costs, and is refused.
"""


class Chain(ServerInterceptor):
    """The only interceptor that gRPC sees; it runs the composed ones."""

    def __init__(
        self,
        methods: Iterable[Method],
        interceptors: Sequence[Interceptor],
        dispatcher: Dispatcher,
        watches: HealthWatches,
    ) -> None:
        self._handlers = {
            method.path: _rpc_handler(method, interceptors, dispatcher.handler(method))
            for method in methods
        } | {
            UNREADABLE_PREFIX + method.path: _rpc_handler(
                replace(method, path=UNREADABLE_PREFIX + method.path, streams=False),
                interceptors,
                refuse_unreadable,
            )
            for method in methods
        }
        self._watches = watches

    async def intercept_service(
        self,
        continuation: "Callable[[grpc.HandlerCallDetails], Awaitable[RpcHandler | None]]",
        details: grpc.HandlerCallDetails,
    ) -> "RpcHandler | None":
        """Return the composed handler of a method; refuse methods outside of the contract."""
        handler = self._handlers.get(details.method)
        if handler is not None:
            return handler
        if details.method == HEALTH_CHECK or details.method.startswith(REFLECTION_PREFIX):
            return await continuation(details)
        if details.method == HEALTH_WATCH:
            return self._watches.bounded(await continuation(details))
        return None


def _rpc_handler(
    method: Method, interceptors: Sequence[Interceptor], serve: Handler
) -> "RpcHandler":
    def begin(call: Call) -> Awaitable[bytes]:
        # Not a coroutine, because one more would make every call slower.
        call.is_begun = True
        return serve(call)

    handler: Handler = begin
    for interceptor in reversed(interceptors):
        handler = interceptor.wrap(method, handler)

    async def unary(body: bytes, context: ServicerContext[bytes, bytes]) -> bytes:
        return await handler(Call(method, context, body, _metadata(context)))

    async def stream(body: bytes, context: ServicerContext[bytes, bytes]) -> None:
        await handler(Call(method, context, body, _metadata(context)))

    # Without serializers the bytes pass through, because the dispatcher parses them.
    if method.streams:
        return grpc.unary_stream_rpc_method_handler(stream)
    return grpc.unary_unary_rpc_method_handler(unary)


def _metadata(context: ServicerContext[bytes, bytes]) -> Any:
    """Return the pairs of a call's metadata, read once for all interceptors."""
    return context.invocation_metadata() or ()
