"""Refusals on the wire: the status of each reason, and its details."""

import math
from dataclasses import dataclass

from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2
from grpc import StatusCode

from server.domain.errors import Reason, Refusal

DOMAIN = "bottrading"

_CODES: dict[StatusCode, tuple[Reason, ...]] = {
    StatusCode.UNAUTHENTICATED: (
        Reason.TWO_CREDENTIALS,
        Reason.BOT_KEY_INVALID,
        Reason.BOT_KEY_REQUIRED,
        Reason.TOKEN_INVALID,
    ),
    StatusCode.PERMISSION_DENIED: (
        Reason.TOKEN_REQUIRED,
        Reason.OPERATOR_REQUIRED,
        Reason.KEY_SCOPE_MISSING,
        Reason.INSTRUMENT_NOT_ALLOWED,
    ),
    StatusCode.RESOURCE_EXHAUSTED: (
        Reason.MESSAGE_TOO_LARGE,
        Reason.ORDER_RATE_EXCEEDED,
        Reason.REQUEST_RATE_EXCEEDED,
        Reason.DAILY_QUOTA_EXCEEDED,
        Reason.STREAM_LIMIT_EXCEEDED,
        Reason.READER_TOO_SLOW,
    ),
    StatusCode.INVALID_ARGUMENT: (
        Reason.ACCOUNT_ID_REQUIRED,
        Reason.MALFORMED_REQUEST,
        Reason.UNKNOWN_FIELD,
        Reason.FIELD_INVALID,
        Reason.FIELD_REQUIRED,
        Reason.ENUM_VALUE_UNKNOWN,
        Reason.DECIMAL_INVALID,
        Reason.NOT_POSITIVE,
        Reason.SYMBOL_UNKNOWN,
        Reason.ASSET_TYPE_MISMATCH,
        Reason.INSTRUMENT_EXPIRED,
        Reason.LIMIT_PRICE_REQUIRED,
        Reason.STOP_PRICE_REQUIRED,
        Reason.TRAIL_REQUIRED,
        Reason.LIMIT_PRICE_NOT_ALLOWED,
        Reason.STOP_PRICE_NOT_ALLOWED,
        Reason.TRAIL_NOT_ALLOWED,
        Reason.QUANTITY_OFF_STEP,
        Reason.PRICE_OFF_TICK,
        Reason.TIME_IN_FORCE_NOT_ALLOWED,
        Reason.EXIT_PRICE_INVALID,
        Reason.PAGE_TOKEN_INVALID,
    ),
    StatusCode.UNIMPLEMENTED: (Reason.NOT_OFFERED, Reason.METHOD_NOT_ALLOWED),
    StatusCode.NOT_FOUND: (
        Reason.ORDER_NOT_FOUND,
        Reason.BOT_KEY_NOT_FOUND,
        Reason.POSITION_NOT_FOUND,
        Reason.ACCOUNT_NOT_FOUND,
        Reason.HOST_UNKNOWN,
        Reason.ROUTE_NOT_FOUND,
    ),
    StatusCode.ALREADY_EXISTS: (Reason.CLIENT_ORDER_ID_REUSED,),
    StatusCode.FAILED_PRECONDITION: (
        Reason.ORDER_NOT_LIVE,
        Reason.QUANTITY_ALREADY_FILLED,
        Reason.QUANTITY_TOO_SMALL,
        Reason.NOTIONAL_TOO_SMALL,
        Reason.BOT_KEY_LIMIT_REACHED,
        Reason.ACCOUNT_LIMIT_REACHED,
        Reason.DEPOSIT_TOO_LARGE,
        Reason.LIVE_ORDERS,
        Reason.MARGIN_IN_USE,
        Reason.MARKET_NOT_PUBLISHED,
        Reason.MARKET_NOT_STEPPED,
        Reason.PARTICIPANTS_COMPLETE,
    ),
    StatusCode.OUT_OF_RANGE: (Reason.SEQUENCE_IN_FUTURE,),
    StatusCode.ABORTED: (Reason.CONFLICT,),
    StatusCode.UNAVAILABLE: (Reason.UNAVAILABLE,),
    StatusCode.DEADLINE_EXCEEDED: (Reason.DEADLINE_EXCEEDED,),
    StatusCode.INTERNAL: (Reason.INTERNAL,),
}

