"""`make bench`: rates and latencies of the service beside those of a bare server."""

import asyncio
import os
import platform
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

from bench.feeds import rows as feed_rows
from bench.figures import FEW_ACCOUNTS, FEW_TRADES, MANY_ACCOUNTS, MANY_TRADES, figures
from bench.load import LoadFailed, Target, calls_per_second, latency_p50_us
from bench.margins import AT_RISK, margins
from bench.parts import batch_us, observing_us
from bench.replays import RESTING, replays
from bench.scale import PARTS
from bench.scale import measured as scale_measured
from bench.scale import rows as scale_rows
from bench.service import Service, free_port
from bench.streams import FANNED_STREAMS, STALLED, SUBSCRIBERS, Costs, streams
from bench.triggers import FEW, MANY, TRIGGERED, triggers
from bottrading.v1 import bot_trading_pb2, order_pb2

ACCOUNTS = 8
IN_FLIGHT = 8
ROUNDS = 5
CALLS = 2_000
CALLS_ALONE = 1_000
REST_CALLS = 8_000
REST_CONNECTIONS = 64
STORED_ORDERS = 100_000
PLACE_ORDER = "/bottrading.v1.BotTrading/PlaceOrder"
GRPC_HEADERS = ["content-type: application/grpc", "te: trailers"]


def main() -> None:
    """Measure and print a table; exit with status 1 when a call was not OK."""
    if shutil.which("h2load") is None:
        sys.exit(
            "`make bench` needs h2load: install it with `apt-get install nghttp2-client` (Debian), "
            "`brew install nghttp2` (macOS)"
        )
    # On the disk of the project, because the temporary directory may be in memory.
    with tempfile.TemporaryDirectory(dir=Path.cwd(), prefix=".bench-") as name:
        directory = Path(name)
        noop_port = free_port()
        noop = subprocess.Popen(
            [sys.executable, "-m", "bench.noop_server", f"127.0.0.1:{noop_port}"]
        )
        try:
            service = Service(directory)
            try:
                _measure(directory, service, f"127.0.0.1:{noop_port}")
            finally:
                service.stop()
            _measure_figures(directory)
            for what, figure, note in [*feed_rows(), *scale_rows(scale_measured(directory, PARTS))]:
                _row(what, figure, note)
        except LoadFailed as error:
            sys.exit(str(error))
        finally:
            noop.terminate()
            noop.wait()


def _measure(directory: Path, service: Service, noop: str) -> None:
    keys = service.make_keys(ACCOUNTS)
    grpc_body, rest_body = _bodies(directory)
    bare = Target(f"http://{noop}{PLACE_ORDER}", grpc_body, [GRPC_HEADERS] * ACCOUNTS)
    ours = Target(
        f"http://{service.grpc}{PLACE_ORDER}",
        grpc_body,
        [[*GRPC_HEADERS, f"x-bot-key: {key}"] for key in keys],
    )
    rest = Target(
        f"http://{service.rest}/api/v1/bot/orders",
        rest_body,
        [[f"x-bot-key: {keys[0]}", "content-type: application/json"]],
        http1=True,
    )
    placed = Count(service)
    print(
        f"{platform.python_implementation()} {platform.python_version()}, {_build()}; "
        f"{os.cpu_count()} cores; medians of {ROUNDS}"
    )

    for measure in (_measure_parts, _measure_triggers, _measure_replays, _measure_margins):
        measure(directory)

    calls_per_second(bare, calls=200, in_flight=IN_FLIGHT)
    placed.run(ours, 200)
    base, orders = _pairs(
        lambda: calls_per_second(bare, calls=CALLS, in_flight=IN_FLIGHT),
        lambda: placed.run(ours, CALLS),
    )
    _row("no-op, calls/s", f"{base:.0f}", "")
    _row("PlaceOrder, calls/s", f"{orders:.0f}", f"{orders / base:.2f} of the no-op (≥ 0.40)")

    alone_bare, alone = _pairs(
        lambda: latency_p50_us(bare, calls=CALLS_ALONE, log=directory / "bare.log"),
        lambda: placed.alone(ours, directory / "ours.log"),
    )
    sync = median(_fdatasync_p50_us(directory) for _ in range(ROUNDS))
    _row("no-op alone, p50 µs", f"{alone_bare:.0f}", "")
    _row("fdatasync alone, p50 µs", f"{sync:.0f}", "")
    share = alone / (alone_bare + sync)
    _row("PlaceOrder alone, p50 µs", f"{alone:.0f}", f"{share:.2f} of their sum (≤ 2.50)")

    base, over_rest = _pairs(
        lambda: calls_per_second(bare, calls=CALLS, in_flight=IN_FLIGHT),
        lambda: placed.run(rest, REST_CALLS, in_flight=REST_CONNECTIONS),
    )
    _row(
        "POST /orders, calls/s", f"{over_rest:.0f}", f"{over_rest / base:.2f} of the no-op (≥ 0.25)"
    )

    while placed.expected < STORED_ORDERS:
        placed.run(ours, CALLS)
    base, full = _pairs(
        lambda: calls_per_second(bare, calls=CALLS, in_flight=IN_FLIGHT),
        lambda: placed.run(ours, CALLS),
    )
    _row(
        f"PlaceOrder over {STORED_ORDERS} stored",
        f"{full:.0f}",
        f"{full / base:.2f} of the no-op; {full / orders:.2f} of before (≥ 0.90)",
    )
    costs, orders_placed = streams(
        service, noop, ours, directory / "streams.log", bare_calls_per_second=base
    )
    placed.expected += orders_placed
    _print_streams(costs)
    placed.check()
    print(f"{placed.expected} orders, all FILLED and stored")


