"""The model of `docs/scale.md`: what a venue needs, computed from measured costs.

`python -m docs.scale` writes the tables of that page anew, from `docs/measured.json`; with
`--accounts`, `--orders` and `--reads` it prints the needs of another venue.
"""

import argparse
import json
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from operator import itemgetter
from pathlib import Path
from typing import Any

from server.application.snapshots import ACCOUNTS_AT_ONCE
from server.storage.database import FOLLOWERS_MAX, GUARDS_MAX, READERS_MAX

PAGE = Path(__file__).with_name("scale.md")
MEASURED = Path(__file__).with_name("measured.json")

DAY_SECONDS = 86_400
DAYS_OF_A_YEAR = 365
SNAPSHOTS_A_DAY = 97
"""One each 900 s, and one right before midnight."""

PEAK = 3
"""The busiest minute has so many times the mean rate."""
BUSY = 0.5
"""Share of a processor core that the busiest minute may take."""
ORDERS_A_DAY, READS_A_DAY = 20, 500
ACCOUNTS = (10_000, 100_000, 1_000_000)

CORES, LOG_BYTES_A_SECOND, DISK_BYTES, CONNECTIONS = 32, 100e6, 20e12, 97
"""The server of PostgreSQL that is assumed; the connections are those of its defaults."""

CONNECTIONS_OF_A_SERVER = READERS_MAX + GUARDS_MAX + FOLLOWERS_MAX + 1
COSTS = ("front_us", "engine_us", "server_us", "log_bytes")
COMPARED_MIN = 40
"""Processor time is counted in hundredths of a second: less is no base of a ratio."""
PASSES_A_SECOND = 1
"""So often does time pass at least; each time, a part of a round of snapshots is taken."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What an order, a read or a snapshot costs: microseconds of processors, and bytes."""

    front_us: float
    engine_us: float
    server_us: float
    log_bytes: float
    stored_bytes: float


@dataclass(frozen=True, slots=True)
class Costs:
    """The costs of all that accounts do, and the bytes of an account itself."""

    order: Cost
    read: Cost
    snapshot: Cost
    account_bytes: float


@dataclass(frozen=True, slots=True)
class Needs:
    """What a venue needs in its busiest minute, and stores in a day."""

    accounts: int
    orders_a_second: float
    reads_a_second: float
    front_cores: float
    engine_cores: float
    server_cores: float
    log_bytes_a_second: float
    stored_a_day: float

    @property
    def servers(self) -> int:
        """Return how many servers share the calls: each has one front and one engine."""
        return max(1, ceil(max(self.front_cores, self.engine_cores) / BUSY))

    @property
    def connections(self) -> int:
        """Return the connections to PostgreSQL."""
        return self.servers * CONNECTIONS_OF_A_SERVER

    @property
    def round_seconds(self) -> float:
        """Return how long a round of snapshots takes at most."""
        return self.accounts / self.servers / ACCOUNTS_AT_ONCE / PASSES_A_SECOND


def costs_of(measured: Mapping[str, Any], *, passed_on: bool) -> Costs:
    """Return the costs that the model uses; calls are `passed_on` to another machine or not.

    Accounts call rarely, so each call stores what it spends, and each page of a table changes for
    the first time since a checkpoint.
    """
    stored, sizes = measured["stored"]["costs"], measured["stored"]["bytes"]
    _, called = measured["calls"]["PlaceOrder, 64 at once"]
    _, read = measured["calls"]["GetAccount, 64 at once"]
    kept, spent, snapshot = stored["an order, 64 at once"], stored["a read"], stored["a snapshot"]
    more = dict.fromkeys(measured["replicas"], 1.0)
    if passed_on:
        # Of two replicas, half of all calls are passed on.
        for name, (one, _, tls) in measured["replicas"].items():
            more[name] = 1 + 2 * (_both(tls) / _both(one) - 1)
    order_more, read_more = (more[f"{name}, 64 at once"] for name in ("PlaceOrder", "GetAccount"))
    return Costs(
        order=Cost(
            called["front_us"] * order_more,
            max(called["engine_us"], kept["engine_us"]) * order_more,
            max(called["server_us"], kept["server_us"]),
            measured["stored"]["order_after_checkpoint_compressed_bytes"],
            sizes["an order"],
        ),
        read=Cost(
            read["front_us"] * read_more,
            (read["engine_us"] + spent["engine_us"]) * read_more,
            read["server_us"] + spent["server_us"],
            spent["log_bytes"],
            0,
        ),
        snapshot=Cost(
            0,
            snapshot["engine_us"],
            snapshot["server_us"],
            snapshot["log_bytes"],
            sizes["a snapshot"],
        ),
        account_bytes=sizes["a new account"],
    )


def needs(
    measured: Mapping[str, Any],
    accounts: int,
    orders: float = ORDERS_A_DAY,
    reads: float = READS_A_DAY,
) -> Needs:
    """Return what accounts need that place `orders` and make `reads` a day.

    Of several servers, all calls count as passed on.
    """
    alone = _needs(costs_of(measured, passed_on=False), accounts, orders, reads)
    if alone.servers == 1:
        return alone
    return _needs(costs_of(measured, passed_on=True), accounts, orders, reads)


