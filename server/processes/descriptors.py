"""File descriptors: how many there may be, and a reserve for what must not fail."""

import os
import resource
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

OTHERS = 256
"""Descriptors for all but callers' connections: databases, the bridge's connections, the log."""

SPARE = 8
"""Descriptors in reserve: those that the start of a process needs, and a few more."""


def raise_limit() -> None:
    """Let this process and its children have as many descriptors open as the system allows."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    # Some systems report a limit that they do not grant.
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def connections_that_fit(wanted: int) -> int:
    """Return how many of the wanted connections fit beside all other descriptors."""
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limit == resource.RLIM_INFINITY:
        return wanted
    return min(wanted, max(limit - OTHERS, limit // 2))


class SpareDescriptors:
    """A reserve: descriptors held open so that some can be freed when no others are left.

    Safe to share between threads.
    """

    def __init__(self, count: int = SPARE) -> None:
        self._count = count
        self._held: list[int] = []
        self._lock = threading.Lock()
        self._hold()

    @contextmanager
    def lent(self) -> Iterator[None]:
        """Free the descriptors for the block; afterwards hold as many again as can be opened."""
        with self._lock:
            self.close()
            try:
                yield
            finally:
                self._hold()

    def close(self) -> None:
        """Close all descriptors of the reserve."""
        while self._held:
            os.close(self._held.pop())

    def _hold(self) -> None:
        with suppress(OSError):
            while len(self._held) < self._count:
                self._held.append(os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC))
