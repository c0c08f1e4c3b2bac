"""Dispatch: the end of the chain, which serves each call as its row says."""

from collections.abc import Iterable, Mapping
from typing import Any

from google.protobuf.message import DecodeError

from server.application.market_ports import Instruments
from server.application.ports import Clock
from server.application.refusals import MALFORMED
from server.engine.client import Engine
from server.rpc.call import Call, Handler
from server.rpc.errors import Refused
from server.rpc.figures import Figures
from server.rpc.reading import SharedReading, accepted
from server.wire.contract import Method
from server.wire.rows import Decided, Queried, Row, Streamed, Surroundings, bound


class Dispatcher:
    """Serves calls that passed all interceptors; no request is parsed before."""

    def __init__(
        self,
        rows: Mapping[str, Row],
        *,
        engine: Engine,
        readers: Iterable[object],
        reading: SharedReading,
        figures: Figures,
        instruments: Instruments,
        clock: Clock,
    ) -> None:
        self._rows = rows
        self._engine = engine
        self._readers = tuple(readers)
        self._read = reading.for_caller
        self._figures = figures
        self._instruments = instruments
        self._clock = clock

    def handler(self, method: Method) -> Handler:
        """Return the handler that serves a method."""
        row = self._rows[method.path]
        match row:
            case Decided():
                return self._decided(method, row)
            case Queried():
                return self._queried(method, row)
            case Streamed():
                return self._streamed(method, row)

    def _decided(self, method: Method, row: Decided[Any, Any, Any]) -> Handler:
        """Pass a request's bytes to the engine, which parses them, and return its answer."""
        engine, name, shard = self._engine, method.name, row.shard
        if row.complete is None:

            async def forward(call: Call) -> bytes:
                return await engine.call(name, call.caller, call.body, shard, call.receipt)

            return forward
        complete = bound(row.complete, [self._figures])

        async def handle(call: Call) -> bytes:
            answer = method.response_type.FromString(
                await engine.call(name, call.caller, call.body, shard, call.receipt)
            )
            await complete(call, answer)
            return bytes(answer.SerializeToString())

        return handle

    def _queried(self, method: Method, row: Queried[Any, Any, Any]) -> Handler:
        query, read = bound(row.query, self._readers), self._read
        complete = row.complete and bound(row.complete, [self._figures])
        if row.is_large:

            def answer_aside(wanted: Any) -> bytes:
                return bytes(row.answer(accepted(query(wanted))).SerializeToString())

            async def pass_on(call: Call) -> bytes:
                return await read(call, answer_aside, self._wanted(method, row, call))

            return pass_on

        async def handle(call: Call) -> bytes:
            wanted = self._wanted(method, row, call)
            found = query(wanted) if row.from_memory else await read(call, query, wanted)
            answer = row.answer(accepted(found))
            if complete is not None:
                await complete(call, answer)
            return answer.SerializeToString()

        return handle

    def _streamed(self, method: Method, row: Streamed[Any, Any]) -> Handler:
        send = bound(row.send, self._readers)

        async def handle(call: Call) -> bytes:
            await send(self._wanted(method, row, call), call)
            return b""

        return handle

    def _wanted(
        self, method: Method, row: Queried[Any, Any, Any] | Streamed[Any, Any], call: Call
    ) -> Any:
        try:
            request = method.request_type.FromString(call.body)
        except DecodeError:
            raise Refused(MALFORMED) from None
        given = Surroundings(self._instruments, self._clock())
        return accepted(row.read(request, call.caller, given))


async def refuse_unreadable(_: Call) -> bytes:
    """Refuse a call whose request the bridge could not write as a message."""
    raise Refused(MALFORMED)
