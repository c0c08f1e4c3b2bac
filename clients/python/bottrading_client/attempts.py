"""When to retry a call, how long to wait before, and when to give up: shared by all clients."""

import random
import time

import grpc

from bottrading_client.call import Call, Repeating
from bottrading_client.enums import ErrorReason
from bottrading_client.errors import (
    BotTradingError,
    Conflict,
    DeadlineExceeded,
    InvalidRequest,
    RateLimited,
    ServiceUnavailable,
    error_of,
    outcome_unknown,
)

BACKOFF_SECONDS_MIN = 0.1
BACKOFF_SECONDS_MAX = 3.0


class Backoff:
    """Growing pauses with a random part, so that many clients do not retry at once."""

    def __init__(self) -> None:
        self._longest = BACKOFF_SECONDS_MIN

    def next(self, at_least: float | None) -> float:
        """Return the seconds of the next pause."""
        longest, self._longest = self._longest, min(self._longest * 2, BACKOFF_SECONDS_MAX)
        return (at_least or 0) + random.uniform(longest / 2, longest)  # noqa: S311 — no secret


class Attempts:
    """The attempts of one call, all within one deadline.

    A call is retried where that is safe. After a lost answer, calls that read are retried, and
    changes that have no effect the second time. After a refusal by the rate limit, for a conflict
    in the server, or by a service that did not execute the call, every call is retried, because it
    changed nothing. If the requested pause would end after the deadline, the refusal is raised at
    once.
    """

    def __init__(self, call: Call[object], seconds: float) -> None:
        self._call = call
        self._ends = time.monotonic() + seconds
        self._backoff = Backoff()
        self._outcome_unknown = False

    @property
    def seconds_left(self) -> float:
        """Return the seconds until the deadline."""
        return max(self._ends - time.monotonic(), 0)

    def pause_after(self, failed: grpc.RpcError) -> float:
        """Return the seconds until the next attempt; raise the error if there is none."""
        error = error_of(failed)
        again = _changed_nothing(error)
        if not again and isinstance(error, ServiceUnavailable | DeadlineExceeded):
            self._outcome_unknown |= self._call.repeating is not Repeating.READS
            again = self._call.repeating is not Repeating.CHANGES_AGAIN
        if again:
            pause = self._backoff.next(error.retry_after)
            if pause < self.seconds_left:
                return pause
        # If the request is invalid, the attempts before this one changed nothing either.
        if self._outcome_unknown and not isinstance(error, InvalidRequest):
            raise outcome_unknown(error, self._call.client_order_id) from error
        raise error from failed


def _changed_nothing(error: BotTradingError) -> bool:
    """Tell whether a refusal is temporary, so that any call can be retried."""
    if error.is_not_executed:
        return True
    if isinstance(error, RateLimited):
        return error.retry_after is not None
    return isinstance(error, Conflict) and error.reason == ErrorReason.CONFLICT
