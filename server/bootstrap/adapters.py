"""The real clocks, and ids and secrets from the operating system."""

import secrets
import time

import uuid_utils

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

    def new_id(self) -> str:
        """Return a UUID of version 7: later ones sort after earlier ones."""
        return str(uuid_utils.uuid7())

    def base62(self, length: int) -> str:
        """Return random base62 characters fit for a secret."""
        return "".join(secrets.choice(BASE62) for _ in range(length))
