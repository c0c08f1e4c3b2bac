"""The same load on SQLite and on PostgreSQL, in turn: rates, processor time, commits."""

import sqlite3
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from bench.load import Target, calls_per_second
from bench.postgresql import Venue, Work
from bench.service import Service, free_port
from server.config import DATABASE_FILE
from server.engine_certificates import write_certificates
from tests.support.postgresql import Server

ACCOUNTS = 8
ROUNDS = 5
LOOPBACK = "127.0.0.1"
CALLS = 4_000
WARMING_CALLS = 800
GRPC_HEADERS = ["content-type: application/grpc", "te: trailers"]
PLACE_ORDER = "/bottrading.v1.BotTrading/PlaceOrder"
GET_ACCOUNT = "/bottrading.v1.BotTrading/GetAccount"
GET_QUOTE = "/bottrading.v1.MarketData/GetQuote"


@dataclass(frozen=True, slots=True)
class Load:
    """What calls are made: of how many accounts, how many at once for each, how many in all.

    Each account has `connections`, which are to the replicas in turn.
    """

    method: str
    body: Path
    accounts: int = ACCOUNTS
    in_flight: int = 8
    calls: int = CALLS
    connections: int = 1


@dataclass(frozen=True, slots=True)
class Costs:
    """What a call costs: processor time in microseconds, bytes, and calls per commit."""

    rate: float
    front_us: float
    engine_us: float
    calls_per_commit: float
    session_us: float = 0
    server_us: float = 0
    log_bytes: float = 0

    @property
    def service_us(self) -> float:
        """Return the processor time of front and engine."""
        return self.front_us + self.engine_us


class House:
    """A venue on either database, with bots; its replicas are services of their own.

    Half of the calls at each of two replicas are for accounts of the other one's engine, as behind
    a load balancer. With `over_tls`, replicas reach each other as those of several machines do.
    """

    def __init__(
        self,
        directory: Path,
        server: Server | None = None,
        *,
        replicas: int = 1,
        over_tls: bool = False,
    ) -> None:
        directory.mkdir()
        self.venue = None if server is None else Venue(server)
        given = {} if self.venue is None else {"BOTTRADING_DATABASE": self.venue.url}
        self.services: list[Service] = []
        try:
            for number in range(replicas):
                own = directory / f"replica-{number}"
                own.mkdir()
                self.services.append(Service(own, given | (_over_tls(own) if over_tls else {})))
            self.keys = self.services[0].make_keys(ACCOUNTS)
        except BaseException:
            self.stop()
            raise

    def run(self, load: Load) -> Costs:
        """Make calls; return what each of them costs."""
        targets = [self._target(load, number) for number in range(load.connections)]
        each = load.calls // load.accounts // load.connections
        calls, commits = each * load.accounts * load.connections, self._commits()
        work, before = self._work(), self._processor()
        rate = calls_per_second(*targets, calls=each, in_flight=load.in_flight)
        after, work = self._processor(), self._work().since(work)
        return Costs(
            rate=rate,
            front_us=(after["front"] - before["front"]) / calls * 1e6,
            engine_us=(after["engine"] - before["engine"]) / calls * 1e6,
            calls_per_commit=calls / max(self._commits() - commits, 1),
            session_us=work.sessions / calls * 1e6,
            server_us=work.processor / calls * 1e6,
            log_bytes=work.log_bytes / calls,
        )

    def _target(self, load: Load, number: int) -> Target:
        service = self.services[number % len(self.services)]
        return Target(
            f"http://{service.grpc}{load.method}",
            load.body,
            [[*GRPC_HEADERS, f"x-bot-key: {key}"] for key in self.keys[: load.accounts]],
        )

    def _processor(self) -> Counter[str]:
        return sum((Counter(it.processor_seconds()) for it in self.services), Counter[str]())

    def _work(self) -> Work:
        return Work(0, 0, 0, 0) if self.venue is None else self.venue.work()

    def _commits(self) -> int:
        if self.venue is not None:
            return self.venue.commits()
        path = self.services[0].directory / DATABASE_FILE
        with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as connection:
            return int(connection.execute("SELECT sum(number) FROM commits").fetchone()[0])

    def stop(self) -> None:
        """Stop the services."""
        for service in self.services:
            service.stop()
        if self.venue is not None:
            self.venue.close()


def _over_tls(directory: Path) -> dict[str, str]:
    """Return the settings of a replica that others reach over TLS; all share one authority."""
    certificates = directory.parent / "certificates"
    if not certificates.exists():
        write_certificates(certificates, [LOOPBACK], datetime.now(UTC))
    return {
        "BOTTRADING_ENGINE_ADDRESS": f"{LOOPBACK}:{free_port()}",
        "BOTTRADING_ENGINE_CA": str(certificates / "ca.pem"),
        "BOTTRADING_ENGINE_CERTIFICATE": str(certificates / f"{LOOPBACK}.pem"),
        "BOTTRADING_ENGINE_KEY": str(certificates / f"{LOOPBACK}.key"),
    }


def in_turn(houses: Sequence[House], load: Load, rounds: int = ROUNDS) -> list[Costs]:
    """Return the median costs of each house; rounds alternate, because a machine's speed drifts."""
    for house in houses:
        house.run(replace(load, calls=WARMING_CALLS))
    taken = [[house.run(load) for house in houses] for _ in range(rounds)]
    return [median_of(costs) for costs in zip(*taken, strict=True)]


def median_of(costs: Sequence[Costs]) -> Costs:
    """Return the median of each cost."""
    names = Costs.__dataclass_fields__
    return Costs(**{name: median(getattr(it, name) for it in costs) for name in names})
