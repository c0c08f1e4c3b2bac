"""Several engines of one venue on PostgreSQL, with one clock."""

from collections.abc import Sequence
from itertools import count
from pathlib import Path
from typing import Any

from server.domain.named_ids import user_id
from server.domain.sharding import MARKET, SHARDS, shard_of
from server.domain.user import Identity, Plan
from server.engine.cluster import FOLLOW_MARKET
from server.engine.frames import Answer, Call, Kind, decode_moved, encode_identity
from server.storage.postgresql_session import PostgresSession
from server.storage.shared_venue import LOOK_EVERY
from tests.engine.bench import Bench, call
from tests.support.databases import opened
from tests.support.postgresql import Server
from tests.support.venue import NOON, ManualClock


class Engine(Bench):
    """One of several engines; `subjects` are people whose accounts it owns."""

    def owned(self) -> frozenset[int]:
        return frozenset(it for it in range(SHARDS) if self.parts.ownership.owns(it))

    def look(self) -> None:
        self.parts.service.look()

    def someone(self, but: Sequence[str] = ()) -> str:
        """Return the subject of a person whose accounts are this engine's."""
        names = (f"person {number}" for number in count())
        return next(it for it in names if it not in but and self.owns(it))

    def owns(self, subject: str) -> bool:
        return self.parts.ownership.owns(shard_of(user_id("i", subject)))

    def leave(self) -> None:
        """End as the process does when its front has stopped."""
        self.parts.service.close()
        self.parts.close()


class Engines:
    """Engines of one venue, with one clock."""

    def __init__(self, postgresql: Server, directory: Path, url: str) -> None:
        self._postgresql, self._directory, self._url = postgresql, directory, url
        self.clock = ManualClock(NOON)
        self.running: list[Engine] = []

    def start(self, **options: Any) -> Engine:
        taken = {engine.data_dir for engine in self.running}
        directories = (self._directory / f"replica{number}" for number in count())
        directory = next(it for it in directories if it not in taken)
        directory.mkdir(exist_ok=True)
        engine = Engine(directory, self.clock, **options)
        self.running.append(engine)
        return engine

    def two(self, **options: Any) -> tuple[Engine, Engine]:
        """Start two engines that have divided the shards."""
        first, second = self.start(**options), self.start(**options)
        self.settle()
        assert len(first.owned()) == len(second.owned()) == SHARDS // 2
        return first, second

    def settle(self, looks: int = 3) -> None:
        """Let all engines look so often that all shards have found an owner."""
        for _ in range(looks):
            self.clock.now += LOOK_EVERY
            for engine in self.running:
                engine.look()

    def leave(self, engine: Engine) -> None:
        self.running.remove(engine)
        engine.leave()

    def kill(self, engine: Engine) -> None:
        """End the session of an engine, as its death does."""
        self.running.remove(engine)
        session = engine.parts.writer.session
        assert isinstance(session, PostgresSession)
        self._postgresql.administer(f"SELECT pg_terminate_backend({session.pid}, 10000)")

    def publish(self, bid: str, ask: str, symbol: str = "AAPL") -> None:
        """Publish a quote; the owner of the market accepts it, and the others follow."""
        owner = self.owner_of_market()
        owner.handle(owner.publish(symbol, bid, ask, size="100000"))
        self.follow()

    def owner_of_market(self) -> Engine:
        return next(it for it in self.running if it.parts.ownership.owns(MARKET))

    def follow(self) -> None:
        """Let all engines apply what the owner of the market has accepted."""
        for engine in self.running:
            (*_, answer) = engine.handle(call(8, FOLLOW_MARKET, "", b""))
            assert answer.kind is Kind.RESPONSE, answer

    def pass_time(self) -> None:
        for engine in self.running:
            engine.handle(passing=True)

    def query(self, text: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        with opened(self._directory) as database:
            return list(database.execute(text, values))


def know(subject: str) -> Call:
    """Return the call that lets a user be known."""
    identity = Identity(issuer="i", subject=subject, name="", plan=Plan.FREE, is_operator=False)
    return call(1, "KnowUser", "", encode_identity(identity))


def moved_to(answer: Answer) -> int:
    assert answer.kind is Kind.MOVED, answer
    return decode_moved(answer.body)
