"""Draining: a server that stops refuses new calls and finishes those in progress."""

from typing import Any

from server.domain.errors import Reason, Refusal
from server.engine.client import RETRY_SECONDS
from server.rpc.call import Call, Handler
from server.rpc.errors import Refused
from server.wire.contract import Method

STOPPING = Refusal(
    reason=Reason.UNAVAILABLE,
    message="The server is stopping; nothing was done, try again.",
    retry_after_seconds=RETRY_SECONDS,
)


class Draining:
    """Runs before all work.

    `at_work` counts the calls in progress; `open` also counts those whose answers are still on the
    way. While the server drains, a new call is answered by a refusal with a reason. The interceptor
    in `streams.py` ends streams.
    """

    def __init__(self) -> None:
        self.at_work = self.open = 0
        self._begun = False

    def begin(self) -> None:
        """Refuse every call from now on."""
        self._begun = True

    def wrap(self, method: Method, proceed: Handler) -> Handler:
        """Return a handler that refuses calls once the server is stopping."""

        async def handle(call: Call) -> bytes:
            if self._begun:
                raise Refused(STOPPING)
            self.open += 1
            done: Any = call.context.add_done_callback
            done(self._over)
            if method.streams:
                return await proceed(call)
            self.at_work += 1
            try:
                return await proceed(call)
            finally:
                self.at_work -= 1

        return handle

    def _over(self, _: object) -> None:
        self.open -= 1
