"""The real clocks, and ids and secrets from the operating system."""

import secrets
import time
from collections.abc import Callable
from itertools import count

import uuid_utils

from server.domain.account import Account
from server.domain.named_ids import named_id
from server.domain.user import BASE62
from server.domain.values import Micros


def system_clock() -> Micros:
    """Return the present time, in microseconds since 1970; it may be set back."""
    return time.time_ns() // 1_000


def monotonic_clock() -> Micros:
    """Return a time that never goes back, from an unknown origin."""
    return time.monotonic_ns() // 1_000


def boot_clock() -> Micros:
    """Return the time since the machine started, including sleep if the system counts it."""
    clock = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
    return time.clock_gettime_ns(clock) // 1_000


class ToldClock:
    """A clock that shows the time that it was last set to, at first 0."""

    def __init__(self) -> None:
        self._now: Micros = 0

    def __call__(self) -> Micros:
        return self._now

    def set(self, now: Micros) -> None:
        self._now = now


class SystemChance:
    """UUIDs and secrets from the operating system."""

    def __init__(self) -> None:
        # A generator would take longer for each id.
        self._ids = map(str, iter(uuid_utils.uuid7, None))

    def new_id(self) -> str:
        """Return a UUID of version 7: later ones sort after earlier ones."""
        return next(self._ids)

    def id_of(self, *_: str) -> str:
        """Return a UUID of version 7; the names do not matter."""
        return self.new_id()

    def ids_of(self, _: Account) -> Callable[[], str]:
        """Return the source of UUIDs of version 7."""
        return self._ids.__next__

    def base62(self, length: int) -> str:
        """Return random base62 characters fit for a secret."""
        return "".join(secrets.choice(BASE62) for _ in range(length))


class SteppedChance(SystemChance):
    """Ids that a lock-step replay repeats in every run, and secrets from the operating system.

    Ids of one account are in order.
    """

    def id_of(self, *names: str) -> str:
        """Return the UUID of some names."""
        return named_id(0, *names)

    def ids_of(self, account: Account) -> Callable[[], str]:
        """Return UUIDs made of the account's id, the end of its log and a number.

        Each decision adds to the log, so that the next one makes other ids.
        """
        numbers = count()
        return lambda: named_id(account.sequence, account.id, str(next(numbers)))
