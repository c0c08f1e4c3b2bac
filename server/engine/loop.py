"""The engine's loop: one thread that waits for calls and for time, and answers in batches."""

import select
import socket

from server.application.commands import PassTime
from server.application.ports import Clock, QuoteSource
from server.domain.values import MILLISECOND, SECOND, Micros
from server.engine.frames import NOBODY, FrameBuffer, Kind, pack_answer, unpack_call
from server.engine.service import EngineService

RECEIVE_BYTES = 1 << 20
TIME_PASSES_EVERY: Micros = SECOND


def run(
    connection: socket.socket, service: EngineService, source: QuoteSource, clock: Clock
) -> None:
    """Serve the front until it closes its end of the connection.

    Every call that waits is taken into one batch: what arrives while a batch is written makes
    the next one.
    """
    buffer = FrameBuffer()
    connection.sendall(service.board())
    connection.sendall(b"".join(service.handle([], [PassTime()])))
    connection.sendall(pack_answer(NOBODY, Kind.READY, b""))
    due = _next_due(source, clock())
    # Not select(): it refuses descriptors above 1023, and a busy front has many.
    incoming = select.poll()
    incoming.register(connection, select.POLLIN)
    while True:
        # A clock that was set back must not make the market wait.
        due = min(due, clock() + TIME_PASSES_EVERY)
        calls = []
        if incoming.poll(max(due - clock(), 0) / MILLISECOND):
            received = connection.recv(RECEIVE_BYTES)
            if not received:
                return
            calls = [unpack_call(frame) for frame in buffer.feed(received)]
        now = clock()
        passing = [PassTime()] if now >= due else []
        if passing:
            due = _next_due(source, now)
        if calls or passing:
            connection.sendall(b"".join(service.handle(calls, passing)))


def _next_due(source: QuoteSource, now: Micros) -> Micros:
    """Return when time must pass next: with the next quote, and at least every second."""
    latest = now + TIME_PASSES_EVERY
    due = source.next_due(now)
    return latest if due is None else min(due, latest)
