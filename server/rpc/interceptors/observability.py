"""Observability: a request id, one log line and the counters of every call."""

import asyncio
import logging
import re
import time
from collections.abc import Callable
from dataclasses import dataclass

import orjson
from grpc import StatusCode
from prometheus_client import CollectorRegistry, Counter, Histogram

from server.application.ports import Clock
from server.domain.values import SECOND
from server.rpc.call import Call, Handler
from server.wire.contract import Method

REQUEST_ID_HEADER = "x-request-id"
FLUSH_INTERVAL_SECONDS = 0.02
LATENCY_BUCKETS_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 10.0)

_REQUEST_ID = re.compile(r"[\x21-\x7e]{1,128}")

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Finished:
    """The record of a finished call."""

    method: Method
    code: StatusCode
    reason: str
    seconds: float
    request_id: str
    account_id: str
    bot_key_id: str
    time: float


def json_line(call: Finished) -> bytes:
    """Return a call as a line for programs."""
    return orjson.dumps(
        {
            "time": round(call.time, 6),
            "event": "call",
            "method": call.method.name,
            "code": call.code.name,
            "reason": call.reason,
            "ms": round(call.seconds * 1000, 3),
            "request_id": call.request_id,
            "account_id": call.account_id,
            "bot_key_id": call.bot_key_id,
        },
        option=orjson.OPT_APPEND_NEWLINE,
    )


class CallJournal:
    """Collects finished calls and writes lines and counters together, every 20 ms.

    To write them with each call would cost as much as an order itself.
    """

    def __init__(
        self,
        write: Callable[[bytes], object],
        registry: CollectorRegistry,
        line: Callable[[Finished], bytes] = json_line,
    ) -> None:
        self._write = write
        self._line = line
        self._finished: list[Finished] = []
        self._calls = Counter(
            "bottrading_calls",
            "Calls by method, status and reason.",
            ["method", "code", "reason"],
            registry=registry,
        )
        self._latency = Histogram(
            "bottrading_call_seconds",
            "Time from the first interceptor to the answer.",
            ["method"],
            registry=registry,
            buckets=LATENCY_BUCKETS_SECONDS,
        )

    def add(self, finished: Finished) -> None:
        """Record a finished call."""
        if not self._finished:
            asyncio.get_running_loop().call_later(FLUSH_INTERVAL_SECONDS, self.flush)
        self._finished.append(finished)

    def flush(self) -> None:
        """Write the collected calls."""
        finished, self._finished = self._finished, []
        counts: dict[tuple[str, str, str], int] = {}
        for call in finished:
            key = (call.method.name, call.code.name, call.reason)
            counts[key] = counts.get(key, 0) + 1
            self._latency.labels(call.method.name).observe(call.seconds)
        for labels, count in counts.items():
            self._calls.labels(*labels).inc(count)
        if finished:
            self._write(b"".join(map(self._line, finished)))


class Observability:
    """The outermost interceptor: it sees every call, refused ones too, and sends their status."""

    def __init__(self, *, journal: CallJournal, clock: Clock, new_id: Callable[[], str]) -> None:
        self._journal = journal
        self._clock = clock
        self._new_id = new_id

    def wrap(self, method: Method, proceed: Handler) -> Handler:
        """Return a handler that records its call."""

        async def handle(call: Call) -> bytes:
            begun = time.perf_counter()
            call.request_id = self._request_id(call)
            try:
                answer = await proceed(call)
                call.context.set_trailing_metadata(
                    (*answer_headers(call, self._clock), *call.trailers)
                )
                return answer
            except asyncio.CancelledError:
                call.code = StatusCode.CANCELLED
                raise
            finally:
                self._journal.add(self._finished(call, time.perf_counter() - begun))

        return handle

    def _request_id(self, call: Call) -> str:
        for name, value in call.metadata:
            if name == REQUEST_ID_HEADER and _REQUEST_ID.fullmatch(str(value)):
                return str(value)
        return self._new_id()

    def _finished(self, call: Call, seconds: float) -> Finished:
        principal = call.principal
        return Finished(
            call.method,
            call.code,
            call.reason,
            seconds,
            call.request_id,
            principal.account_id if principal else "",
            principal.bot_key_id or "" if principal else "",
            self._clock() / SECOND,
        )


def answer_headers(call: Call, clock: Clock) -> tuple[tuple[str, str], ...]:
    """Return the metadata that every answer carries: request id and rates."""
    figures = call.figures
    if figures is None:
        return ((REQUEST_ID_HEADER, call.request_id),)
    reset = -(-(clock() + figures.reset_in) // SECOND)
    return (
        (REQUEST_ID_HEADER, call.request_id),
        ("x-ratelimit-limit", str(figures.limit)),
        ("x-ratelimit-remaining", str(figures.remaining)),
        ("x-ratelimit-reset", str(reset)),
    )
