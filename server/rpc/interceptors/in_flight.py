"""Calls in flight: limits how many authenticated calls the server works on at once."""

from server.domain.errors import Reason, Refusal
from server.engine.client import RETRY_SECONDS
from server.rpc.call import Call, Handler
from server.rpc.errors import Refused
from server.wire.contract import Method

CALLS_IN_FLIGHT_MAX = 2_000

BUSY = Refusal(
    reason=Reason.UNAVAILABLE,
    message="The server has too many calls in flight; nothing was done, try again.",
    retry_after_seconds=RETRY_SECONDS,
)


class InFlight:
    """Runs after authentication, so that calls without a valid credential use up no places."""

    def __init__(self, limit: int = CALLS_IN_FLIGHT_MAX) -> None:
        self._limit = limit
        self.count = 0

    def wrap(self, method: Method, proceed: Handler) -> Handler:
        """Return a handler that refuses calls above the limit; streams have another limit."""
        if method.streams:
            return proceed

        async def handle(call: Call) -> bytes:
            if self.count >= self._limit:
                raise Refused(BUSY)
            self.count += 1
            try:
                return await proceed(call)
            finally:
                self.count -= 1

        return handle
