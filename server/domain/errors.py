"""Refusals: why a call or an order is turned down, as values rather than exceptions."""

from dataclasses import dataclass
from enum import Enum


class Reason(Enum):
    """Every reason of the contract's ErrorReason, in order of precedence."""

    MESSAGE_TOO_LARGE = "MESSAGE_TOO_LARGE"
    TWO_CREDENTIALS = "TWO_CREDENTIALS"
    BOT_KEY_INVALID = "BOT_KEY_INVALID"
    BOT_KEY_REQUIRED = "BOT_KEY_REQUIRED"
    TOKEN_INVALID = "TOKEN_INVALID"
    TOKEN_REQUIRED = "TOKEN_REQUIRED"
    OPERATOR_REQUIRED = "OPERATOR_REQUIRED"
    KEY_SCOPE_MISSING = "KEY_SCOPE_MISSING"
    ORDER_RATE_EXCEEDED = "ORDER_RATE_EXCEEDED"
    REQUEST_RATE_EXCEEDED = "REQUEST_RATE_EXCEEDED"
    DAILY_QUOTA_EXCEEDED = "DAILY_QUOTA_EXCEEDED"
    STREAM_LIMIT_EXCEEDED = "STREAM_LIMIT_EXCEEDED"
    READER_TOO_SLOW = "READER_TOO_SLOW"
    ACCOUNT_ID_REQUIRED = "ACCOUNT_ID_REQUIRED"
    MALFORMED_REQUEST = "MALFORMED_REQUEST"
    UNKNOWN_FIELD = "UNKNOWN_FIELD"
    FIELD_INVALID = "FIELD_INVALID"
    FIELD_REQUIRED = "FIELD_REQUIRED"
    ENUM_VALUE_UNKNOWN = "ENUM_VALUE_UNKNOWN"
    DECIMAL_INVALID = "DECIMAL_INVALID"
    NOT_POSITIVE = "NOT_POSITIVE"
    SYMBOL_UNKNOWN = "SYMBOL_UNKNOWN"
    ASSET_TYPE_MISMATCH = "ASSET_TYPE_MISMATCH"
    INSTRUMENT_EXPIRED = "INSTRUMENT_EXPIRED"
    LIMIT_PRICE_REQUIRED = "LIMIT_PRICE_REQUIRED"
    STOP_PRICE_REQUIRED = "STOP_PRICE_REQUIRED"
    TRAIL_REQUIRED = "TRAIL_REQUIRED"
    LIMIT_PRICE_NOT_ALLOWED = "LIMIT_PRICE_NOT_ALLOWED"
    STOP_PRICE_NOT_ALLOWED = "STOP_PRICE_NOT_ALLOWED"
    TRAIL_NOT_ALLOWED = "TRAIL_NOT_ALLOWED"
    QUANTITY_OFF_STEP = "QUANTITY_OFF_STEP"
    PRICE_OFF_TICK = "PRICE_OFF_TICK"
    TIME_IN_FORCE_NOT_ALLOWED = "TIME_IN_FORCE_NOT_ALLOWED"
    EXIT_PRICE_INVALID = "EXIT_PRICE_INVALID"
    PAGE_TOKEN_INVALID = "PAGE_TOKEN_INVALID"
    NOT_OFFERED = "NOT_OFFERED"
    INSTRUMENT_NOT_ALLOWED = "INSTRUMENT_NOT_ALLOWED"
    ORDER_NOT_FOUND = "ORDER_NOT_FOUND"
    BOT_KEY_NOT_FOUND = "BOT_KEY_NOT_FOUND"
    ACCOUNT_NOT_FOUND = "ACCOUNT_NOT_FOUND"
    POSITION_NOT_FOUND = "POSITION_NOT_FOUND"
    HOST_UNKNOWN = "HOST_UNKNOWN"
    ROUTE_NOT_FOUND = "ROUTE_NOT_FOUND"
    METHOD_NOT_ALLOWED = "METHOD_NOT_ALLOWED"
    CLIENT_ORDER_ID_REUSED = "CLIENT_ORDER_ID_REUSED"
    ORDER_NOT_LIVE = "ORDER_NOT_LIVE"
    QUANTITY_ALREADY_FILLED = "QUANTITY_ALREADY_FILLED"
    QUANTITY_TOO_SMALL = "QUANTITY_TOO_SMALL"
    NOTIONAL_TOO_SMALL = "NOTIONAL_TOO_SMALL"
    BOT_KEY_LIMIT_REACHED = "BOT_KEY_LIMIT_REACHED"
    ACCOUNT_LIMIT_REACHED = "ACCOUNT_LIMIT_REACHED"
    DEPOSIT_TOO_LARGE = "DEPOSIT_TOO_LARGE"
    LIVE_ORDERS = "LIVE_ORDERS"
    MARGIN_IN_USE = "MARGIN_IN_USE"
    MARKET_NOT_PUBLISHED = "MARKET_NOT_PUBLISHED"
    MARKET_NOT_STEPPED = "MARKET_NOT_STEPPED"
    PARTICIPANTS_COMPLETE = "PARTICIPANTS_COMPLETE"
    SEQUENCE_IN_FUTURE = "SEQUENCE_IN_FUTURE"
    TRADING_HALTED = "TRADING_HALTED"
    DAILY_LOSS_REACHED = "DAILY_LOSS_REACHED"
    TOO_MANY_OPEN_ORDERS = "TOO_MANY_OPEN_ORDERS"
    ORDER_TOO_LARGE = "ORDER_TOO_LARGE"
    ORDER_NOTIONAL_EXCEEDED = "ORDER_NOTIONAL_EXCEEDED"
    POSITION_SHARE_EXCEEDED = "POSITION_SHARE_EXCEEDED"
    INSUFFICIENT_BUYING_POWER = "INSUFFICIENT_BUYING_POWER"
    INSUFFICIENT_POSITION = "INSUFFICIENT_POSITION"
    MARKET_CLOSED = "MARKET_CLOSED"
    NO_QUOTE = "NO_QUOTE"
    FOK_NOT_FILLABLE = "FOK_NOT_FILLABLE"
    CONFLICT = "CONFLICT"
    UNAVAILABLE = "UNAVAILABLE"
    DEADLINE_EXCEEDED = "DEADLINE_EXCEEDED"
    INTERNAL = "INTERNAL"


PRECEDENCE: dict[Reason, int] = {reason: rank for rank, reason in enumerate(Reason)}


@dataclass(frozen=True, slots=True)
class Violation:
    """One field of a request that is wrong, and a sentence that says what to change."""

    field: str
    reason: Reason
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why a call changes nothing. `retry_after_seconds` is set when waiting helps.

    `is_not_found` tells, for any reason, that the resource that the call names does not exist.
    `is_not_executed` tells, for UNAVAILABLE, that the call certainly changed nothing; without it,
    the outcome may be unknown.
    """

    reason: Reason
    message: str
    violations: tuple[Violation, ...] = ()
    retry_after_seconds: float | None = None
    is_not_found: bool = False
    is_not_executed: bool = False


def refuse_fields(violations: list[Violation]) -> Refusal:
    """Refuse a call for its fields: the first reason by precedence counts, all are listed."""
    ordered = tuple(sorted(violations, key=lambda violation: PRECEDENCE[violation.reason]))
    return Refusal(reason=ordered[0].reason, message=ordered[0].message, violations=ordered)
