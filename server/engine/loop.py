"""The engine's loop: one thread waits for calls and for due quotes, and answers in batches."""

import select
import socket
from collections.abc import Iterable, Sequence

from server.application.market_ports import QuoteSource
from server.application.ports import Clock
from server.domain.values import MILLISECOND, SECOND, Micros
from server.engine.frames import (
    NOBODY,
    Call,
    FrameBuffer,
    Kind,
    UnknownVersion,
    pack_answer,
    pack_moved,
    unpack_call,
)
from server.engine.service import EngineService

RECEIVE_BYTES = 1 << 20
TIME_PASSES_EVERY: Micros = SECOND


def run(
    connection: socket.socket,
    service: EngineService,
    source: QuoteSource,
    clock: Clock,
    monotonic: Clock,
) -> None:
    """Serve the front until it closes its end of the connection.

    All calls that wait become one batch. Calls that arrive while it is written become the next
    batch. Time passes when quotes are due, and at least every second. Orders and
    options whose time is over are ended in parts. Waiting calls are answered between two parts.
    """
    buffer = FrameBuffer()
    connection.sendall(service.board())
    connection.sendall(b"".join(service.handle([], passing=True)))
    connection.sendall(pack_answer(NOBODY, Kind.READY, b""))
    passed = monotonic()
    # Not select(): it refuses descriptors above 1023, and a busy front has many.
    incoming = select.poll()
    incoming.register(connection, select.POLLIN)
    while True:
        rest = max(passed + TIME_PASSES_EVERY - monotonic(), 0)
        due_in = source.due_in(clock())
        wait = rest if due_in is None else min(due_in, rest)
        if service.is_behind:
            wait = 0
        calls: Sequence[Call] = ()
        if incoming.poll(wait / MILLISECOND):
            received = connection.recv(RECEIVE_BYTES)
            if not received:
                return
            calls, refused = read_calls(buffer.feed(received))
            if refused:
                connection.sendall(b"".join(refused))
        passing = False
        is_second_over = monotonic() >= passed + TIME_PASSES_EVERY
        if service.is_behind or source.is_due(clock()) or is_second_over:
            passing, passed = True, monotonic()
        if calls or passing:
            connection.sendall(b"".join(service.handle(calls, passing=passing)))


def read_calls(frames: Iterable[bytes]) -> tuple[list[Call], list[bytes]]:
    """Return calls, and answers to those of a version that this engine does not know."""
    calls, answers = list[Call](), list[bytes]()
    for frame in frames:
        try:
            calls.append(unpack_call(frame))
        except UnknownVersion as error:
            answers.append(pack_moved(error.call_id))
    return calls, answers
