"""Rate limits: exact sliding windows of accounts and persons, and a count of calls for each day."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from server.domain.errors import Reason, Refusal
from server.domain.invariants import BrokenInvariant
from server.domain.user import Plan
from server.domain.values import DAY, SECOND, Micros

WINDOW: Micros = 60 * SECOND
REASONS = {"order": Reason.ORDER_RATE_EXCEEDED, "request": Reason.REQUEST_RATE_EXCEEDED}


@dataclass(frozen=True, slots=True)
class Figures:
    """A limit, what is left of it, and the time until a slot frees (0 when none is taken)."""

    limit: int
    remaining: int
    reset_in: Micros


@dataclass(frozen=True, slots=True)
class LimitsPerMinute:
    """How many orders and requests are allowed within 60 s; 0: any number."""

    orders: int
    requests: int


@dataclass(frozen=True, slots=True)
class Allowance:
    """What is left to an account or a person; None where there is no limit.

    `calls` are the calls of the current UTC day.
    """

    orders: Figures | None = None
    requests: Figures | None = None
    calls: int = 0


@dataclass(frozen=True, slots=True)
class Spent:
    """The outcome of a call: `refused` names the limit that the call exceeds.

    `figures` describe that limit. For an allowed call they describe the limit of orders if it
    applies, else that of requests; they are None when neither applies.
    """

    figures: Figures | None
    refused: str | None


class RateLimits(Protocol):
    """Counts orders and requests of accounts within the last minute."""

    def spend(self, account_id: str, *, order: bool) -> Spent:
        """Spend one request, and one order for an order call; a refused call spends nothing."""

    def give_back_order(self, account_id: str) -> None:
        """Give back the newest order that was spent, because it was never decided."""

    def figures(self, account_id: str) -> tuple[Figures | None, Figures | None]:
        """Return the figures of orders and of requests; None where there is no limit."""


class MemoryRateLimits:
    """Windows in the memory of this process. `monotonic` returns microseconds that never decrease.

    A limit of 0 means no limit.
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


@dataclass(frozen=True, slots=True, kw_only=True)
class AllRateLimits:
    """The rate limits of accounts (spent by bots), of persons, and of all strangers together."""

    accounts: MemoryRateLimits
    persons: MemoryRateLimits
    public: MemoryRateLimits

    def forget_idle(self) -> None:
        """Drop the windows of those who made no call within the last minute."""
        self.accounts.forget_idle()
        self.persons.forget_idle()
        self.public.forget_idle()


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

    Counts are stored at intervals and not with each call. Only this process counts, so the
    current total is the stored calls plus those counted since.
    """

    def __init__(self) -> None:
        self._today: dict[str, tuple[int, int]] = {}
        self._unstored: dict[tuple[str, int], int] = {}
        self._last_used: dict[str, Micros] = {}

    def knows(self, account_id: str) -> bool:
        """Tell whether an account's stored calls are loaded."""
        return account_id in self._today

    def load(self, account_id: str, day: int, stored: int) -> None:
        """Set the stored calls of an account, unless they are already loaded."""
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

    def forget(self, account_id: str) -> None:
        """Forget the calls of an account; they must be loaded before they are counted again."""
        self._today.pop(account_id, None)

    def calls(self, account_id: str, now: Micros) -> int:
        """Return the calls of the current UTC day."""
        day, calls = self._today.get(account_id, (0, 0))
        return calls if day == now // DAY else 0

    def take(self) -> tuple[list[tuple[str, int, int]], list[tuple[str, Micros]]]:
        """Remove and return what is not stored yet: (account, day, calls) and (key, last use)."""
        calls = [(account, day, count) for (account, day), count in self._unstored.items()]
        keys = list(self._last_used.items())
        self._unstored, self._last_used = {}, {}
        return calls, keys

    def put_back(self, calls: list[tuple[str, int, int]], keys: list[tuple[str, Micros]]) -> None:
        """Return to the meter what `take` removed and could not be stored."""
        for account, day, count in calls:
            self._unstored[account, day] = self._unstored.get((account, day), 0) + count
        self._last_used = dict(keys) | self._last_used


def over_limit(what: str, figures: Figures | None) -> Refusal:
    """Return the refusal of an order or a request that is above the limit."""
    if figures is None:
        raise BrokenInvariant("a limit that is lifted refuses a call")
    return Refusal(
        reason=REASONS[what],
        message=f"More than {figures.limit} {what}s a minute;"
        f" try again in {-(-figures.reset_in // SECOND)} s.",
        retry_after_seconds=figures.reset_in / SECOND,
    )


def over_quota(quota: int, now: Micros) -> Refusal:
    """Return the refusal of a call that is above the quota of its day, which is that of a plan."""
    plan = "".join(f" of the plan {it.value}" for it in Plan if it.api_calls_per_day == quota)
    return Refusal(
        reason=Reason.DAILY_QUOTA_EXCEEDED,
        message=f"The daily quota of {quota} calls{plan} is used up; it renews at 00:00 UTC.",
        retry_after_seconds=((now // DAY + 1) * DAY - now) / SECOND,
    )