OUTCOMES = frozenset(
    {
        Reason.TRADING_HALTED,
        Reason.DAILY_LOSS_REACHED,
        Reason.TOO_MANY_OPEN_ORDERS,
        Reason.ORDER_TOO_LARGE,
        Reason.ORDER_NOTIONAL_EXCEEDED,
        Reason.POSITION_SHARE_EXCEEDED,
        Reason.INSUFFICIENT_BUYING_POWER,
        Reason.INSUFFICIENT_POSITION,
        Reason.MARKET_CLOSED,
        Reason.NO_QUOTE,
        Reason.FOK_NOT_FILLABLE,
    }
)
"""Reasons of rejected orders; some calls, such as ReplaceOrder, are refused with them too."""

STATUS_OF: dict[Reason, StatusCode] = dict.fromkeys(OUTCOMES, StatusCode.FAILED_PRECONDITION) | {
    reason: code for code, reasons in _CODES.items() for reason in reasons
}

VIOLATIONS_TOLD_MAX = 10
"""More violations would not fit into the trailing metadata of a call."""

LIMITS = frozenset(
    {
        Reason.ORDER_RATE_EXCEEDED,
        Reason.REQUEST_RATE_EXCEEDED,
        Reason.DAILY_QUOTA_EXCEEDED,
        Reason.STREAM_LIMIT_EXCEEDED,
    }
)


class Refused(Exception):
    """Carries the refusal of a call through the interceptors.

    `last_sequence` is set for a stream that can be resumed.
    """

    def __init__(self, refusal: Refusal, last_sequence: int | None = None) -> None:
        super().__init__(refusal.reason.value)
        self.refusal = refusal
        self.last_sequence = last_sequence
        self.code = StatusCode.NOT_FOUND if refusal.is_not_found else STATUS_OF[refusal.reason]


def refuse(reason: Reason, message: str) -> Refused:
    """Return the exception for a refusal without details."""
    return Refused(Refusal(reason=reason, message=message))


@dataclass(frozen=True, slots=True)
class Status:
    """The answer to a refused call: a code, a sentence and google.rpc details as bytes."""

    code: StatusCode
    message: str
    details: bytes


def status_of(refused: Refused, *, is_begun: bool) -> Status:
    """Return the status of a refused call, with ErrorInfo and the other details.

    `is_begun` tells whether anything may have been done for the call.
    """
    refusal = refused.refusal
    info = error_details_pb2.ErrorInfo(reason=refusal.reason.value, domain=DOMAIN)
    if refused.last_sequence is not None:
        info.metadata["last_sequence"] = str(refused.last_sequence)
    # All other reasons say by themselves whether the call changed anything.
    if refusal.reason is Reason.UNAVAILABLE and (refusal.is_not_executed or not is_begun):
        info.metadata["executed"] = "false"
    details: list[Message] = [info]
    if refusal.violations:
        details.append(
            error_details_pb2.BadRequest(
                field_violations=[
                    error_details_pb2.BadRequest.FieldViolation(
                        field=item.field, description=item.message, reason=item.reason.value
                    )
                    for item in refusal.violations[:VIOLATIONS_TOLD_MAX]
                ]
            )
        )
    if refusal.reason in LIMITS:
        violation = error_details_pb2.QuotaFailure.Violation(
            subject="account", description=refusal.message
        )
        details.append(error_details_pb2.QuotaFailure(violations=[violation]))
    if refusal.retry_after_seconds is not None:
        seconds = max(math.ceil(refusal.retry_after_seconds), 1)
        details.append(error_details_pb2.RetryInfo(retry_delay=Duration(seconds=seconds)))
    status = status_pb2.Status(code=refused.code.value[0], message=refusal.message)
    for detail in details:
        packed = AnyMessage()
        packed.Pack(detail)
        status.details.append(packed)
    return Status(refused.code, refusal.message, status.SerializeToString())
