"""Unix sockets between fronts and engines: only the user of the service can connect to them."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

UNIX = "unix:"
"""Begins the address of a Unix socket; its path follows."""

PATH_BYTES_MAX = 100
"""The kernel takes few more."""


@contextmanager
def listening(path: Path) -> Iterator[socket.socket]:
    """Yield a socket that listens at a path; whatever was there before is replaced."""
    path.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX) as listener, _reached(path) as address:
        # The file gets this mode when it is made: it is never open to others.
        os.fchmod(listener.fileno(), 0o600)
        listener.bind(address)
        listener.listen()
        yield listener
        path.unlink(missing_ok=True)


def connected(path: Path) -> socket.socket:
    """Return a socket that does not block, connected to a path; raise OSError if nobody listens."""
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.setblocking(False)
        with _reached(path) as address:
            connection.connect(address)
    except BaseException:
        connection.close()
        raise
    return connection


@contextmanager
def _reached(path: Path) -> Iterator[str]:
    """Yield an address of a path that is short enough for the kernel."""
    if len(os.fsencode(path)) <= PATH_BYTES_MAX:
        yield str(path)
        return
    directory = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{directory}/{path.name}"
    finally:
        os.close(directory)
