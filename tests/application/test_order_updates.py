"""Following logs: no entry is lost between a notification, a new reader and one that lags."""

import asyncio
from collections.abc import Sequence
from contextlib import ExitStack

import pytest

from server.application.order_updates import (
    PAGE_ENTRIES,
    TAIL_ENTRIES_MAX,
    LogEntry,
    LogReader,
    OrderUpdates,
)
from server.application.ports import StorageUnavailable, StoredEvent


class Store:
    """Logs in memory, at the port: each event a transaction of its own."""

    def __init__(self) -> None:
        self.newest: dict[str, int] = {}
        self.failures = 0
        self.pages = self.looks = 0

    async def page(self, account_id: str, after: int, limit: int) -> list[StoredEvent]:
        self.pages += 1
        await asyncio.sleep(0)
        return self._events(account_id, after)[:limit]

    async def after(self, wanted: Sequence[tuple[str, int]]) -> list[StoredEvent]:
        self.looks += 1
        await asyncio.sleep(0)
        if self.failures:
            self.failures -= 1
            raise StorageUnavailable
        return [event for name, after in wanted for event in self._events(name, after)]

    def _events(self, account_id: str, after: int) -> list[StoredEvent]:
        numbers = range(after + 1, self.newest.get(account_id, 0) + 1)
        return [StoredEvent(account_id, n, n, b"") for n in numbers]


def entry(stored: StoredEvent) -> LogEntry:
    return LogEntry(stored.sequence, None, stored.payload)


async def read(reader: LogReader, until: int) -> list[int]:
    """Read up to a sequence."""
    got: list[int] = []
    async with asyncio.timeout(5):
        while reader.position < until:
            got += [it.sequence for it in await reader.next()]
    return got


@pytest.fixture
def store() -> Store:
    return Store()


async def test_what_was_stored_before_a_reader_came_and_after_it_asked_is_not_lost(
    store: Store,
) -> None:
    """It learned the newest sequence, then something was stored, and nobody was there to notify."""
    updates = OrderUpdates(store, entry)
    store.newest["ada"] = 3
    with updates.reader("ada", 2, newest=2) as reader:
        assert await read(reader, 3) == [3]


async def test_a_ring_while_logs_are_being_read_is_not_lost(store: Store) -> None:
    updates = OrderUpdates(store, entry)
    with updates.reader("ada", 0, newest=0) as reader:
        waiting = asyncio.ensure_future(read(reader, 2))
        store.newest["ada"] = 1
        updates.notify(["ada"])
        await asyncio.sleep(0)
        store.newest["ada"] = 2
        updates.notify(["ada"])

        assert await waiting == [1, 2]


async def test_logs_that_cannot_be_read_are_read_when_they_can(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.application.order_updates.RETRY_SECONDS", 0.001)
    updates = OrderUpdates(store, entry)
    with updates.reader("ada", 0, newest=0) as reader:
        store.newest["ada"], store.failures = 1, 3
        updates.notify(["ada"])

        assert await read(reader, 1) == [1]


async def test_a_reader_that_lags_reads_pages_and_loses_nothing(store: Store) -> None:
    """It falls behind by more than is kept in memory for those who keep up."""
    updates = OrderUpdates(store, entry)
    total = PAGE_ENTRIES + 2 * TAIL_ENTRIES_MAX
    with (
        updates.reader("ada", 0, newest=0) as prompt,
        updates.reader("ada", 0, newest=0) as lagging,
    ):
        got = []
        for newest in range(10, total + 1, 10):
            store.newest["ada"] = newest
            updates.notify(["ada"])
            got += await read(prompt, newest)
        assert store.pages == 0, "who keeps up reads from memory"

        assert got == list(range(1, len(got) + 1))
        assert await read(lagging, got[-1]) == got
        assert store.pages > 0


async def test_one_look_serves_all_readers_of_all_logs_that_have_rung(store: Store) -> None:
    updates = OrderUpdates(store, entry)
    names = [f"account {number}" for number in range(50)]
    with ExitStack() as stack:
        readers = [stack.enter_context(updates.reader(name, 0, newest=0)) for name in names]
        for name in names:
            store.newest[name] = 1
        updates.notify(names)
        await asyncio.gather(*(read(reader, 1) for reader in readers))
        looks = store.looks
        for name in names:
            store.newest[name] = 2
            updates.notify([name])
        await asyncio.gather(*(read(reader, 2) for reader in readers))

    assert store.looks - looks <= 2


async def test_a_log_without_readers_is_not_looked_after(store: Store) -> None:
    updates = OrderUpdates(store, entry)
    with updates.reader("ada", 0, newest=0):
        await asyncio.sleep(0.001)
    looks = store.looks
    updates.notify(["ada", "bob"])
    updates.notify_all()
    await asyncio.sleep(0)

    assert store.looks == looks
    await updates.close()


async def test_a_wait_can_end_at_a_sequence(store: Store) -> None:
    """A snapshot as of a sequence comes exactly after it."""
    updates = OrderUpdates(store, entry)
    store.newest["ada"] = 5
    with updates.reader("ada", 0, newest=5) as reader:
        assert [it.sequence for it in await reader.next(until=3)] == [1, 2, 3]
        assert [it.sequence for it in await reader.next()] == [4, 5]
