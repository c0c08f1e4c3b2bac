"""What a venue stores in PostgreSQL: bytes of log and tables, and processor time of the server.

An engine in this process decides orders of many accounts. So batches have a known size, and rows
are as scattered as those of a large venue. Each account makes its calls more than a minute apart,
so that each call stores what it spends.
"""

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median

from bench.customer import ORDER
from bench.postgresql import Venue
from bottrading.v1 import key_management_pb2
from server.application.callers import SERVICE, Caller
from server.application.snapshots import ACCOUNTS_AT_ONCE
from server.bootstrap.adapters import boot_clock, monotonic_clock, system_clock
from server.bootstrap.engine import EngineParts, build
from server.config import Settings
from server.domain.user import Identity, Plan
from server.domain.values import SECOND, Micros
from server.engine.charging import SPEND
from server.engine.frames import (
    Call,
    FrameBuffer,
    Kind,
    decode_user,
    encode_identity,
    unpack_answer,
)
from server.wire.contract import Spends
from tests.support.postgresql import Server

PEOPLE = 3_000
FEW = 300
BATCH = 64
FEW_AT_ONCE = 8
ROUNDS = 5
SNAPSHOT_SECONDS = 900
APART_SECONDS = 61
"""What was spent a minute ago counts no more, so the next call stores a row."""

NEW_ACCOUNT, AN_ORDER, READ, SNAPSHOT = "a new account", "an order", "a read", "a snapshot"
ORDER_AT_ONCE = "an order, {} at once"

OF_ACCOUNTS = ("users", "accounts", "bot_keys", "positions", "spends", "api_usage", "equity_curves")
OF_ORDERS = ("orders", "fills", "events")
OF_SNAPSHOTS = ("equity_snapshots",)


@dataclass(frozen=True, slots=True)
class Cost:
    """What one order, read, snapshot or new account costs; processor time in microseconds.

    `session_us` is the time of the session that writes, within `server_us` of all of PostgreSQL.
    """

    engine_us: float
    session_us: float
    server_us: float
    log_bytes: float


@dataclass(frozen=True, slots=True)
class Stored:
    """Costs by what was stored, and bytes of tables with their indexes by what they are for."""

    costs: dict[str, Cost]
    order_after_checkpoint_bytes: float
    order_after_checkpoint_compressed_bytes: float
    bytes: dict[str, float]


class Stopped:
    """A clock that goes on only when it is told to, so that no order waits for new quotes."""

    def __init__(self) -> None:
        self._ahead: Micros = 0
        self._begun = system_clock(), monotonic_clock(), boot_clock()

    def go_on(self, seconds: int) -> None:
        self._ahead += seconds * SECOND

    def wall(self) -> Micros:
        return self._begun[0] + self._ahead

    def monotonic(self) -> Micros:
        return self._begun[1] + self._ahead

    def boot(self) -> Micros:
        return self._begun[2] + self._ahead


