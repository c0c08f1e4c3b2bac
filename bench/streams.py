"""Cost of streams: time to receipt, deliveries beside a bare server, memory, and other callers."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from bench.load import Target, latencies_us
from bench.service import Service

SUBSCRIBERS = 1_000
OFFERED_SECONDS = 10
OFFERED_SHARE = 0.1
"""Share of the bare server's rate, so that a slow machine is not flooded."""
OFFERED_MAX = 500
FANNED_STREAMS = 200
FANNED_EVENTS = 200
STALLED = 50
CALLS_ALONE = 1_000
ROUNDS = 5
RUN_SECONDS_MAX = 600


@dataclass(frozen=True, slots=True)
class Costs:
    """Milliseconds to receipt, orders and deliveries per second, KiB per stream, p99 of orders."""

    receipt_p50_ms: float
    receipt_p99_ms: float
    offered: float
    orders_per_second: float
    bare_deliveries: float
    deliveries: float
    idle_kib: float
    alone_p99_us: float
    beside_stalled_p99_us: float


def streams(
    service: Service, bare: str, orders: Target, log: Path, *, bare_calls_per_second: float
) -> tuple[Costs, int]:
    """Measure on a running service; return the costs and the number of orders placed."""
    offered = min(OFFERED_MAX, OFFERED_SHARE * bare_calls_per_second)
    count = round(OFFERED_SECONDS * offered)
    keys = service.make_keys(SUBSCRIBERS, "subscriber")
    idle_kib = _idle_kib(service, keys)
    task = {
        "address": service.grpc,
        "keys": keys,
        "orders": count,
        "rate": offered,
    }
    told = _run("latency", task)
    fanned = {
        "address": service.grpc,
        "keys": keys,
        "streams": FANNED_STREAMS,
        "events": FANNED_EVENTS,
        "go": "",
    }
    plain = fanned | {"address": bare, "go": "/bottrading.v1.BotTrading/Go"}
    rates = [
        (_run("fan_out", plain)["rate"], _run("fan_out", fanned)["rate"]) for _ in range(ROUNDS)
    ]
    p99s = [_alone_and_beside_stalled(service, keys, orders, log) for _ in range(ROUNDS)]
    placed = count + ROUNDS * (FANNED_EVENTS // 2 + 2 * CALLS_ALONE)
    times = told["ms"]
    costs = Costs(
        receipt_p50_ms=median(times),
        receipt_p99_ms=times[len(times) * 99 // 100],
        offered=offered,
        orders_per_second=told["rate"],
        bare_deliveries=median(pair[0] for pair in rates),
        deliveries=median(pair[1] for pair in rates),
        idle_kib=idle_kib,
        alone_p99_us=median(pair[0] for pair in p99s),
        beside_stalled_p99_us=median(pair[1] for pair in p99s),
    )
    return costs, placed


def _idle_kib(service: Service, keys: list[str]) -> float:
    """Return the memory of the front that an open, idle stream takes."""
    before = service.front_kib()
    with _waiting("idle", {"address": service.grpc, "keys": keys}):
        return (service.front_kib() - before) / len(keys)


def _alone_and_beside_stalled(
    service: Service, keys: list[str], orders: Target, log: Path
) -> tuple[float, float]:
    alone = _p99(latencies_us(orders, calls=CALLS_ALONE, log=log))
    task = {"address": service.grpc, "keys": keys, "streams": STALLED}
    with _waiting("stalled", task):
        return alone, _p99(latencies_us(orders, calls=CALLS_ALONE, log=log))


def _p99(times: list[int]) -> int:
    return times[len(times) * 99 // 100]


def _run(kind: str, task: dict[str, Any]) -> dict[str, Any]:
    with _started(kind, task) as process:
        output, _ = process.communicate(timeout=RUN_SECONDS_MAX)
    found: dict[str, Any] = json.loads(output.splitlines()[-1])
    return found


@contextmanager
def _waiting(kind: str, task: dict[str, Any]) -> Iterator[None]:
    """Start readers that wait until standard input ends."""
    with _started(kind, task) as process:
        assert process.stdout is not None
        assert process.stdout.readline(), f"{kind} readers did not open their streams"
        yield
        process.communicate(timeout=RUN_SECONDS_MAX)


@contextmanager
def _started(kind: str, task: dict[str, Any]) -> Iterator["subprocess.Popen[str]"]:
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.readers", kind],
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdin is not None
    process.stdin.write(json.dumps(task) + "\n")
    process.stdin.flush()
    try:
        yield process
    finally:
        process.kill()
        process.wait()
