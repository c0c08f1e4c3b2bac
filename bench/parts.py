"""Cost of the parts of a call, each measured alone in this process."""

import asyncio
import os
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from grpc import StatusCode
from prometheus_client import CollectorRegistry

from bench.customer import customer, market_order
from rest_bridge.line_writer import LineWriter
from server.bootstrap.engine import EngineParts, build
from server.config import Settings
from server.engine.frames import Call
from server.rpc.interceptors.observability import CallJournal, Finished
from server.storage.migrate import bring_up_to_date
from server.wire.contract import methods

BATCH = 32
BATCHES = 50
ROUNDS = 5


async def observing_us() -> float:
    """Return the cost of a call's log line and counters, in microseconds of processor time."""
    lines = LineWriter(os.open(os.devnull, os.O_WRONLY))
    journal = CallJournal(lines.write, CollectorRegistry())
    method = methods()[0]
    begun = time.process_time()
    for _ in range(BATCHES):
        for number in range(BATCH):
            journal.add(
                Finished(method, StatusCode.OK, "", 0.001, str(number), "account", "key", number)
            )
        journal.flush()
        await asyncio.sleep(0)
    taken = time.process_time() - begun
    lines.close()
    return taken / (BATCH * BATCHES) * 1e6


def batch_us(directory: Path) -> tuple[float, float]:
    """Return the cost of an order in a batch, and of a batch without its orders.

    Both are in microseconds of processor time, with a database on disk. The second is a batch of
    one order, less an order's share of a batch of 32.
    """
    with tempfile.TemporaryDirectory(dir=directory) as name:
        settings = Settings(data_dir=Path(name), seed=1, initial_balance="9000000000.00")
        bring_up_to_date(settings.location)
        parts = build(settings.for_engine())
        parts.service.handle([], passing=True)
        account_id, key_id = customer(parts)
        calls = [market_order(number, account_id, key_id) for number in range(1, BATCH + 1)]
        rounds = [
            (_handling_us(parts, calls) / BATCH, _handling_us(parts, calls[:1]))
            for _ in range(ROUNDS)
        ]
        parts.close()
    return median(share for share, _ in rounds), median(alone - share for share, alone in rounds)


def _handling_us(parts: EngineParts, calls: Sequence[Call]) -> float:
    begun = time.process_time()
    for _ in range(BATCHES):
        parts.service.handle(calls)
    return (time.process_time() - begun) / BATCHES * 1e6
