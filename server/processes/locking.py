"""File locks: one process at a time holds one; the kernel releases it when the process ends."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

RETRY_SECONDS = 0.05


class LockHeld(Exception):
    """Another process holds the lock."""


@contextmanager
def take_lock(path: Path, timeout_seconds: float) -> Iterator[None]:
    """Hold a lock on a file; raise LockHeld if another process holds it until the timeout."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        deadline = time.monotonic() + timeout_seconds
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    raise LockHeld(str(path)) from None
                time.sleep(RETRY_SECONDS)
        yield
    finally:
        os.close(descriptor)
