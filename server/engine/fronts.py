"""The fronts of an engine: its own, and those of other replicas, each on its connection."""

import logging
import math
import select
import socket
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import count

from server.engine.frames import (
    ANSWER_HEADER,
    CALL_START,
    LENGTH,
    NOBODY,
    Call,
    FrameBuffer,
    Kind,
    UnknownVersion,
    pack_answer,
    pack_moved,
    unpack_call,
)

log = logging.getLogger(__name__)

RECEIVE_BYTES = 1 << 20
UNREAD_BYTES_MAX = 64 << 20
"""So much may wait for another replica's front. One that reads less is disconnected."""

FOREIGN_CALLS = 1 << 63
"""Calls of other replicas' fronts are numbered anew from here; own fronts count from 1."""

FOR_ALL = frozenset({Kind.KEY_ENDED, Kind.USER_CHANGED, Kind.LOGS_GROWN, Kind.SIGN_OF_LIFE})
"""What other fronts are notified of. Quotes and the time of a replay they get from their engine.

So it is with a market that has stopped and with margin calls that wait: a front is ready, and shows
figures, as its own engine says.
"""

NOT_LAST = frozenset({Kind.WAITING, Kind.SPENT})
"""After these, another answer to the same call follows."""

OWN_SECONDS_MAX = 10.0
"""The own front of an engine that others need, too, may read nothing for so long."""

LEAVE_SECONDS_MAX = 2.0
"""An engine that ends waits so long for the fronts of other replicas to leave it."""

READY = pack_answer(NOBODY, Kind.READY, b"")
LEAVING = pack_answer(NOBODY, Kind.LEAVING, b"")
SIGN_OF_LIFE = pack_answer(NOBODY, Kind.SIGN_OF_LIFE, b"")