def _needs(costs: Costs, accounts: int, orders: float, reads: float) -> Needs:
    rates = (
        (costs.order, PEAK * accounts * orders / DAY_SECONDS),
        (costs.read, PEAK * accounts * reads / DAY_SECONDS),
        (costs.snapshot, accounts * SNAPSHOTS_A_DAY / DAY_SECONDS),
    )

    def total(name: str) -> float:
        return sum((getattr(cost, name) * rate for cost, rate in rates), 0.0)

    return Needs(
        accounts=accounts,
        orders_a_second=rates[0][1],
        reads_a_second=rates[1][1],
        front_cores=total("front_us") / 1e6,
        engine_cores=total("engine_us") / 1e6,
        server_cores=total("server_us") / 1e6,
        log_bytes_a_second=total("log_bytes"),
        stored_a_day=accounts
        * (orders * costs.order.stored_bytes + SNAPSHOTS_A_DAY * costs.snapshot.stored_bytes),
    )


def limits(measured: Mapping[str, Any]) -> list[tuple[str, str, float]]:
    """Return where one server of PostgreSQL ends: what ends, what there is of it, and accounts."""
    one = needs(measured, 1_000_000)
    each = one.accounts
    servers = CONNECTIONS // CONNECTIONS_OF_A_SERVER
    year = DAYS_OF_A_YEAR * one.stored_a_day
    return [
        (
            "connections",
            f"{CONNECTIONS}, for {servers} servers",
            each * servers * BUSY / max(one.front_cores, one.engine_cores),
        ),
        ("disk, after a year", _bytes(DISK_BYTES), each * DISK_BYTES / year),
        (
            "processor",
            f"{CORES} cores, {BUSY:.0%} busy",
            each * CORES * BUSY / one.server_cores,
        ),
        (
            "log",
            f"{_bytes(LOG_BYTES_A_SECOND)} a second",
            each * LOG_BYTES_A_SECOND / one.log_bytes_a_second,
        ),
    ]


def tables(measured: Mapping[str, Any]) -> dict[str, str]:
    """Return the tables of the page by name."""
    costs, shared = (costs_of(measured, passed_on=it) for it in (False, True))
    return {
        "machine": f"Measured on {measured['machine']}.",
        "databases": _table(("", "SQLite", "PostgreSQL", "ratio"), _databases(measured["calls"])),
        "reads": _table(("", "SQLite", "PostgreSQL", "ratio"), _reads(measured["calls"])),
        "replicas": _table(
            ("", "one replica", "two", "ratio", "two, over TLS", "ratio"),
            _replicas(measured["replicas"]),
        ),
        "commits": _table(
            ("", "orders in a commit", "bytes of log for an order", "µs of PostgreSQL's session"),
            _commits(measured["calls"]),
        ),
        "sessions": _table(
            ("sessions that write", "commits a second"),
            [(name, _figure(rate)) for name, rate in measured["commits"].items()],
        ),
        "stored": _table(
            ("", "µs of the engine", "µs of PostgreSQL", "bytes of log", "bytes stored"),
            _stored(measured["stored"]),
        ),
        "costs": _table(
            ("", "µs of fronts", "µs of engines", "µs of PostgreSQL", "bytes of log"),
            [
                (name, *(_figure(getattr(cost, it)) for it in COSTS))
                for name, cost in (
                    ("an order", costs.order),
                    ("an order that is passed on", shared.order),
                    ("a read", costs.read),
                    ("a read that is passed on", shared.read),
                    ("a snapshot", costs.snapshot),
                )
            ],
        ),
        "needs": _needs_table([needs(measured, it) for it in ACCOUNTS]),
        "limits": _table(
            ("what ends", "assumed", "accounts"),
            [(what, there, _figure(accounts)) for what, there, accounts in limits(measured)],
        ),
    }


def filled(page: str, texts: Mapping[str, str]) -> str:
    """Return a page with its tables; each stands between a comment with its name and `<!-- -->`."""
    for name, text in texts.items():
        begin = f"<!-- {name} -->\n"
        if begin not in page:
            raise ValueError(f"the page has no place for {name!r}")
        page = re.sub(f"{begin}.*?<!-- -->", f"{begin}{text}\n<!-- -->", page, flags=re.DOTALL)
    return page


def main() -> None:
    """Write the tables of the page, or print the needs of a venue."""
    measured = json.loads(MEASURED.read_text())
    parser = argparse.ArgumentParser(prog="python -m docs.scale", description=main.__doc__)
    parser.add_argument("--accounts", type=int)
    parser.add_argument("--orders", type=float, default=ORDERS_A_DAY, help="of an account a day")
    parser.add_argument("--reads", type=float, default=READS_A_DAY, help="of an account a day")
    given = parser.parse_args()
    if given.accounts is None:
        PAGE.write_text(filled(PAGE.read_text(), tables(measured)))
    else:
        found = needs(measured, given.accounts, given.orders, given.reads)
        sys.stdout.write(_needs_table([found]) + "\n")


