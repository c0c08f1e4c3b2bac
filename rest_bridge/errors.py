"""Refusals over HTTP, in one shape, whether the bridge or the server refuses."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeAlias

import grpc
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2

RawMetadata: TypeAlias = Iterable[tuple[str, str | bytes]]

_DOMAIN = "bottrading"
_STATUS_DETAILS_KEY = "grpc-status-details-bin"

_KINDS = {
    400: "validation_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found",
    405: "validation_error",
    408: "validation_error",
    409: "validation_error",
    410: "validation_error",
    413: "validation_error",
    421: "validation_error",
    422: "validation_error",
    429: "rate_limit_error",
    431: "validation_error",
    500: "server_error",
    501: "server_error",
    503: "service_unavailable",
    504: "service_unavailable",
}

_QUOTA_EXCEEDED = "quota_exceeded"

REFUSAL_TYPES = sorted({*_KINDS.values(), _QUOTA_EXCEEDED})
"""All values of `type` in a refusal."""

_HTTP_STATUSES = {
    grpc.StatusCode.UNAUTHENTICATED: 401,
    grpc.StatusCode.PERMISSION_DENIED: 403,
    grpc.StatusCode.NOT_FOUND: 404,
    grpc.StatusCode.ABORTED: 409,
    grpc.StatusCode.OUT_OF_RANGE: 410,
    grpc.StatusCode.INVALID_ARGUMENT: 422,
    grpc.StatusCode.ALREADY_EXISTS: 422,
    grpc.StatusCode.FAILED_PRECONDITION: 422,
    grpc.StatusCode.RESOURCE_EXHAUSTED: 429,
    grpc.StatusCode.UNIMPLEMENTED: 501,
    grpc.StatusCode.UNAVAILABLE: 503,
    grpc.StatusCode.CANCELLED: 503,
    grpc.StatusCode.DEADLINE_EXCEEDED: 504,
}

_OUTCOME_UNKNOWN = "The outcome of a write is unknown: look it up by client_order_id."

# Texts for statuses that do not come from the server: texts of gRPC or of a driver are not shown.
_FOREIGN = {
    401: ("BOT_KEY_INVALID", "The credential was refused."),
    403: ("TOKEN_REQUIRED", "The credential does not allow this call."),
    404: ("ROUTE_NOT_FOUND", "Not found."),
    409: ("CONFLICT", "A conflict outlasted all retries; nothing changed, try again."),
    410: ("SEQUENCE_IN_FUTURE", "The log does not reach that far."),
    413: ("MESSAGE_TOO_LARGE", "The message is larger than the server accepts."),
    422: ("MALFORMED_REQUEST", "The server could not read the request."),
    429: ("REQUEST_RATE_EXCEEDED", "The server has too many calls in flight; try again."),
    500: ("INTERNAL", "Internal error. Quote the request id to the operator."),
    501: ("NOT_OFFERED", "The server does not offer this call."),
    503: ("UNAVAILABLE", f"The server cannot be reached. {_OUTCOME_UNKNOWN}"),
    504: ("DEADLINE_EXCEEDED", f"The deadline passed. {_OUTCOME_UNKNOWN}"),
}


@dataclass(frozen=True, slots=True)
class Violation:
    """One wrong field, by its path in the request."""

    field: str
    message: str


class Refusal(Exception):
    """A refusal, by the bridge or by the server.

    `is_not_executed` tells, for UNAVAILABLE, that the call certainly changed nothing.
    """

    def __init__(
        self,
        status: int,
        reason: str,
        message: str,
        *,
        violations: tuple[Violation, ...] = (),
        retry_after_seconds: int = 1,
        headers: tuple[tuple[bytes, bytes], ...] = (),
        metadata: RawMetadata = (),
        is_not_executed: bool = False,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
        self.message = message
        self.violations = violations
        self.headers = headers
        self.metadata = metadata
        self.is_not_executed = is_not_executed
        if status in (429, 503):
            self.headers += ((b"retry-after", b"%d" % max(1, retry_after_seconds)),)

    @property
    def kind(self) -> str:
        return _QUOTA_EXCEEDED if self.reason == "DAILY_QUOTA_EXCEEDED" else _KINDS[self.status]


def not_executed(message: str) -> Refusal:
    """Return the refusal of a call that the bridge did not pass on to the server."""
    return Refusal(503, "UNAVAILABLE", message, is_not_executed=True)


def route_not_found() -> Refusal:
    return Refusal(404, "ROUTE_NOT_FOUND", "No call has this path: /openapi.json lists all paths.")


def method_not_allowed(allow: tuple[bytes, bytes]) -> Refusal:
    message = f"This path takes only {allow[1].decode('ascii')}."
    return Refusal(405, "METHOD_NOT_ALLOWED", message, headers=(allow,))


def body_too_large(body_bytes_max: int) -> Refusal:
    return Refusal(413, "MESSAGE_TOO_LARGE", f"The body must have at most {body_bytes_max} bytes.")


def internal_error() -> Refusal:
    return Refusal(500, *_FOREIGN[500])


def refusal_from_status(code: grpc.StatusCode, text: str | None, metadata: RawMetadata) -> Refusal:
    """Translate a failed call: keep the server's message, and replace any other by a fixed one."""
    status = _HTTP_STATUSES.get(code, 500)
    details = _details(metadata)
    info = error_details_pb2.ErrorInfo()
    for packed in details.details:
        if packed.Is(info.DESCRIPTOR):
            packed.Unpack(info)
    if info.domain != _DOMAIN:
        # gRPC has one code for an oversized message and a full server; only the words differ.
        if status == 429 and "larger than max" in (text or ""):
            status = 413
        return Refusal(status, *_FOREIGN[status], metadata=metadata)
    if info.reason == "MESSAGE_TOO_LARGE":
        status = 413
    return Refusal(
        status,
        info.reason,
        details.message or text or _FOREIGN[status][1],
        violations=_violations(details),
        retry_after_seconds=_retry_after_seconds(details),
        metadata=metadata,
        is_not_executed=info.metadata.get("executed") == "false",
    )


def _details(metadata: RawMetadata) -> status_pb2.Status:
    for key, value in metadata:
        if key == _STATUS_DETAILS_KEY and isinstance(value, bytes):
            try:
                return status_pb2.Status.FromString(value)
            except DecodeError:
                break
    return status_pb2.Status()


def _violations(details: status_pb2.Status) -> tuple[Violation, ...]:
    bad_request = error_details_pb2.BadRequest()
    for packed in details.details:
        if packed.Is(bad_request.DESCRIPTOR):
            packed.Unpack(bad_request)
    return tuple(
        Violation(field=violation.field, message=violation.description)
        for violation in bad_request.field_violations
    )


def _retry_after_seconds(details: status_pb2.Status) -> int:
    retry = error_details_pb2.RetryInfo()
    for packed in details.details:
        if packed.Is(retry.DESCRIPTOR):
            packed.Unpack(retry)
    delay: timedelta = retry.retry_delay.ToTimedelta()
    return math.ceil(delay.total_seconds())
