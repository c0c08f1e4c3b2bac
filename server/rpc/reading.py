"""Reading: how servicers run blocking queries beside the event loop."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from functools import partial
from typing import ParamSpec, TypeVar
from weakref import WeakValueDictionary

from server.application.ports import Reads, StoredEvent
from server.domain.errors import Refusal
from server.rpc.call import Call
from server.rpc.errors import Refused

Arguments = ParamSpec("Arguments")
Value = TypeVar("Value")

OLD_PAGES = "old pages"


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


class SharedReading:
    """Runs queries in threads that people share: a person's queries beyond a limit wait.

    A query cannot be interrupted, so it keeps its place until it ends, even if its caller leaves.
    """

    def __init__(self, executor: Executor, *, at_once: int) -> None:
        self._executor = executor
        self._at_once = at_once
        # Queries that wait for a place or have one keep their entry alive.
        self._places: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()

    async def __call__(
        self,
        name: str,
        function: Callable[Arguments, Value],
        *arguments: Arguments.args,
        **named: Arguments.kwargs,
    ) -> Value:
        """Return what a blocking function returns; `name` is the person whose query it is."""
        loop = asyncio.get_running_loop()
        places = self._places.setdefault(name, asyncio.Semaphore(self._at_once))
        await places.acquire()
        try:
            running = self._executor.submit(partial(function, *arguments, **named))
        except BaseException:
            places.release()
            raise
        running.add_done_callback(lambda _: loop.call_soon_threadsafe(places.release))
        return await asyncio.wrap_future(running)

    async def for_caller(
        self,
        call: Call,
        function: Callable[Arguments, Value],
        *arguments: Arguments.args,
        **named: Arguments.kwargs,
    ) -> Value:
        """Return what a blocking function returns, as a query of the person who calls."""
        return await self(call.caller.user_id, function, *arguments, **named)


class LogReads:
    """Reads accounts' logs: new entries in a separate thread, old pages among other queries.

    Pages are read for all readers of a log, so they take separate places, not a person's.
    """

    def __init__(self, reads: Reads, *, following: Reading, paging: SharedReading) -> None:
        self._reads = reads
        self._following = following
        self._paging = paging

    async def page(self, account_id: str, after: int, limit: int) -> list[StoredEvent]:
        """Return entries after a sequence up to the end of a transaction."""
        return await self._paging(OLD_PAGES, self._reads.log_page, account_id, after, limit)

    async def after(self, wanted: Sequence[tuple[str, int]]) -> list[StoredEvent]:
        """Return the entries of accounts' logs after each (account, sequence)."""
        return await self._following(self._reads.logs_after, wanted)


def accepted(value: Value | Refusal) -> Value:
    """Return a value; raise Refused when it is a refusal."""
    if isinstance(value, Refusal):
        raise Refused(value)
    return value