def _databases(calls: Mapping[str, Any]) -> Iterator[Sequence[str]]:
    for name, (file, server) in calls.items():
        if name.startswith("PlaceOrder"):
            how = name.partition(", ")[2]
            yield _compared(f"front, µs an order, {how}", file["front_us"], server["front_us"])
            yield _compared(f"engine, µs an order, {how}", file["engine_us"], server["engine_us"])
            yield _compared(f"both, µs an order, {how}", _both(file), _both(server))
            yield _compared(f"orders a second, {how}", file["rate"], server["rate"])


def _reads(calls: Mapping[str, Any]) -> Iterator[Sequence[str]]:
    for name, (file, server) in calls.items():
        if not name.startswith("PlaceOrder"):
            method = name.partition(",")[0]
            yield _compared(f"{method}: front, µs", file["front_us"], server["front_us"])
            yield _compared(f"{method}: engine, µs", file["engine_us"], server["engine_us"])
            yield _compared(f"{method}: both, µs", _both(file), _both(server))


def _replicas(calls: Mapping[str, Any]) -> Iterator[Sequence[str]]:
    for name, (one, *others) in calls.items():
        method = name.partition(",")[0]
        for what, of in SHARED:
            base = of(one)
            figures = [(_figure(of(it)), _ratio(of(it), base)) for it in others]
            yield f"{method}: {what}", _figure(base), *(it for pair in figures for it in pair)


def _both(cost: Mapping[str, float]) -> float:
    return cost["front_us"] + cost["engine_us"]


def _compared(name: str, file: float, server: float) -> Sequence[str]:
    return (
        name,
        _figure(file),
        _figure(server),
        _ratio(server, file),
    )


def _ratio(value: float, base: float) -> str:
    return f"{value / base:.2f}" if base >= COMPARED_MIN else ""


SHARED: Sequence[tuple[str, Callable[[Mapping[str, float]], float]]] = (
    ("fronts, µs", itemgetter("front_us")),
    ("engines, µs", itemgetter("engine_us")),
    ("both, µs", _both),
    ("PostgreSQL, µs", itemgetter("server_us")),
)
"""What all replicas take together for a call."""


def _commits(calls: Mapping[str, Any]) -> Iterator[Sequence[str]]:
    for name, (_, server) in calls.items():
        if name.startswith("PlaceOrder"):
            how = name.partition(", ")[2]
            figures = (server["log_bytes"], server["session_us"])
            yield how, f"{server['calls_per_commit']:.1f}", *map(_figure, figures)


def _stored(stored: Mapping[str, Any]) -> Iterator[Sequence[str]]:
    for name, key in (
        ("an order, just after a checkpoint", "order_after_checkpoint_bytes"),
        ("the same, with `wal_compression`", "order_after_checkpoint_compressed_bytes"),
    ):
        yield name, "", "", _figure(stored[key]), ""
    for name, cost in stored["costs"].items():
        size = stored["bytes"].get("an order" if name.endswith("64 at once") else name)
        figures = (cost["engine_us"], cost["server_us"], cost["log_bytes"])
        yield name, *map(_figure, figures), "" if size is None else _figure(size)


def _needs_table(found: Sequence[Needs]) -> str:
    rows: list[Sequence[str]] = [
        ("orders a second", *(_figure(it.orders_a_second) for it in found)),
        ("reads a second", *(_figure(it.reads_a_second) for it in found)),
        ("cores of fronts", *(_figure(it.front_cores) for it in found)),
        ("cores of engines", *(_figure(it.engine_cores) for it in found)),
        ("cores of PostgreSQL", *(_figure(it.server_cores) for it in found)),
        (f"servers, {BUSY:.0%} busy", *(f"{it.servers}" for it in found)),
        ("connections to PostgreSQL", *(f"{it.connections}" for it in found)),
        ("log a second", *(_bytes(it.log_bytes_a_second) for it in found)),
        ("stored a day", *(_bytes(it.stored_a_day) for it in found)),
        ("stored a year", *(_bytes(it.stored_a_day * DAYS_OF_A_YEAR) for it in found)),
        ("seconds of a round of snapshots", *(_figure(it.round_seconds) for it in found)),
    ]
    return _table(("accounts", *(f"{it.accounts:,}".replace(",", " ") for it in found)), rows)


def _figure(value: float) -> str:
    """Return a number with two significant digits, or all digits before the point."""
    if value >= 100:
        rounded = round(value, 2 - len(str(int(value))))
        return f"{int(rounded):,}".replace(",", " ")
    return f"{value:.2g}" if value < 10 else f"{value:.0f}"


def _bytes(value: float) -> str:
    for unit in ("bytes", "kB", "MB", "GB"):
        if value < 1000:
            return f"{_figure(value)} {unit}"
        value /= 1000
    return f"{_figure(value)} TB"


def _table(head: Sequence[str], rows: Iterator[Sequence[str]] | Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] + ["---:"] * (len(head) - 1), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


if __name__ == "__main__":
    main()
