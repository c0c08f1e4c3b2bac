"""The engine's loop: one thread waits for calls and for due quotes, and answers in batches."""

from server.application.market_ports import QuoteSource
from server.application.ports import Clock
from server.domain.values import MILLISECOND, SECOND, Micros
from server.engine.fronts import READY, Fronts
from server.engine.service import EngineService

TIME_PASSES_EVERY: Micros = SECOND


def run(
    fronts: Fronts,
    service: EngineService,
    source: QuoteSource,
    clock: Clock,
    monotonic: Clock,
) -> None:
    """Serve all fronts until the own one closes its connection.

    All calls that wait become one batch. Calls that arrive while it is written become the next
    batch. Time passes when quotes are due, and at least every second. Orders and
    options whose time is over are ended in parts. Waiting calls are answered between two parts.
    Shards change hands between two batches, but no more once the engine leaves.
    """
    fronts.send(service.board())
    fronts.send(service.handle([], passing=True))
    fronts.send([READY])
    passed = monotonic()
    while True:
        rest = max(passed + TIME_PASSES_EVERY - monotonic(), 0)
        due_in = source.due_in(clock())
        wait = min(it for it in (rest, due_in, service.look_due_in) if it is not None)
        if service.is_behind:
            wait = 0
        calls = fronts.receive(wait / MILLISECOND)
        if calls is None:
            return
        if not fronts.is_leaving:
            fronts.send(service.look())
        passing = False
        is_second_over = monotonic() >= passed + TIME_PASSES_EVERY
        if service.is_behind or source.is_due(clock()) or is_second_over:
            passing, passed = True, monotonic()
        if calls or passing:
            fronts.send(service.handle(calls, passing=passing))