class Fronts:
    """Receives calls from all fronts, and sends each front its answers and notifications.

    The own front may block the engine, and ends it. The other fronts are then told that the engine
    leaves: they send nothing more, and disconnect when they have their answers. No other front may
    block the engine: what it does not read waits in memory. If there can be others, the own front
    has left, too, when it blocks the engine for too long: others can own the shards then.
    """

    def __init__(self, own: socket.socket, listener: socket.socket | None = None) -> None:
        self._own = own
        self._leaves_at = math.inf
        self._own_buffer = FrameBuffer()
        self._listener = listener
        self._others: dict[int, _Other] = {}
        self._asked: dict[int, tuple[_Other, int]] = {}
        self._numbers = count(FOREIGN_CALLS)
        # Not select(): it refuses descriptors above 1023, and a busy front has many.
        self._poll = select.poll()
        self._poll.register(own, select.POLLIN)
        if listener is not None:
            own.settimeout(OWN_SECONDS_MAX)
            listener.setblocking(False)
            self._poll.register(listener, select.POLLIN)

    def receive(self, milliseconds: float) -> list[Call] | None:
        """Wait for calls of any front; return None when the own front and then all others left."""
        calls: list[Call] = []
        if self.is_leaving:
            if not self._others or time.monotonic() >= self._leaves_at:
                return None
            milliseconds = min(milliseconds, LEAVE_SECONDS_MAX * 1000)
        for descriptor, events in self._poll.poll(milliseconds):
            if descriptor == self._own.fileno():
                calls += self._read(self._own_buffer.feed(self._receive_own()))
            elif descriptor in self._others:
                calls += self._serve(self._others[descriptor], events)
            elif self._listener is not None:
                self._accept(self._listener)
        return calls

    def send(self, frames: Sequence[bytes]) -> None:
        """Send answers to whoever asked, and notifications to all whom they concern."""
        if self._listener is None:
            self._send_own(frames)
            return
        own: list[bytes] = []
        for frame in frames:
            number, kind = ANSWER_HEADER.unpack_from(frame, LENGTH.size)
            if number >= FOREIGN_CALLS:
                self._answer(number, kind, frame)
                continue
            own.append(frame)
            if number == NOBODY and kind in FOR_ALL:
                for other in self._others.values():
                    other.outgoing += frame
        self._send_own(own)
        self._flush()

    def tell_progress(self) -> None:
        """Send all fronts a sign of life; raise BrokenPipeError if the own one is gone."""
        if not self.is_leaving:
            try:
                self._own.sendall(SIGN_OF_LIFE)
            except TimeoutError:
                raise BrokenPipeError from None
        for other in self._others.values():
            other.outgoing += SIGN_OF_LIFE
        self._flush()

    def close(self) -> None:
        """Disconnect all fronts but the own one."""
        for other in list(self._others.values()):
            self._drop(other)

    @property
    def is_leaving(self) -> bool:
        """Tell whether the own front has left."""
        return self._leaves_at < math.inf

    def _receive_own(self) -> bytes:
        """Return what the own front sent; when it has left, the engine begins to leave."""
        received = b""
        with suppress(ConnectionResetError):
            received = self._own.recv(RECEIVE_BYTES)
        if not received:
            self._leave()
        return received

    def _send_own(self, frames: Sequence[bytes]) -> None:
        if not self.is_leaving:
            try:
                self._own.sendall(b"".join(frames))
            except (BrokenPipeError, ConnectionResetError):
                self._leave()
            except TimeoutError:
                log.error("The front of this engine does not read: the engine ends.")
                self._leave()

    def _leave(self) -> None:
        self._leaves_at = time.monotonic() + LEAVE_SECONDS_MAX
        self._poll.unregister(self._own)
        for other in self._others.values():
            other.outgoing += LEAVING
        self._flush()

    def _accept(self, listener: socket.socket) -> None:
        try:
            connection, _ = listener.accept()
        except OSError:  # It left already, or no descriptor is left for it: it tries again.
            return
        other = _Other(connection)
        self._others[connection.fileno()] = other
        other.outgoing += LEAVING if self.is_leaving else READY
        self._poll.register(connection, select.POLLIN)
        self._write(other)

    def _serve(self, other: "_Other", events: int) -> list[Call]:
        if events & select.POLLOUT:
            self._write(other)
        if not events & ~select.POLLOUT:
            return []
        received = other.receive()
        if received is None:
            self._drop(other)
            return []
        return self._read(self._numbered(other, received))

    def _numbered(self, other: "_Other", received: bytes) -> Iterator[bytes]:
        """Yield frames of calls under numbers that no other front's calls have."""
        for frame in other.buffer.feed(received):
            version, call_id = CALL_START.unpack_from(frame)
            number = next(self._numbers)
            self._asked[number] = (other, call_id)
            yield CALL_START.pack(version, number) + frame[CALL_START.size :]

    def _read(self, frames: Iterable[bytes]) -> list[Call]:
        """Return calls; those of a version that this engine does not know are answered at once."""
        calls, answers = list[Call](), list[bytes]()
        for frame in frames:
            try:
                calls.append(unpack_call(frame))
            except UnknownVersion as error:
                answers.append(pack_moved(error.call_id))
        if answers:
            self.send(answers)
        return calls

    def _answer(self, number: int, kind: int, frame: bytes) -> None:
        is_last = kind not in NOT_LAST
        asked = self._asked.pop(number, None) if is_last else self._asked.get(number)
        if asked is not None:  # None: whoever asked has left.
            other, call_id = asked
            begin = LENGTH.size
            header = ANSWER_HEADER.pack(call_id, kind)
            other.outgoing += frame[:begin] + header + frame[begin + len(header) :]

    def _flush(self) -> None:
        for other in list(self._others.values()):
            if other.outgoing:
                self._write(other)

    def _write(self, other: "_Other") -> None:
        if not other.write() or len(other.outgoing) > UNREAD_BYTES_MAX:
            self._drop(other)
            return
        waits = select.POLLOUT if other.outgoing else 0
        self._poll.modify(other.connection, select.POLLIN | waits)

    def _drop(self, other: "_Other") -> None:
        del self._others[other.connection.fileno()]
        self._poll.unregister(other.connection)
        other.connection.close()
        self._asked = {
            number: asked for number, asked in self._asked.items() if asked[0] is not other
        }


class _Other:
    """The front of another replica: its connection, and what it has not read yet."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.buffer = FrameBuffer()
        self.outgoing = bytearray()
        connection.setblocking(False)

    def receive(self) -> bytes | None:
        """Return what has come, perhaps nothing; None if the front has left."""
        try:
            return self.connection.recv(RECEIVE_BYTES) or None
        except BlockingIOError:
            return b""
        except OSError:
            return None

    def write(self) -> bool:
        """Send what the connection takes; return False if the front has left."""
        try:
            sent = self.connection.send(self.outgoing)
        except BlockingIOError:
            return True
        except OSError:
            return False
        del self.outgoing[:sent]
        return True
