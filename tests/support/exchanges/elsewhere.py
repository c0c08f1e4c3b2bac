"""A stand-in in a thread of its own, for tests that wait for processes."""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from tests.support.exchanges.server import StandIn

ANSWER_SECONDS_MAX = 30

Exchange = TypeVar("Exchange", bound=StandIn)
Tell = Callable[[Coroutine[Any, Any, Any]], Any]


@contextmanager
def elsewhere(make: Callable[[], Exchange]) -> Iterator[tuple[Exchange, Tell]]:
    """Serve a stand-in for the time of a block; yield it, and how to run its coroutines."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    def tell(coroutine: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, loop).result(ANSWER_SECONDS_MAX)

    async def begin() -> Exchange:
        return await make().__aenter__()

    try:
        exchange = tell(begin())
        try:
            yield exchange, tell
        finally:
            tell(exchange.__aexit__(None, None, None))
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(ANSWER_SECONDS_MAX)
        loop.close()
