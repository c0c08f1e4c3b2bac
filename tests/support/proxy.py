"""A proxy in front of PostgreSQL that breaks connections in the middle of a COMMIT."""

import re
import selectors
import socket
import struct
import threading
from contextlib import suppress
from enum import Enum
from pathlib import Path

COMMIT = b"COMMIT\0"
PREPARED = re.compile(rb"P.{4}(_pg\w+)\0COMMIT\0", re.DOTALL)
"""The driver prepares what it sends often, and then sends only its name."""

KEY_OF_BACKEND = b"K"
RECEIVE_BYTES = 1 << 16


class Cut(Enum):
    """When the connection that commits is cut."""

    NEVER = "never"
    BEFORE = "before the server gets the COMMIT"
    HALF = "when the server has got half of the COMMIT"
    AFTER = "after the server has executed it, before the client hears of that"
    HALF_ANSWER = "when the client has got half of the server's answer"
    ANSWERED = "when the client has got the answer"


class Proxy:
    """Passes on what a client and the server say, until it is told to cut a connection.

    It cuts once, the next connection that commits; with a `mark`, the one that has said the mark
    since then. With `renames` it gives the client another number of its backend, as a pooler does.
    """

    def __init__(self, directory: Path, *, renames: bool = False) -> None:
        self._server = str(directory / ".s.PGSQL.5432")
        self._renames = renames
        self.cut = Cut.NEVER
        self.mark = b""
        self.cuts = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._threads: list[threading.Thread] = []
        self._clients: list[socket.socket] = []
        self._accepting = threading.Thread(target=self._accept)
        self._accepting.start()

    def url(self, direct: str) -> str:
        """Return the URL of a database through this proxy."""
        user, _, rest = direct.partition("@/")
        return f"{user}@127.0.0.1:{self.port}/{rest.partition('?')[0]}?sslmode=disable"

    def close(self) -> None:
        """Close all connections."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._accepting.join()
        for client in self._clients:
            with suppress(OSError):  # It may be closed already.
                client.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._pass_on, args=(client,))
            self._threads.append(thread)
            self._clients.append(client)
            thread.start()

    def _pass_on(self, client: socket.socket) -> None:
        server = socket.socket(socket.AF_UNIX)
        server.connect(self._server)
        is_marked = is_committing = False
        commits = [COMMIT]
        with client, server, selectors.DefaultSelector() as ready:
            ready.register(client, selectors.EVENT_READ, server)
            ready.register(server, selectors.EVENT_READ, client)
            while True:
                for key, _ in ready.select():
                    source, target = key.fileobj, key.data
                    assert isinstance(source, socket.socket)
                    try:
                        said = source.recv(RECEIVE_BYTES)
                    except ConnectionResetError:
                        return
                    if not said:
                        return
                    if source is client:
                        is_marked |= self.cut is not Cut.NEVER and self.mark in said
                        commits += (b"\0%b\0" % name for name in PREPARED.findall(said))
                        is_committing |= is_marked and any(each in said for each in commits)
                        part = _BEFORE.get(self.cut) if is_committing else None
                    else:
                        part = _AFTER.get(self.cut) if is_committing and COMMIT in said else None
                        said = _renamed(said) if self._renames else said
                    if part is not None:
                        self.cut, self.cuts = Cut.NEVER, self.cuts + 1
                        target.sendall(said[: int(len(said) * part)])
                        return
                    target.sendall(said)


_BEFORE = {Cut.BEFORE: 0.0, Cut.HALF: 0.5}
_AFTER = {Cut.AFTER: 0.0, Cut.HALF_ANSWER: 0.5, Cut.ANSWERED: 1.0}
"""The share of the message that still arrives."""


def _renamed(said: bytes) -> bytes:
    """Change the number of the backend in the message that tells it."""
    header = KEY_OF_BACKEND + struct.pack("!i", 12)
    at = said.find(header)
    if at < 0:
        return said
    (number,) = struct.unpack_from("!i", said, at + 5)
    return said[: at + 5] + struct.pack("!i", number + 1) + said[at + 9 :]