def _measure_parts(directory: Path) -> None:
    observing, (order, batch) = asyncio.run(observing_us()), batch_us(directory)
    _row("market order in a batch, µs", f"{order:.0f}", "engine's processor")
    _row("log line and counters, µs", f"{observing:.1f}", "front's processor")
    _row("fixed cost of a batch, µs", f"{batch:.0f}", "engine's processor, beside its orders")


def _print_streams(costs: Costs) -> None:
    offered = f"of {costs.offered:.0f} offered, {SUBSCRIBERS} subscribers"
    _row("order updates, orders/s", f"{costs.orders_per_second:.0f}", offered)
    _row("from deciding to receipt, p50 ms", f"{costs.receipt_p50_ms:.1f}", "commit included")
    _row("from deciding to receipt, p99 ms", f"{costs.receipt_p99_ms:.1f}", "(≤ 10)")
    _row("bare stream, deliveries/s", f"{costs.bare_deliveries:.0f}", f"{FANNED_STREAMS} streams")
    share = costs.deliveries / costs.bare_deliveries
    _row("order updates, deliveries/s", f"{costs.deliveries:.0f}", f"{share:.2f} of that (≥ 0.70)")
    _row("an idle stream, KiB", f"{costs.idle_kib:.1f}", "of the front (≤ 64)")
    share = costs.beside_stalled_p99_us / costs.alone_p99_us
    _row("PlaceOrder alone, p99 µs", f"{costs.alone_p99_us:.0f}", "")
    _row(
        f"beside {STALLED} stalled readers",
        f"{costs.beside_stalled_p99_us:.0f}",
        f"{share:.2f} of that (≤ 1.20)",
    )


def _measure_triggers(directory: Path) -> None:
    costs = triggers(directory)
    _row(f"quote over {FEW} resting, µs", f"{costs.over_few_us:.0f}", "moves trails, triggers none")
    share = costs.over_many_us / costs.over_few_us
    _row(f"quote over {MANY}, µs", f"{costs.over_many_us:.0f}", f"{share:.2f} of that (≤ 1.20)")
    _row(
        f"{TRIGGERED} triggered by a quote, ms",
        f"{costs.triggered_seconds * 1e3:.0f}",
        f"in {costs.triggered_transactions} transactions",
    )


def _measure_margins(directory: Path) -> None:
    costs = margins(directory)
    _row("a second without loans, ms", f"{costs.idle_ms:.2f}", "nothing is due")
    _row(f"a look at {AT_RISK} accounts, ms", f"{costs.at_risk_ms - costs.idle_ms:.1f}", "(≤ 100)")