class Crowd:
    """An engine with many accounts that trade."""

    def __init__(self, directory: Path, server: Server) -> None:
        directory.mkdir()
        self._venue = Venue(server)
        self._clock = Stopped()
        settings = Settings(
            data_dir=directory,
            database=self._venue.url,
            seed=1,
            snapshot_interval_seconds=SNAPSHOT_SECONDS,
        )
        self._parts: EngineParts = build(
            settings.for_engine(),
            clock=self._clock.wall,
            monotonic=self._clock.monotonic,
            since_boot=self._clock.boot,
        )
        self._chance = random.Random(1)
        self._callers: list[Caller] = []
        self._parts.service.handle([], passing=True)

    def close(self) -> None:
        """Close the database."""
        self._parts.close()
        self._venue.close()

    def measure(self) -> Stored:
        """Make people and let them trade; return what that costs."""
        costs = {NEW_ACCOUNT: self._measured(PEOPLE, self._make_people)}
        everybody = partial(self._order, self._callers, BATCH)
        everybody()
        self._venue.rows("VACUUM ANALYZE")
        first = median(self._after_a_checkpoint() for _ in range(ROUNDS))
        self._venue.rows("ALTER SYSTEM SET wal_compression = on")
        self._venue.rows("SELECT pg_reload_conf()")
        compressed = median(self._after_a_checkpoint() for _ in range(ROUNDS))
        self._venue.rows("ALTER SYSTEM RESET wal_compression")
        self._venue.rows("SELECT pg_reload_conf()")
        everybody()
        costs[ORDER_AT_ONCE.format(BATCH)] = self._measured(PEOPLE, everybody)
        some = self._callers[: FEW * FEW_AT_ONCE]
        costs[ORDER_AT_ONCE.format(FEW_AT_ONCE)] = self._measured(
            len(some), partial(self._order, some, FEW_AT_ONCE)
        )
        costs[READ] = self._measured(PEOPLE, self._read)
        self._take_snapshots()
        costs[SNAPSHOT] = self._measured(PEOPLE, self._take_snapshots)
        self._venue.rows("VACUUM ANALYZE")
        assert self._count("fills") == self._count("orders")
        return Stored(costs, first, compressed, self._sizes())

    def _measured(self, count: int, work: Callable[[], None]) -> Cost:
        before, own = self._venue.work(), time.process_time()
        work()
        own, done = time.process_time() - own, self._venue.work().since(before)
        return Cost(
            engine_us=own / count * 1e6,
            session_us=done.sessions / count * 1e6,
            server_us=done.processor / count * 1e6,
            log_bytes=done.log_bytes / count,
        )

    def _after_a_checkpoint(self) -> float:
        """Return the bytes that an order adds to the log when each page changes for the first time.

        The log then holds the whole page.
        """
        self._venue.rows("CHECKPOINT")
        some = self._chance.sample(self._callers, BATCH)
        return self._measured(BATCH, partial(self._order, some, BATCH)).log_bytes

    def _make_people(self) -> None:
        known = self._answers(
            [
                Call(0, "KnowUser", SERVICE, encode_identity(_identity(number)))
                for number in range(PEOPLE)
            ],
            BATCH,
        )
        owners = [decode_user(body)[:2] for body in known]
        request = key_management_pb2.CreateBotKeyRequest(label="bench").SerializeToString()
        made = self._answers(
            [Call(0, "CreateBotKey", Caller(user_id=user_id), request) for user_id, _ in owners],
            BATCH,
        )
        keys = [key_management_pb2.CreateBotKeyResponse.FromString(body) for body in made]
        self._callers = [
            Caller(user_id=user_id, account_id=account_id, bot_key_id=key.bot_key.id)
            for (user_id, account_id), key in zip(owners, keys, strict=True)
        ]

    def _order(self, callers: Sequence[Caller], size: int) -> None:
        self._call(callers, size, "PlaceOrder", ORDER, Spends.ORDER)

    def _read(self) -> None:
        self._call(self._callers, BATCH, SPEND, b"", Spends.REQUEST)

    def _call(
        self, callers: Sequence[Caller], size: int, name: str, body: bytes, spends: Spends
    ) -> None:
        """Let each caller make a call, a while after the last one, in an order of chance."""
        self._let_pass(APART_SECONDS)
        shuffled = self._chance.sample(callers, len(callers))
        self._answers([Call(0, name, it, body, spends=spends) for it in shuffled], size)

    def _let_pass(self, seconds: int) -> None:
        self._clock.go_on(seconds)
        self._parts.service.handle([], passing=True)

    def _answers(self, calls: Sequence[Call], size: int) -> list[bytes]:
        bodies = []
        for begin in range(0, len(calls), size):
            frames = self._parts.service.handle(calls[begin : begin + size])
            answers = [unpack_answer(frame) for frame in FrameBuffer().feed(b"".join(frames))]
            refused = [it.body for it in answers if it.kind is Kind.REFUSAL]
            assert not refused, refused[0]
            bodies += [it.body for it in answers if it.kind is Kind.RESPONSE]
        assert len(bodies) == len(calls)
        return bodies

    def _take_snapshots(self) -> None:
        """Let an interval pass; each time that time passes, so many accounts get a snapshot."""
        taken = self._count("equity_snapshots")
        self._let_pass(SNAPSHOT_SECONDS)
        for _ in range(PEOPLE // ACCOUNTS_AT_ONCE):
            self._let_pass(1)
        assert self._count("equity_snapshots") == taken + PEOPLE

    def _count(self, table: str) -> int:
        return int(self._venue.rows(f"SELECT count(*) FROM {table}")[0][0])

    def _sizes(self) -> dict[str, float]:
        orders, snapshots = self._count("orders"), self._count("equity_snapshots")
        return {
            NEW_ACCOUNT: self._bytes(OF_ACCOUNTS) / PEOPLE,
            AN_ORDER: self._bytes(OF_ORDERS) / orders,
            SNAPSHOT: self._bytes(OF_SNAPSHOTS) / snapshots,
        }

    def _bytes(self, tables: Sequence[str]) -> int:
        sizes = self._venue.rows(
            "SELECT sum(pg_total_relation_size(name::regclass))"
            f" FROM unnest('{{{','.join(tables)}}}'::text[]) AS name"
        )
        return int(sizes[0][0])


def _identity(number: int) -> Identity:
    return Identity(
        issuer="", subject=f"bench-{number}", name="bench", plan=Plan.STANDARD, is_operator=False
    )
