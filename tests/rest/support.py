"""A real bridge on a real port, and a double of the server that it calls."""

import asyncio
import socket
import threading
from collections.abc import Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import grpc
import grpc.aio
import uvloop
from google.protobuf import descriptor_pool
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from google.rpc import error_details_pb2, status_pb2

from rest_bridge.__main__ import server as build_server
from rest_bridge.settings import Settings

T = TypeVar("T")

NOT_BUILT = Path(__file__).parent / "not-built"
"""A folder that is not there: what a test sees must not depend on whether the page is built."""

UNREADABLE_PREFIX = "/bottrading.unreadable"

PREFIX = "/api/trade/v1/bot"
BOT_KEY = {"X-Bot-Key": "tvt_test"}
TOKEN = {"Authorization": "Bearer a.b.c"}


@dataclass(frozen=True)
class Failure:
    """The failure of a call: like one of the server, or like one of gRPC if `reason` is empty."""

    code: grpc.StatusCode
    reason: str = ""
    message: str = "refused"
    domain: str = "bottrading"
    violations: tuple[tuple[str, str], ...] = ()
    retry_seconds: float | None = None
    metadata: tuple[tuple[str, str], ...] = ()

    def details(self) -> bytes:
        info = error_details_pb2.ErrorInfo(reason=self.reason, domain=self.domain)
        info.metadata.update(self.metadata)
        packed: list[Message] = [info]
        if self.violations:
            bad_request = error_details_pb2.BadRequest()
            for name, description in self.violations:
                bad_request.field_violations.add(field=name, description=description)
            packed.append(bad_request)
        if self.retry_seconds is not None:
            delay = Duration()
            delay.FromMicroseconds(int(self.retry_seconds * 1_000_000))
            packed.append(error_details_pb2.RetryInfo(retry_delay=delay))
        status = status_pb2.Status(code=self.code.value[0], message=self.message)
        for detail in packed:
            status.details.append(_packed(detail))
        serialized: bytes = status.SerializeToString()
        return serialized


def _packed(message: Message) -> AnyMessage:
    packed = AnyMessage()
    packed.Pack(message)
    return packed


@dataclass
class Call:
    """What the double received."""

    method: str
    request: Message
    metadata: list[tuple[str, str | bytes]]

    def all(self, key: str) -> list[str | bytes]:
        return [value for name, value in self.metadata if name == key]


OPEN = "open"
"""A step of a stream's script: say that the stream is open."""

HOLD = "hold"
"""A step of a stream's script: send nothing more until the stream is ended."""


