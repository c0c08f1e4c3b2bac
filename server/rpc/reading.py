"""Reading: how servicers run blocking queries beside the event loop."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from typing import ParamSpec, TypeVar

from server.application.ports import Reads, StoredEvent
from server.domain.errors import Refusal
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


class LogReads:
    """Reads accounts' logs: what is new in a thread of its own, old pages among other queries."""

    def __init__(self, reads: Reads, *, following: Reading, paging: Reading) -> None:
        self._reads = reads
        self._following = following
        self._paging = paging

    async def page(self, account_id: str, after: int, limit: int) -> list[StoredEvent]:
        """Return entries after a sequence up to the end of a transaction."""
        return await self._paging(self._reads.log_page, account_id, after, limit)

    async def after(self, wanted: Sequence[tuple[str, int]]) -> list[StoredEvent]:
        """Return the entries after a sequence of each of some accounts' logs."""
        return await self._following(self._reads.logs_after, wanted)


def accepted(value: Value | Refusal) -> Value:
    """Return a value; raise Refused when it is a refusal."""
    if isinstance(value, Refusal):
        raise Refused(value)
    return value
