"""The limits of an account, as values in the form that `models` describes."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from bottrading_client.models import BotKey, GuardRails


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimit:
    """A limit within a moving window."""

    limit: int
    remaining: int
    window_seconds: int
    reset_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """A limit on a count."""

    limit: int
    used: int
    remaining: int
    enforced: bool
    resets_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MarginTerms:
    """The percentages of margin trading on a server."""

    initial_percent: Decimal
    maintenance_percent: Decimal
    loan_rate_percent: Decimal
    borrow_rate_percent: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The limits of an account and what is left of them.

    `orders` and `requests` are None where the operator lifted that limit.
    """

    orders: RateLimit | None
    requests: RateLimit | None
    api_calls: Quota
    bot_keys: Quota
    open_orders: Quota
    guard_rails: GuardRails
    bot_key: BotKey | None
    streams: Quota
    accounts: Quota
    margin_terms: MarginTerms
