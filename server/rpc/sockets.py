"""Sockets of this process: found among its open files, and closed without gRPC."""

import errno
import os
import socket
from collections.abc import Iterable, Iterator
from contextlib import suppress

DESCRIPTORS = "/dev/fd"


def open_descriptors() -> list[int]:
    """Return the descriptors of all open files; raise OSError if none is free."""
    with os.scandir(DESCRIPTORS) as entries:
        return [int(entry.name) for entry in entries]


def duplicates(descriptors: Iterable[int]) -> Iterator[tuple[int, socket.socket]]:
    """Yield each descriptor of a socket with a duplicate, which is closed before the next yield.

    A descriptor that is closed meanwhile is left out. Raises OSError if no descriptor is left.
    """
    for descriptor in descriptors:
        try:
            own = os.dup(descriptor)
        except OSError as error:
            if error.errno == errno.EBADF:
                continue
            raise
        try:
            opened = socket.socket(fileno=own)
        except OSError:  # It is another kind of file.
            os.close(own)
            continue
        with opened:
            yield descriptor, opened


def cut(ports: frozenset[int]) -> None:
    """Close the listeners of some TCP ports, then every connection to them.

    A caller with a call in flight sees its connection end, which is UNAVAILABLE. gRPC itself would
    end such a call as CANCELLED, and would go on accepting new calls. Without a free descriptor
    nothing is closed.
    """
    with suppress(OSError):
        for listening in (True, False):
            for _, opened in duplicates(open_descriptors()):
                with suppress(OSError):
                    if _is_at(opened, ports) and _listens(opened) == listening:
                        opened.shutdown(socket.SHUT_RDWR)


def _is_at(opened: socket.socket, ports: frozenset[int]) -> bool:
    return opened.family in (socket.AF_INET, socket.AF_INET6) and opened.getsockname()[1] in ports


def _listens(opened: socket.socket) -> bool:
    return bool(opened.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))