@dataclass
class ServerDouble(grpc.GenericRpcHandler):
    """Answers each method as set, others with an empty message, and records calls.

    Streams that are opened follow the scripts in turn, where there are any.
    """

    outcomes: dict[str, Message | Failure | bytes] = field(default_factory=dict)
    trailing: tuple[tuple[str, str], ...] = ()
    held: set[str] = field(default_factory=set)
    calls: list[Call] = field(default_factory=list)
    scripts: list[list[Message | Failure | str]] = field(default_factory=list)
    arrived: threading.Event = field(default_factory=threading.Event)
    left: threading.Event = field(default_factory=threading.Event)
    probed: int = 0

    def reset(self) -> None:
        self.__init__()  # type: ignore[misc]

    def service(self, details: grpc.HandlerCallDetails) -> Any:
        path = details.method.removeprefix(UNREADABLE_PREFIX)
        name = path.removeprefix("/").replace("/", ".")
        method = descriptor_pool.Default().FindMethodByName(name)
        request_class = GetMessageClass(method.input_type)

        async def answer(request: bytes, context: Any) -> bytes:
            metadata = [(key, value) for key, value in details.invocation_metadata]
            self.arrived.set()
            if method.name in self.held:
                await asyncio.Event().wait()
            outcome = self.outcomes.get(method.name)
            self.calls.append(Call(method.name, request_class.FromString(request), metadata))
            if isinstance(outcome, Failure):
                return await self._fail(outcome, context)
            context.set_trailing_metadata(self.trailing)
            if isinstance(outcome, Message):
                return outcome.SerializeToString()
            return outcome or b""

        async def refuse(_: bytes, context: Any) -> bytes:
            self.probed += 1
            outcome = self.outcomes.get(method.name)
            malformed = Failure(grpc.StatusCode.INVALID_ARGUMENT, "MALFORMED_REQUEST")
            return await self._fail(outcome if isinstance(outcome, Failure) else malformed, context)

        async def stream(request: bytes, context: Any) -> Any:
            if not self.scripts:
                yield await answer(request, context)
                return
            metadata = [(key, value) for key, value in details.invocation_metadata]
            self.calls.append(Call(method.name, request_class.FromString(request), metadata))
            for step in self.scripts.pop(0):
                if isinstance(step, Failure):
                    await self._fail(step, context)
                elif isinstance(step, Message):
                    yield step.SerializeToString()
                else:
                    await self._do(step, context)

        if path != details.method:
            return grpc.unary_unary_rpc_method_handler(refuse)
        if method.server_streaming:
            return grpc.unary_stream_rpc_method_handler(stream)
        return grpc.unary_unary_rpc_method_handler(answer)

    async def _do(self, step: str, context: Any) -> None:
        """Take one step of a script that sends no message."""
        if step == OPEN:
            await context.send_initial_metadata((("x-request-id", "theirs"), *self.trailing))
            return
        left = self.left  # Each test has its own.
        self.arrived.set()
        try:
            await asyncio.Event().wait()
        finally:
            left.set()

    async def _fail(self, failure: Failure, context: Any) -> NoReturn:
        if failure.reason:
            details = (("grpc-status-details-bin", failure.details()),)
            context.set_trailing_metadata((*self.trailing, *details))
        await context.abort(failure.code, failure.message)
        raise AssertionError("abort raises")


async def started_server(
    address: str, handler: ServerDouble, *options: tuple[str, int]
) -> tuple[grpc.aio.Server, int]:
    # Like the real server, it refuses no call of a client within the limit of streams.
    own = [("grpc.so_reuseport", 0), ("grpc.http.overload_protection", 0)]
    server = grpc.aio.server(options=[*own, *options])
    server.add_generic_rpc_handlers((handler,))
    port = server.add_insecure_port(address)
    await server.start()
    return server, port


class House:
    """An event loop in a thread of its own, where the double and the bridges live."""

    def __init__(self) -> None:
        self.loop = uvloop.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(timeout=30)

    def close(self) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()

    def bridge(self, **settings: Any) -> "RunningBridge":
        built_page = settings.pop("built_page", NOT_BUILT)
        return RunningBridge(self, Settings(rest="127.0.0.1:0", **settings), built_page)


class RunningBridge:
    """A bridge under uvicorn, on a port of the kernel's choice."""

    def __init__(self, house: House, settings: Settings, built_page: Path) -> None:
        self._house = house
        self._server = build_server(settings, built_page)
        app: Any = self._server.config.app
        self.provider = app.state.provider
        self._serving = asyncio.run_coroutine_threadsafe(self._server.serve(), house.loop)
        house.run(self._started())
        self.port: int = self._server.servers[0].sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"

    async def _started(self) -> None:
        # uvicorn tells it has started by a flag alone.
        while not self._server.started:  # noqa: ASYNC110
            await asyncio.sleep(0.005)

    def close(self) -> None:
        self._server.should_exit = True
        self._serving.result(timeout=30)

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=10)

    def exchange(self, request: bytes) -> bytes:
        """Send bytes as they are and return all that comes back until the bridge closes."""
        with self.connect() as connection:
            connection.sendall(request)
            return received(connection)


def received(connection: socket.socket) -> bytes:
    answer = b""
    while chunk := connection.recv(65536):
        answer += chunk
    return answer
