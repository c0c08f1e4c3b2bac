"""Measures what a venue on PostgreSQL costs, for the model of `docs/scale.md`.

`python -m bench.scale` prints the figures; with `--keep` it also writes them to
`docs/measured.json`. The names of parts (`calls`, `replicas`, `commits`, `stored`) measure these
alone. The server of PostgreSQL runs on the same machine.
"""

import argparse
import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from google.protobuf.message import Message

from bench.commits import commits_a_second
from bench.databases import GET_ACCOUNT, GET_QUOTE, PLACE_ORDER, Costs, House, Load, in_turn
from bench.postgresql import running
from bench.stored import Crowd
from bottrading.v1 import bot_trading_pb2, market_data_pb2, order_pb2
from server.domain.sharding import SHARDS
from tests.support.postgresql import Server

KEPT = Path(__file__).parents[1] / "docs" / "measured.json"
REPLICAS = 2
RATE_MIN, PROCESSOR_MAX, REPLICAS_MAX = 0.5, 1.4, 1.25
BALANCED_SECONDS_MAX = 30

Row = tuple[str, str, str]


def main() -> None:
    """Measure and print; keep the figures if asked to."""
    parser = argparse.ArgumentParser(prog="python -m bench.scale")
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("parts", nargs="*", choices=["all", *PARTS], default="all")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=Path.cwd(), prefix=".bench-") as name:
        found = measured(Path(name), PARTS if "all" in given.parts else given.parts)
    for row in rows(found):
        sys.stdout.write("{:<32}{:>8}  {}\n".format(*row))
    if given.keep:
        kept = json.loads(KEPT.read_text()) if KEPT.exists() else {}
        if kept.get("machine") == found["machine"]:
            found = kept | found
        KEPT.write_text(json.dumps(found, indent=1) + "\n")


def measured(directory: Path, parts: Collection[str]) -> dict[str, Any]:
    """Return all figures by name, or those of some parts."""
    # The server of PostgreSQL does not run as root and must reach its own directory.
    directory.chmod(0o755)
    with running(directory) as server:
        return {
            "machine": _machine(server),
            **{name: PARTS[name](directory, server) for name in parts},
        }


def rows(found: dict[str, Any]) -> list[Row]:
    """Return the rows of a table: what, how much, and a remark."""
    told = []
    for name, (file, server) in found.get("calls", {}).items():
        rate = server["rate"] / file["rate"]
        file_us, server_us = service_us(file), service_us(server)
        remark = f"µs of front and engine; {server_us / file_us:.2f} of SQLite's"
        if name == ORDERS:
            remark += f" (≤ {PROCESSOR_MAX}); rate {rate:.2f} of SQLite's (≥ {RATE_MIN})"
        told.append((name, f"{server_us:.0f}", remark))
        told.append(
            (
                "- its session, µs",
                f"{server['session_us']:.0f}",
                f"of PostgreSQL; {server['log_bytes']:.0f} bytes of log,"
                f" {server['calls_per_commit']:.1f} calls a commit",
            )
        )
    for name, (one, *others) in found.get("replicas", {}).items():
        for two, how in zip(others, ("", " over TLS"), strict=True):
            share = service_us(two) / service_us(one)
            goal = f" (≤ {REPLICAS_MAX})" if name == ORDERS and not how else ""
            remark = f"µs of fronts and engines; {share:.2f} of one replica's{goal}"
            told.append((f"{name.partition(',')[0]}, two{how}", f"{service_us(two):.0f}", remark))
    for sessions, rate in found.get("commits", {}).items():
        told.append((f"commits/s, {sessions} sessions", f"{rate:.0f}", "each of one row"))
    return told + (_stored_rows(found["stored"]) if "stored" in found else [])


def service_us(cost: dict[str, float]) -> float:
    return cost["front_us"] + cost["engine_us"]


def _stored_rows(stored: dict[str, Any]) -> list[Row]:
    told = []
    for name, cost in stored["costs"].items():
        remark = f"µs of the engine; {cost['session_us']:.0f} of its session,"
        told.append((name, f"{cost['engine_us']:.0f}", f"{remark} {cost['log_bytes']:.0f} bytes"))
    for name, remark in (
        ("order_after_checkpoint_bytes", "bytes of log"),
        ("order_after_checkpoint_compressed_bytes", "bytes, with wal_compression"),
    ):
        told.append(("an order after a checkpoint", f"{stored[name]:.0f}", remark))
    told += [
        (f"stored of {name}", f"{size:.0f}", "bytes, with indexes")
        for name, size in stored["bytes"].items()
    ]
    return told


