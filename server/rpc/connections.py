"""Connections of this process, which are ended without gRPC."""

import os
import socket
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

DESCRIPTORS = Path("/dev/fd")


def cut(ports: frozenset[int]) -> None:
    """Close the listeners of some TCP ports, then every connection to them.

    A caller in the middle of a call sees its connection end, which is UNAVAILABLE. gRPC itself
    would end such a call as CANCELLED, and would go on accepting new ones.
    """
    found = list(_sockets(ports))
    for one in found:
        with one, suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)


def _sockets(ports: frozenset[int]) -> Iterator[socket.socket]:
    """Return duplicates of the sockets at some ports, listening ones first."""
    connected = []
    for entry in list(DESCRIPTORS.iterdir()):
        # The descriptor that listed the directory is closed by now.
        with suppress(OSError):
            descriptor = int(entry.name)
            if not stat.S_ISSOCK(os.fstat(descriptor).st_mode):
                continue
            one = socket.socket(fileno=os.dup(descriptor))
            if not _is_at(one, ports):
                one.close()
            elif one.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                yield one
            else:
                connected.append(one)
    yield from connected


def _is_at(one: socket.socket, ports: frozenset[int]) -> bool:
    return one.family in (socket.AF_INET, socket.AF_INET6) and one.getsockname()[1] in ports
