"""HTTP answers, with the headers that successes and refusals share."""

from dataclasses import dataclass, replace

import orjson
import uuid_utils
from starlette.types import Send

from rest_bridge.errors import RawMetadata, Refusal
from rest_bridge.transcoding import Answer, HttpHeaders

_RATE_HEADERS = {
    "x-ratelimit-limit": (b"x-ratelimit-limit", b"x-vq-ratelimit-limit"),
    "x-ratelimit-remaining": (b"x-ratelimit-remaining", b"x-vq-ratelimit-remaining"),
    "x-ratelimit-reset": (b"x-ratelimit-reset", b"x-vq-ratelimit-reset"),
}
EXPOSED_HEADERS = (
    "x-request-id",
    "x-next-page-token",
    "x-skipped-orders",
    "x-skipped-positions",
    "x-notice",
    "retry-after",
    *(name.decode("ascii") for names in _RATE_HEADERS.values() for name in names),
)


@dataclass(frozen=True, slots=True)
class Reply:
    """Status, headers and body, ready to be sent."""

    status: int
    headers: HttpHeaders
    body: bytes

    async def send(self, send: Send) -> None:
        await self.begin(send)
        await send({"type": "http.response.body", "body": self.body})

    async def begin(self, send: Send) -> None:
        """Send status and headers alone."""
        start = {"type": "http.response.start", "status": self.status, "headers": self.headers}
        await send(start)


def success(answer: Answer, metadata: RawMetadata, request_id: str | None) -> Reply:
    """Reply with an answer; `request_id` is the caller's own, if any."""
    _, headers = _common_headers(metadata, request_id)
    headers.extend(answer.headers)
    return _json_reply(answer.status, headers, answer.body)


def refusal(refused: Refusal, request_id: str | None) -> Reply:
    """Reply with a refusal; `request_id` is the caller's own, if any."""
    told_id, headers = _common_headers(refused.metadata, request_id)
    headers.extend(refused.headers)
    error: dict[str, object] = {
        "type": refused.kind,
        "reason": refused.reason,
        "message": refused.message,
        "violations": refused.violations,
    }
    if refused.is_not_executed:
        error["executed"] = False
    body = {
        "type": refused.kind,
        "message": refused.message,
        "detail": refused.message,
        "error": error,
        "request_id": told_id,
    }
    return _json_reply(
        refused.status, headers, orjson.dumps(body, option=orjson.OPT_APPEND_NEWLINE)
    )


COME_AGAIN = b"retry: 1000\n\n"
"""The beginning of a stream: after how many milliseconds a browser reconnects."""


def empty_stream(request_id: str | None) -> Reply:
    """Reply with a stream that ends at once, because a browser does not retry after a refusal."""
    return replace(stream_head((), request_id), body=COME_AGAIN)


def stream_head(metadata: RawMetadata, request_id: str | None) -> Reply:
    """Reply with the head of a stream of events; `request_id` is the caller's own, if any."""
    _, headers = _common_headers(metadata, request_id)
    headers += [
        (b"content-type", b"text/event-stream; charset=utf-8"),
        (b"cache-control", b"no-store, no-transform"),
        # Proxies that buffer answers are told not to.
        (b"x-accel-buffering", b"no"),
    ]
    return Reply(200, headers, b"")


def no_content(headers: HttpHeaders, request_id: str | None) -> Reply:
    return Reply(204, [*_common_headers((), request_id)[1], *headers], b"")


def new_request_id() -> str:
    return str(uuid_utils.uuid7())


def _json_reply(status: int, headers: HttpHeaders, body: bytes) -> Reply:
    headers.append((b"content-type", b"application/json"))
    # Answers hold keys, tickets and account data, which no cache may store.
    headers.append((b"cache-control", b"no-store"))
    headers.append((b"content-length", b"%d" % len(body)))
    return Reply(status, headers, body)


def _common_headers(
    metadata: RawMetadata, caller_request_id: str | None
) -> tuple[str, HttpHeaders]:
    """Return the request id and the headers that carry it and the rates.

    The id comes from the server; if no server was called, it is the caller's own or a new one.
    """
    request_id = ""
    headers: HttpHeaders = []
    for key, value in metadata:
        if not isinstance(value, str):
            continue
        if key in _RATE_HEADERS:
            headers.extend((name, value.encode("ascii")) for name in _RATE_HEADERS[key])
        elif key == "x-request-id":
            request_id = value
    request_id = request_id or caller_request_id or new_request_id()
    headers.append((b"x-request-id", request_id.encode("ascii")))
    return request_id, headers