def _measure_replays(directory: Path) -> None:
    costs = replays(directory)
    _row("rows of a file, plain loop, /s", f"{1e6 / costs.plain_us:.0f}", "only read")
    share = costs.reading_us / costs.engine_us
    _row(
        "quotes of a replay of it, /s",
        f"{1e6 / costs.engine_us:.0f}",
        f"of the engine (≥ 50000); reading them is {share:.2f} of it",
    )
    share = costs.engine_us / costs.resting_us
    _row(
        f"over {RESTING} resting orders, /s",
        f"{1e6 / costs.resting_us:.0f}",
        f"{share:.2f} of that (≥ 0.67)",
    )
    _row("quotes taken by its front, /s", f"{1e6 / costs.front_us:.0f}", "in another process")


def _measure_figures(directory: Path) -> None:
    grpc_body, _ = _bodies(directory)
    costs = figures(directory, grpc_body)
    _row(f"KPIs of {FEW_TRADES} trades, p50 µs", f"{costs.kpi_few_us:.0f}", "")
    share = costs.kpi_many_us / costs.kpi_few_us
    _row(f"of {MANY_TRADES}", f"{costs.kpi_many_us:.0f}", f"{share:.2f} of that (≤ 1.50)")
    _row(f"board of {FEW_ACCOUNTS} accounts, p50 µs", f"{costs.board_few_us:.0f}", "")
    share = costs.board_many_us / costs.board_few_us
    _row(f"of {MANY_ACCOUNTS}", f"{costs.board_many_us:.0f}", f"{share:.2f} of that (≤ 1.50)")
    _row("its refresh, s", f"{costs.refresh_seconds:.1f}", "every 20 times that")
    _row("PlaceOrder alone, p99 µs", f"{costs.order_p99_us:.0f}", "")
    share = costs.order_beside_refresh_p99_us / costs.order_p99_us
    _row(
        "beside a refresh",
        f"{costs.order_beside_refresh_p99_us:.0f}",
        f"{share:.2f} of that, a 21st of the time",
    )


class Count:
    """Counts the orders placed, to compare them with those stored."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self.expected = 0

    def run(self, target: Target, calls: int, in_flight: int = IN_FLIGHT) -> float:
        """Return the rate of a round of orders."""
        self.expected += calls * len(target.headers)
        return calls_per_second(target, calls=calls, in_flight=in_flight)

    def alone(self, target: Target, log: Path) -> float:
        """Return the latency of one client's orders."""
        self.expected += CALLS_ALONE
        return latency_p50_us(target, calls=CALLS_ALONE, log=log)

    def check(self) -> None:
        """Raise LoadFailed unless every call made an order that is stored and filled.

        The load generator sees HTTP's status only, which is 200 for a refused gRPC call too.
        """
        stored = self._service.filled_orders()
        if stored != self.expected:
            raise LoadFailed(f"{self.expected} calls, but {stored} filled orders stored")


def _pairs(first: Callable[[], float], second: Callable[[], float]) -> tuple[float, float]:
    """Return the medians of two measurements taken in turn, because a machine's speed drifts."""
    pairs = [(first(), second()) for _ in range(ROUNDS)]
    return median(pair[0] for pair in pairs), median(pair[1] for pair in pairs)


def _bodies(directory: Path) -> tuple[Path, Path]:
    message = bot_trading_pb2.PlaceOrderRequest(
        symbol="AAPL", side=order_pb2.SIDE_BUY, quantity="0.01"
    ).SerializeToString()
    grpc_body, rest_body = directory / "order.grpc", directory / "order.json"
    grpc_body.write_bytes(b"\0" + len(message).to_bytes(4, "big") + message)
    rest_body.write_text('{"symbol": "AAPL", "side": "BUY", "quantity": 0.01}')
    return grpc_body, rest_body


def _fdatasync_p50_us(directory: Path) -> float:
    times = []
    with (directory / "sync").open("ab", buffering=0) as file:
        for _ in range(200):
            file.write(b"x" * 4096)
            begun = time.perf_counter()
            os.fdatasync(file.fileno())
            times.append(time.perf_counter() - begun)
    return median(times) * 1e6


def _build() -> str:
    options = sysconfig.get_config_var("CONFIG_ARGS") or ""
    return "optimised build" if "--enable-optimizations" in options else "build without PGO"


def _row(name: str, figure: str, remark: str) -> None:
    print(f"{name:<32}{figure:>8}  {remark}", flush=True)


if __name__ == "__main__":
    main()
