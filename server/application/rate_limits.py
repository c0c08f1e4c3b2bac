"""Rate limits: an exact moving window for each account, and the day's count of calls."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from server.domain.values import DAY, SECOND, Micros

WINDOW: Micros = 60 * SECOND


@dataclass(frozen=True, slots=True)
class Figures:
    """A limit, what is left of it and how long until a slot frees (0 when none is taken)."""

    limit: int
    remaining: int
    reset_in: Micros


@dataclass(frozen=True, slots=True)
class Spent:
    """What became of a call: `refused` names the limit that it exceeds.

    `figures` are those of the limit that stands for the call, None when none does.
    """

    figures: Figures | None
    refused: str | None


class RateLimits(Protocol):
    """Counts orders and requests of accounts within the last minute."""

    def spend(self, account_id: str, *, order: bool) -> Spent:
        """Spend one request, and one order too for an order call; nothing when refused."""

    def give_back_order(self, account_id: str) -> None:
        """Take back the newest order that was spent: nothing was decided about it."""

    def figures(self, account_id: str) -> tuple[Figures | None, Figures | None]:
        """Return the figures of orders and of requests; None for a limit that is lifted."""


class MemoryRateLimits:
    """Windows in this process's memory. `monotonic` gives microseconds that never go back.

    A limit of 0 is lifted.
    """

    def __init__(
        self, *, orders_per_minute: int, requests_per_minute: int, monotonic: Callable[[], Micros]
    ) -> None:
        self._orders = _Windows(orders_per_minute)
        self._requests = _Windows(requests_per_minute)
        self._monotonic = monotonic

    def spend(self, account_id: str, *, order: bool) -> Spent:
        now = self._monotonic()
        limited = [("order", self._orders)] if order and self._orders.limit else []
        if self._requests.limit:
            limited.append(("request", self._requests))
        for name, windows in limited:
            if len(windows.of(account_id, now)) >= windows.limit:
                return Spent(windows.figures(account_id, now), name)
        for _, windows in limited:
            windows.of(account_id, now).append(now)
        return Spent(limited[0][1].figures(account_id, now) if limited else None, None)

    def give_back_order(self, account_id: str) -> None:
        window = self._orders.of(account_id, self._monotonic())
        if window:
            window.pop()

    def figures(self, account_id: str) -> tuple[Figures | None, Figures | None]:
        now = self._monotonic()
        return self._orders.figures(account_id, now), self._requests.figures(account_id, now)

    def forget_idle(self) -> None:
        """Drop the windows of accounts that made no call within the last minute."""
        now = self._monotonic()
        self._orders.forget_idle(now)
        self._requests.forget_idle(now)


class _Windows:
    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._windows: dict[str, deque[Micros]] = {}

    def of(self, account_id: str, now: Micros) -> deque[Micros]:
        window = self._windows.get(account_id)
        if window is None:
            window = self._windows[account_id] = deque()
        begin = now - WINDOW
        while window and window[0] <= begin:
            window.popleft()
        return window

    def figures(self, account_id: str, now: Micros) -> Figures | None:
        if not self.limit:
            return None
        window = self.of(account_id, now)
        reset_in = window[0] + WINDOW - now if window else 0
        return Figures(self.limit, self.limit - len(window), reset_in)

    def forget_idle(self, now: Micros) -> None:
        for account_id in [name for name in self._windows if not self.of(name, now)]:
            del self._windows[account_id]


class UsageMeter:
    """Counts the calls of each account and UTC day, and the last use of each key.

    Counts are taken out to be stored now and then, never with a call. This process is the
    only one that counts, so stored calls and those counted since add up.
    """

    def __init__(self) -> None:
        self._today: dict[str, tuple[int, int]] = {}
        self._unstored: dict[tuple[str, int], int] = {}
        self._last_used: dict[str, Micros] = {}

    def knows(self, account_id: str) -> bool:
        """Tell whether an account's stored calls are loaded."""
        return account_id in self._today

    def load(self, account_id: str, day: int, stored: int) -> None:
        """Take over the stored calls of an account, unless they are loaded."""
        self._today.setdefault(account_id, (day, stored))

    def count(self, account_id: str, bot_key_id: str | None, now: Micros) -> int:
        """Count one call; return the calls of the day, this one included."""
        today = now // DAY
        day, calls = self._today[account_id]
        calls = calls + 1 if day == today else 1
        self._today[account_id] = (today, calls)
        key = (account_id, today)
        self._unstored[key] = self._unstored.get(key, 0) + 1
        if bot_key_id is not None:
            self._last_used[bot_key_id] = now
        return calls

    def calls(self, account_id: str, now: Micros) -> int:
        """Return the calls of the current UTC day."""
        day, calls = self._today.get(account_id, (0, 0))
        return calls if day == now // DAY else 0

    def take(self) -> tuple[list[tuple[str, int, int]], list[tuple[str, Micros]]]:
        """Take out what is not stored yet: (account, day, calls) and (key, last use)."""
        calls = [(account, day, count) for (account, day), count in self._unstored.items()]
        keys = list(self._last_used.items())
        self._unstored, self._last_used = {}, {}
        return calls, keys

    def put_back(self, calls: list[tuple[str, int, int]], keys: list[tuple[str, Micros]]) -> None:
        """Put back what could not be stored."""
        for account, day, count in calls:
            self._unstored[account, day] = self._unstored.get((account, day), 0) + count
        self._last_used = dict(keys) | self._last_used
