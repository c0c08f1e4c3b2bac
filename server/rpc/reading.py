"""Reading: how servicers run blocking queries beside the event loop."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from typing import ParamSpec, TypeVar

from server.domain.errors import Reason, Refusal
from server.rpc.errors import Refused

Arguments = ParamSpec("Arguments")
Value = TypeVar("Value")


class Reading:
    """Runs queries in threads, one connection each."""

    def __init__(self, executor: Executor) -> None:
        self._executor = executor

    async def __call__(
        self,
        function: Callable[Arguments, Value],
        *arguments: Arguments.args,
        **_: Arguments.kwargs,
    ) -> Value:
        """Return what a blocking function returns."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._executor, function, *arguments)


def accepted(value: Value | Refusal) -> Value:
    """Return a value; raise Refused when it is a refusal."""
    if isinstance(value, Refusal):
        raise Refused(value)
    return value


def offered_later(refusal: Refusal | None, what: str) -> Refused:
    """Return the refusal of a call that this server does not offer: its fields come first."""
    return Refused(
        refusal
        or Refusal(reason=Reason.NOT_OFFERED, message=f"{what} is not offered by this server.")
    )
