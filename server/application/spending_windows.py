"""The calls of a spender within the last minute, some of which are stored before they are made."""

from collections import deque
from itertools import islice
from typing import Self

from server.application.rate_limits import WINDOW, Allowance, Figures, LimitsPerMinute
from server.application.spending_ports import StoredSpends, StoredWindow
from server.domain.values import SECOND, Micros

AHEAD_SHARE = 4
"""A row foresees a quarter of the limit: after a crash, so many calls at most count twice."""

CLOCKS_APART_MAX: Micros = SECOND // 2
"""So far apart may the clocks of two machines be; what another one stored may be younger."""


class Window:
    """Calls by the moments at which they were made, in monotonic time; a limit of 0 is lifted.

    `foresee` says how many more calls are stored already; they must be made within a minute.
    """

    __slots__ = ("_ahead", "_ahead_until", "_assumed", "_assumed_at", "_moments", "limit")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._moments: deque[Micros] = deque()
        self._ahead = self._ahead_until = 0
        self._assumed = self._assumed_at = 0

    def is_full(self, now: Micros) -> bool:
        """Tell whether the limit is reached."""
        self._trim(now)
        return len(self._moments) >= self.limit

    def is_doubtful(self, now: Micros) -> bool:
        """Tell whether the limit would not be reached without calls that may not have been made."""
        is_assumed = self._assumed and self._assumed_at > now - WINDOW
        return bool(is_assumed) and len(self._moments) - self._assumed < self.limit

    def add(self, now: Micros) -> bool:
        """Add a call; tell whether it is stored already."""
        self._moments.append(now)
        is_foreseen = self._ahead > 0 and now < self._ahead_until
        self._ahead = self._ahead - 1 if is_foreseen else 0
        return is_foreseen

    def foresee(self, ahead: int, now: Micros) -> None:
        """Take note that calls are stored which are not made yet."""
        self._ahead, self._ahead_until = ahead, now + WINDOW

    def figures(self, now: Micros) -> Figures | None:
        """Return what is left; None without a limit."""
        if not self.limit:
            return None
        self._trim(now)
        reset_in = self._moments[0] + WINDOW - now if self._moments else 0
        return Figures(self.limit, max(self.limit - len(self._moments), 0), reset_in)

    def is_idle(self, now: Micros) -> bool:
        """Tell whether no call was made within the last minute."""
        self._trim(now)
        return not self._moments

    def to_store(self, now: Micros, *, ahead: bool) -> StoredWindow:
        """Return the window as it is stored: groups of calls, each as old as its youngest one.

        With `ahead`, a quarter of the limit may follow, else none.
        """
        self._trim(now)
        size, calls = max(1, self.limit // AHEAD_SHARE), iter(self._moments)
        spent = []
        while group := list(islice(calls, size)):
            spent.append((now - group[-1], len(group)))
        return StoredWindow(tuple(spent), size if ahead and self.limit else 0)

    def load(self, stored: StoredWindow, age: Micros, since: Micros, now: Micros) -> None:
        """Add what was stored `age` ago, also what may have followed within a minute.

        Nobody else has let a call pass `since` a moment.
        """
        if not self.limit:
            return
        elapsed = max(age - CLOCKS_APART_MAX, 0)
        for before, calls in stored.spent:
            self._moments.extend([now - elapsed - before] * calls)
        self._assumed = stored.ahead
        self._assumed_at = min(now - max(elapsed - WINDOW, 0), since)
        self._moments.extend([self._assumed_at] * stored.ahead)
        # Calls that another clock has stored may seem younger than those that are assumed.
        self._moments = deque(sorted(self._moments))
        self._trim(now)

    def _trim(self, now: Micros) -> None:
        begin, moments = now - WINDOW, self._moments
        while moments and moments[0] <= begin:
            moments.popleft()


class Spender:
    """The windows of an account or a person."""

    __slots__ = ("_orders", "_requests")

    def __init__(self, limits: LimitsPerMinute) -> None:
        self._orders, self._requests = Window(limits.orders), Window(limits.requests)

    @classmethod
    def loaded(
        cls,
        limits: LimitsPerMinute,
        stored: StoredSpends,
        *,
        age: Micros,
        since: Micros,
        now: Micros,
    ) -> Self:
        """Return windows as they were stored `age` ago; nobody else changes them `since`."""
        spender = cls(limits)
        spender._orders.load(stored.orders, age, since, now)
        spender._requests.load(stored.requests, age, since, now)
        return spender

    def limited(self, *, is_order: bool) -> list[tuple[str, Window]]:
        """Return the windows with a limit that a call counts in, with what they limit."""
        windows = [("order", self._orders)] if is_order else []
        return [(what, it) for what, it in [*windows, ("request", self._requests)] if it.limit]

    def allowance(self, calls: int, now: Micros) -> Allowance:
        """Return what is left; `calls` are the calls of the day."""
        return Allowance(self._orders.figures(now), self._requests.figures(now), calls)

    def is_idle(self, now: Micros) -> bool:
        """Tell whether no call was made within the last minute."""
        return self._orders.is_idle(now) and self._requests.is_idle(now)

    def to_store(
        self, spender_id: str, stored_at: Micros, now: Micros, *, ahead: bool
    ) -> StoredSpends:
        """Return the windows as they are stored; `ahead` lets more calls follow."""
        orders = self._orders.to_store(now, ahead=ahead)
        requests = self._requests.to_store(now, ahead=ahead)
        return StoredSpends(spender_id, stored_at, orders, requests)

    def foresee(self, stored: StoredSpends, now: Micros) -> None:
        """Take note of the calls that are stored and not made yet."""
        self._orders.foresee(stored.orders.ahead, now)
        self._requests.foresee(stored.requests.ahead, now)