ORDERS = "PlaceOrder, 64 at once"
ORDER = bot_trading_pb2.PlaceOrderRequest(symbol="AAPL", side=order_pb2.SIDE_BUY, quantity="0.01")


def _calls(directory: Path, server: Server) -> dict[str, list[dict[str, float]]]:
    """Return the costs of calls on SQLite and on PostgreSQL."""
    placed = _body(directory / "order.grpc", ORDER)
    asked = _body(directory / "quote.grpc", market_data_pb2.GetQuoteRequest(symbol="AAPL"))
    empty = _body(directory / "empty.grpc", bot_trading_pb2.GetAccountRequest())
    loads = {
        ORDERS: Load(PLACE_ORDER, placed),
        "PlaceOrder, 8 at once": Load(PLACE_ORDER, placed, in_flight=1, calls=1_600),
        "PlaceOrder, one at a time": Load(PLACE_ORDER, placed, 1, 1, calls=400),
        "GetAccount, 64 at once": Load(GET_ACCOUNT, empty, calls=2_000),
        "GetQuote, 64 at once": Load(GET_QUOTE, asked, calls=2_000),
    }
    with _houses() as houses:
        houses.append(House(directory / "sqlite"))
        houses.append(House(directory / "postgresql", server))
        return {name: _as_rows(in_turn(houses, load)) for name, load in loads.items()}


def _replicas(directory: Path, server: Server) -> dict[str, list[dict[str, float]]]:
    """Return the costs of calls on one replica, on two, and on two that call each other over TLS.

    Two replicas pass half of their calls on to each other.
    """
    placed = _body(directory / "order.grpc", ORDER)
    empty = _body(directory / "empty.grpc", bot_trading_pb2.GetAccountRequest())
    both = {"in_flight": 8 // REPLICAS, "connections": REPLICAS}
    loads = {
        ORDERS: Load(PLACE_ORDER, placed, **both),
        "GetAccount, 64 at once": Load(GET_ACCOUNT, empty, calls=1_000, **both),
    }
    with _houses() as houses:
        houses.append(House(directory / "one", server))
        for name, over_tls in (("two", False), ("tls", True)):
            houses.append(House(directory / name, server, replicas=REPLICAS, over_tls=over_tls))
            _wait_until_balanced(houses[-1])
        return {name: _as_rows(in_turn(houses, load)) for name, load in loads.items()}


def _wait_until_balanced(house: House) -> None:
    """Wait until each of the engines owns its share of the shards."""
    assert house.venue is not None
    deadline = time.monotonic() + BALANCED_SECONDS_MAX
    owned = (
        "SELECT count(*) FROM shards WHERE engine_id IS NOT NULL"
        f" AND shard < {SHARDS} GROUP BY engine_id"
    )
    while {(SHARDS // REPLICAS,)} != set(house.venue.rows(owned)):
        if time.monotonic() > deadline:
            raise TimeoutError(f"the shards are owned so: {house.venue.rows(owned)}")
        time.sleep(0.1)


@contextmanager
def _houses() -> Iterator[list[House]]:
    """Give a list of venues that are stopped in the end."""
    houses: list[House] = []
    try:
        yield houses
    finally:
        for house in houses:
            house.stop()


def _stored(directory: Path, server: Server) -> dict[str, Any]:
    crowd = Crowd(directory / "crowd", server)
    try:
        return asdict(crowd.measure())
    finally:
        crowd.close()


def _commits(_: Path, server: Server) -> dict[str, float]:
    return {str(count): rate for count, rate in commits_a_second(server.new_database()).items()}


def _as_rows(costs: Sequence[Costs]) -> list[dict[str, float]]:
    return [asdict(it) for it in costs]


def _body(path: Path, message: Message) -> Path:
    sent = message.SerializeToString()
    path.write_bytes(b"\0" + len(sent).to_bytes(4, "big") + sent)
    return path


def _machine(server: Server) -> str:
    (version,) = server.administer("SHOW server_version")[0]
    return (
        f"{_processor()}, {os.cpu_count()} cores; PostgreSQL {version};"
        f" {platform.python_implementation()} {platform.python_version()}"
    )


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    found = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return found[0] if found else platform.machine()


PARTS: dict[str, Callable[[Path, Server], Any]] = {
    "calls": _calls,
    "replicas": _replicas,
    "commits": _commits,
    "stored": _stored,
}


if __name__ == "__main__":
    main()
