"""Order updates: follows each log that has readers, once for all of its readers."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

from server.application.ports import StoredEvent
from server.domain.invariants import BrokenInvariant
from server.domain.user import Traded

log = logging.getLogger(__name__)

PAGE_ENTRIES = 256
PAGES_KEPT_MAX = 64
TAIL_ENTRIES_MAX = 256
RETRY_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One event in the form that readers receive; `traded` is None for an account's event."""

    sequence: int
    traded: Traded | None
    message: bytes


class LogStore(Protocol):
    """Reads logs without blocking the event loop."""

    async def page(self, account_id: str, after: int, limit: int) -> list[StoredEvent]:
        """Return entries after a sequence; the last one ends a transaction."""

    async def after(self, wanted: Sequence[tuple[str, int]]) -> list[StoredEvent]:
        """Return the entries after each (account, sequence)."""


@dataclass(slots=True)
class _Log:
    """One account's log: its readers, and its newest entries in memory, up to `newest`."""

    newest: int
    tail: list[LogEntry] = field(default_factory=list)
    readers: "set[LogReader]" = field(default_factory=set)

    def append(self, entries: list[LogEntry]) -> None:
        """Add entries after `newest`; drop those that all readers have or that exceed the limit."""
        if entries[0].sequence != self.newest + 1:
            raise BrokenInvariant("the log has a gap")
        slowest = min((reader.position for reader in self.readers), default=self.newest)
        first = next((n for n, entry in enumerate(self.tail) if entry.sequence > slowest), None)
        kept = [] if first is None else self.tail[first:]
        self.tail = [*kept, *entries][-TAIL_ENTRIES_MAX:]
        self.newest = entries[-1].sequence

    def after(self, position: int) -> list[LogEntry] | None:
        """Return the entries after a position; None when they are not all in memory."""
        if position >= self.newest:
            return []
        first = self.tail[0].sequence if self.tail else self.newest + 1
        return self.tail[position + 1 - first :] if first <= position + 1 else None


class _Pages:
    """A cache of the pages of logs that lagging readers read.

    Pages end near multiples of their size. Readers that begin at different positions therefore
    soon need the same pages.
    """

    def __init__(
        self, read: Callable[[str, int, int], Coroutine[Any, Any, list[LogEntry]]]
    ) -> None:
        self._read = read
        # By account and position: the page after that position, read or being read. Oldest first.
        self._pages: dict[tuple[str, int], asyncio.Task[list[LogEntry]]] = {}

    async def after(self, account_id: str, position: int) -> list[LogEntry]:
        """Return entries after a position; the last one ends a transaction."""
        page = self._pages.get((account_id, position))
        if page is None:
            limit = PAGE_ENTRIES - position % PAGE_ENTRIES
            if limit < PAGE_ENTRIES // 4:
                limit += PAGE_ENTRIES
            page = asyncio.get_running_loop().create_task(self._read(account_id, position, limit))
            self._pages[account_id, position] = page
            while len(self._pages) > PAGES_KEPT_MAX:
                del self._pages[next(iter(self._pages))]
        try:
            # Several readers may wait for a page: one that is cancelled must not cancel the read.
            return await asyncio.shield(page)
        except Exception:
            self._pages.pop((account_id, position), None)
            raise


class OrderUpdates:
    """Follows the logs that have readers.

    A notification says only that a log has grown. One query reads the new entries of all grown
    logs, and each entry is encoded once. A reader that lags reads pages and loses nothing. After
    a lost notification, readers wait until the next `notify_all` at most.
    """

    def __init__(self, store: LogStore, encode: Callable[[StoredEvent], LogEntry]) -> None:
        self._store = store
        self._encode = encode
        self._pages = _Pages(self._page)
        self._logs: dict[str, _Log] = {}
        self._grown: set[str] = set()
        self._task: asyncio.Task[None] | None = None

    @contextmanager
    def reader(self, account_id: str, position: int, newest: int) -> "Iterator[LogReader]":
        """Yield a reader of the entries after a position; entries up to `newest` are stored."""
        known = self._logs.setdefault(account_id, _Log(newest))
        reader = LogReader(account_id, position, known, self._pages.after)
        known.readers.add(reader)
        # Nobody was notified of entries stored since the caller read `newest`.
        self.notify([account_id])
        try:
            yield reader
        finally:
            known.readers.discard(reader)
            if not known.readers:
                self._logs.pop(account_id, None)

    def notify(self, account_ids: Iterable[str]) -> None:
        """Mark logs as grown, so that their new entries are read."""
        self._grown.update(self._logs.keys() & set(account_ids))
        if self._grown and self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._follow())

    def notify_all(self) -> None:
        """Mark every followed log as grown: a notification may have been lost."""
        self.notify(self._logs)

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _follow(self) -> None:
        try:
            while self._grown:
                grown, self._grown = self._grown, set()
                try:
                    await self._read(grown)
                except Exception:
                    log.exception("Logs of accounts cannot be read; trying again.")
                    self._grown |= grown
                    await asyncio.sleep(RETRY_SECONDS)
        finally:
            self._task = None

    async def _read(self, account_ids: Iterable[str]) -> None:
        logs = {name: self._logs[name] for name in account_ids if name in self._logs}
        stored = await self._store.after([(name, known.newest) for name, known in logs.items()])
        grown: dict[str, list[LogEntry]] = {}
        for event in stored:
            grown.setdefault(event.account_id, []).append(self._encode(event))
        for name, entries in grown.items():
            logs[name].append(entries)
            for reader in logs[name].readers:
                reader.woken.set()

    async def _page(self, account_id: str, after: int, limit: int) -> list[LogEntry]:
        return [self._encode(it) for it in await self._store.page(account_id, after, limit)]


class LogReader:
    """Reads one account's log after a position: every entry once, in order."""

    def __init__(
        self,
        account_id: str,
        position: int,
        known: _Log,
        page: Callable[[str, int], Awaitable[list[LogEntry]]],
    ) -> None:
        self.position = position
        self.woken = asyncio.Event()
        self._account_id = account_id
        self._log = known
        self._page = page

    async def next(self, until: int | None = None) -> Sequence[LogEntry]:
        """Wait for the next entries; the last one ends a transaction, or is `until`.

        Returns an empty sequence when `woken` is set for another reason.
        """
        if self.position >= self._log.newest:
            await self.woken.wait()
        self.woken.clear()
        entries = self._log.after(self.position)
        if entries is None:
            entries = await self._page(self._account_id, self.position)
        if until is not None:
            entries = [entry for entry in entries if entry.sequence <= until]
        if entries:
            self.position = entries[-1].sequence
        return entries
