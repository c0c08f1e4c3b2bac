"""Figures that no query and no decision has: rate limits, calls of the day, open streams."""

from typing import Any

from bottrading.v1 import limits_pb2
from server.application.ports import Clock
from server.application.rate_limits import Figures as RateFigures
from server.domain.values import DAY, Micros
from server.rpc.call import Call
from server.rpc.interceptors.streams import OpenStreams
from server.rpc.ledger import Ledger
from server.wire import accounts, answers

RATE_WINDOW_SECONDS = 60
SKIPPED_ORDERS_HEADER = "x-skipped-orders"
SKIPPED_POSITIONS_HEADER = "x-skipped-positions"


class Figures:
    """Completes answers of queries and of the engine; `clock` returns real time."""

    def __init__(
        self,
        *,
        ledger: Ledger,
        streams: OpenStreams,
        clock: Clock,
        enforce_quotas: bool,
    ) -> None:
        self._ledger = ledger
        self._streams = streams
        self._clock = clock
        self._enforce_quotas = enforce_quotas

    async def add_calls_used(self, call: Call, answer: Any) -> None:
        """Add the calls of the day to the account or accounts of an answer."""
        has_one = "account" in answer.DESCRIPTOR.fields_by_name
        accounts = [answer.account] if has_one else answer.accounts
        left = await self._ledger.allowances(call, [it.bot_user_id for it in accounts])
        for account, allowance in zip(accounts, left, strict=True):
            account.api_calls_used = allowance.calls

    async def add_limits(self, call: Call, answer: Any) -> None:
        """Add rates, calls of the day and streams to the limits of the caller's account."""
        limits: limits_pb2.Limits = answer.limits
        account_id, now = call.caller.account_id, self._clock()
        (left,) = await self._ledger.allowances(call, [account_id])
        if left.orders is not None:
            limits.orders.CopyFrom(_rate(left.orders, now))
        if left.requests is not None:
            limits.requests.CopyFrom(_rate(left.requests, now))
        api_calls = accounts.quota(
            call.caller.plan.api_calls_per_day,
            left.calls,
            is_enforced=self._enforce_quotas,
        )
        api_calls.resets_at.CopyFrom(answers.timestamp((now // DAY + 1) * DAY))
        limits.api_calls.CopyFrom(api_calls)
        streams = accounts.quota(self._streams.per_account, self._streams.count(account_id))
        limits.streams.CopyFrom(streams)

    async def tell_skipped_orders(self, call: Call, answer: Any) -> None:
        """Put the number of orders that the key may not cancel into the trailing metadata."""
        call.trailers.append((SKIPPED_ORDERS_HEADER, str(answer.skipped_orders)))

    async def tell_skipped_positions(self, call: Call, answer: Any) -> None:
        """Put the number of positions that stayed into the trailing metadata."""
        call.trailers.append((SKIPPED_POSITIONS_HEADER, str(answer.skipped_positions)))


def _rate(figures: RateFigures, now: Micros) -> limits_pb2.RateLimit:
    is_used = figures.remaining < figures.limit
    return limits_pb2.RateLimit(
        limit=figures.limit,
        remaining=figures.remaining,
        window_seconds=RATE_WINDOW_SECONDS,
        reset_at=answers.timestamp(now + figures.reset_in) if is_used else None,
    )
