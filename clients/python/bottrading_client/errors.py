"""Exceptions: one class for each way in which a caller has to react.

An order that the trading rules reject is no error but an `Order` that is REJECTED.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import grpc
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2

from bottrading_client.enums import ErrorReason


@dataclass(frozen=True, slots=True)
class Violation:
    """What is wrong with one field of a request."""

    field: str
    message: str
    reason: ErrorReason


class BotTradingError(Exception):
    """A call failed; the message says what to change.

    `reason` and `request_id` are None if the service gave none. `metadata` holds details of the
    reason, and `status` is the status code of gRPC.
    """

    def __init__(
        self,
        message: str,
        *,
        reason: ErrorReason | None = None,
        status: str = "UNKNOWN",
        violations: tuple[Violation, ...] = (),
        request_id: str | None = None,
        metadata: Mapping[str, str] | None = None,
        retry_after: float | None = None,
        is_not_executed: bool = False,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.reason = reason
        self.status = status
        self.violations = violations
        self.request_id = request_id
        self.metadata = dict(metadata or {})
        self.retry_after = retry_after
        """Seconds after which to try again; None if the service gave none."""
        self.is_not_executed = is_not_executed
        """Whether a service that is unavailable said that the call certainly changed nothing."""


class AuthenticationFailed(BotTradingError):
    """The key or token is missing, unknown, revoked or expired."""


class PermissionDenied(BotTradingError):
    """The key or token is valid, but may not do this."""


class InvalidRequest(BotTradingError):
    """The request is invalid; `violations` say where."""


class NotFound(BotTradingError):
    """The object does not exist or belongs to another account."""


class Conflict(BotTradingError):
    """The request does not fit the current state."""


class RateLimited(BotTradingError):
    """Too many calls, orders or streams; `retry_after` says when to try again."""


class QuotaExceeded(BotTradingError):
    """The daily quota of calls is used up."""


class NotOffered(BotTradingError):
    """The server does not offer this call."""


class ServiceUnavailable(BotTradingError):
    """The server is down or shutting down; a later call may succeed."""


class DeadlineExceeded(BotTradingError):
    """No answer came in time."""


class InternalError(BotTradingError):
    """A bug of the server; the message holds an id to quote to its operator."""


class OutcomeUnknown(BotTradingError):
    """A change was sent and no answer came: it may have happened or not.

    Look up an order by `client_order_id`, or repeat the call with the same id. For other changes
    `client_order_id` is empty. `__cause__` is the error of the last attempt.
    """

    client_order_id = ""


_BY_STATUS: dict[grpc.StatusCode, type[BotTradingError]] = {
    grpc.StatusCode.UNAUTHENTICATED: AuthenticationFailed,
    grpc.StatusCode.PERMISSION_DENIED: PermissionDenied,
    grpc.StatusCode.INVALID_ARGUMENT: InvalidRequest,
    grpc.StatusCode.NOT_FOUND: NotFound,
    grpc.StatusCode.ALREADY_EXISTS: Conflict,
    grpc.StatusCode.FAILED_PRECONDITION: Conflict,
    grpc.StatusCode.OUT_OF_RANGE: Conflict,
    grpc.StatusCode.ABORTED: Conflict,
    grpc.StatusCode.RESOURCE_EXHAUSTED: RateLimited,
    grpc.StatusCode.UNIMPLEMENTED: NotOffered,
    grpc.StatusCode.UNAVAILABLE: ServiceUnavailable,
    grpc.StatusCode.DEADLINE_EXCEEDED: DeadlineExceeded,
    grpc.StatusCode.INTERNAL: InternalError,
}

# Reasons that say more than their status.
_BY_REASON: dict[str, type[BotTradingError]] = {
    ErrorReason.MESSAGE_TOO_LARGE: InvalidRequest,
    ErrorReason.DAILY_QUOTA_EXCEEDED: QuotaExceeded,
    ErrorReason.UNAVAILABLE: ServiceUnavailable,
}

# Statuses that gRPC sets when the service did not answer. A server's shutdown causes several.
_REASONS: dict[grpc.StatusCode, ErrorReason] = {
    grpc.StatusCode.UNAVAILABLE: ErrorReason.UNAVAILABLE,
    grpc.StatusCode.CANCELLED: ErrorReason.UNAVAILABLE,
    grpc.StatusCode.UNKNOWN: ErrorReason.UNAVAILABLE,
    grpc.StatusCode.INTERNAL: ErrorReason.UNAVAILABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED: ErrorReason.DEADLINE_EXCEEDED,
    grpc.StatusCode.RESOURCE_EXHAUSTED: ErrorReason.MESSAGE_TOO_LARGE,
}


def error_of(failed: grpc.RpcError) -> BotTradingError:
    """Return the exception for a failed call of either kind of channel."""
    call: Any = failed  # It is also a grpc.Call, which its type does not say.
    code, trailers = call.code(), dict(call.trailing_metadata() or ())
    info, bad, retry = _details(trailers.get("grpc-status-details-bin", b""))
    reason = ErrorReason.named(info.reason) if info.reason else _REASONS.get(code)
    kind = _BY_REASON.get(reason or "") or _BY_STATUS.get(code, BotTradingError)
    metadata = dict(info.metadata)
    executed = metadata.pop("executed", None)
    return kind(
        call.details() or code.name,
        reason=reason,
        status=code.name,
        violations=tuple(
            Violation(item.field, item.description, ErrorReason.named(item.reason))
            for item in bad.field_violations
        ),
        request_id=trailers.get("x-request-id"),
        metadata=metadata,
        retry_after=None if retry is None else retry.retry_delay.ToTimedelta().total_seconds(),
        is_not_executed=executed == "false",
    )


def outcome_unknown(refusal: BotTradingError, client_order_id: str | None) -> OutcomeUnknown:
    """Return the exception for a change with a lost answer, from the error of its last attempt."""
    unknown = OutcomeUnknown(
        f"It is not known whether the change was made: {refusal.message}",
        reason=refusal.reason,
        status=refusal.status,
        request_id=refusal.request_id,
        metadata=refusal.metadata,
        retry_after=refusal.retry_after,
    )
    unknown.client_order_id = client_order_id or ""
    return unknown


def _details(
    packed: bytes,
) -> tuple[
    error_details_pb2.ErrorInfo, error_details_pb2.BadRequest, error_details_pb2.RetryInfo | None
]:
    info, bad, retry = (
        error_details_pb2.ErrorInfo(),
        error_details_pb2.BadRequest(),
        error_details_pb2.RetryInfo(),
    )
    found: set[str] = set()
    try:
        for detail in status_pb2.Status.FromString(packed).details:
            for kind in (info, bad, retry):
                if detail.Unpack(kind):
                    found.add(kind.DESCRIPTOR.name)
    except DecodeError:
        pass  # A proxy between here and the service answered; the status is still valid.
    return info, bad, retry if retry.DESCRIPTOR.name in found else None
