"""Two running engines that own shards between them, and a front that calls both."""

import asyncio
import shutil
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from pathlib import Path

import orjson
import pytest

from server.application.callers import SERVICE
from server.application.market_feed import QuoteBoard
from server.application.market_record import HeardMinutes
from server.application.ownership import WholeVenue
from server.bootstrap.adapters import ToldClock
from server.config import DATABASE_FILE
from server.domain.named_ids import user_id
from server.domain.sharding import SHARDS, shard_of
from server.domain.user import Identity, Plan
from server.engine import peers
from server.engine.client import Notifications, SocketEngine
from server.engine.cluster import ClusterEngine, Directory
from server.engine.frames import encode_identity
from server.engine.fronts import Fronts
from server.engine.loop import run
from server.engine.peers import Peer, open_unix
from server.engine.unix_sockets import listening
from tests.engine.bench import Bench
from tests.support.databases import opened
from tests.support.venue import NOON, ManualClock

SUBJECTS = tuple(f"person {number}" for number in range(100))


class Owned(WholeVenue):
    """The shards of an engine; the test moves them."""

    owns_all = False

    def __init__(self, shards: set[int]) -> None:
        self.shards = shards

    def owns(self, shard: int) -> bool:
        return shard in self.shards


class Engine:
    """An engine that runs in a thread, on a file of its own."""

    def __init__(self, directory: Path, empty: Path, owned: set[int]) -> None:
        directory.mkdir()
        shutil.copy(empty, directory / DATABASE_FILE)
        self.directory, self.owned = directory, Owned(owned)
        self.address = f"unix:{directory / 'engine.sock'}"
        self.own, theirs = socket.socketpair()
        self._thread = threading.Thread(target=self._run, args=(theirs,))
        self._thread.start()

    def _run(self, own: socket.socket) -> None:
        clock = ManualClock(NOON)
        with own, listening(self.directory / "engine.sock") as listener:
            parts = Bench(self.directory, clock).parts
            parts.service._ownership = self.owned
            fronts = Fronts(own, listener)
            with suppress(BrokenPipeError, ConnectionResetError):
                run(fronts, parts.service, parts.feed.source, clock, clock)
            fronts.close()
            parts.close()

    def subjects(self) -> set[str]:
        """Return the people whom this engine has stored, but for the one of the bench."""
        with opened(self.directory) as database:
            found = database.execute("SELECT subject FROM users WHERE subject LIKE 'person %'")
        return {subject for (subject,) in found}

    def end(self) -> None:
        """End it as its own front does when it stops."""
        self.own.close()
        self._thread.join(20)


class Front:
    """A front that is connected to both engines; the first one is its own."""

    def __init__(self, own: Engine, other: Engine) -> None:
        self._engines = own, other
        self.connected = asyncio.Event()
        self.lost = asyncio.Event()
        self._notifications = Notifications(
            QuoteBoard(0),
            HeardMinutes(),
            notify_quotes=lambda _: None,
            notify_logs=lambda _: None,
            end_key=lambda _: None,
            forget_user=lambda _: None,
            set_time=ToldClock().set,
        )

    async def open(self) -> None:
        own = self._engines[0]
        ready = asyncio.Event()
        own.own.setblocking(False)
        _, self.own = await asyncio.get_running_loop().create_connection(
            lambda: SocketEngine(
                self._notifications, ready.set, lambda: None, lambda: None, answer_seconds_max=9
            ),
            sock=own.own,
        )
        await ready.wait()
        self.engine = ClusterEngine(self.own, own.address, self._read, self._link, lambda: None)
        await self.engine.look()
        await self.connected.wait()
        self.following = asyncio.create_task(self.engine.run())

    async def _read(self) -> Directory:
        owners = {shard: it.address for it in self._engines for shard in it.owned.shards}
        return Directory(owners, frozenset(it.address for it in self._engines))

    def _link(self, address: str) -> Peer:
        return Peer(address, open_unix, self._notifications, self._changed, answer_seconds_max=9)

    def _changed(self) -> None:
        (self.lost if self.connected.is_set() else self.connected).set()

    async def know(self, subject: str) -> str:
        """Let a user be known; return their id."""
        identity = Identity(issuer="i", subject=subject, name="", plan=Plan.FREE, is_operator=False)
        shard = shard_of(user_id("i", subject))
        answer = await self.engine.call("KnowUser", SERVICE, encode_identity(identity), shard)
        return str(orjson.loads(answer)[0])


@pytest.fixture
def engines(tmp_path: Path, empty_database: Path) -> Iterator[tuple[Engine, Engine]]:
    first = Engine(tmp_path / "first", empty_database, set(range(SHARDS // 2)))
    second = Engine(tmp_path / "second", empty_database, set(range(SHARDS // 2, SHARDS)))
    yield first, second
    first.end()
    second.end()


@pytest.fixture
async def front(
    engines: tuple[Engine, Engine], monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Front]:
    monkeypatch.setattr(peers, "RECONNECT_SECONDS", 0.001)
    made = Front(*engines)
    await made.open()
    yield made
    made.engine.close()
    await made.following
    made.own.close()


def of(shards: set[int]) -> set[str]:
    return {subject for subject in SUBJECTS if shard_of(user_id("i", subject)) in shards}


async def test_each_call_is_decided_by_the_owner_of_its_shard(
    engines: tuple[Engine, Engine], front: Front
) -> None:
    known = await asyncio.gather(*map(front.know, SUBJECTS))

    assert known == [user_id("i", subject) for subject in SUBJECTS]
    for engine in engines:
        assert engine.subjects() == of(engine.owned.shards)


async def test_calls_follow_shards_that_change_hands_under_load(
    engines: tuple[Engine, Engine], front: Front
) -> None:
    """Between the two moves nobody owns the shards; no call fails, and none is done twice."""
    first, second = engines
    moving = set(range(0, SHARDS, 4))
    calls = [asyncio.create_task(front.know(subject)) for subject in SUBJECTS[:50]]
    first.owned.shards = first.owned.shards - moving
    second.owned.shards = second.owned.shards - moving
    calls += [asyncio.create_task(front.know(subject)) for subject in SUBJECTS[50:]]
    await asyncio.wait(calls, return_when=asyncio.FIRST_COMPLETED)
    second.owned.shards = second.owned.shards | moving
    known = await asyncio.gather(*calls)

    assert known == [user_id("i", subject) for subject in SUBJECTS]
    assert first.subjects().isdisjoint(second.subjects())
    assert first.subjects() | second.subjects() == set(SUBJECTS)


async def test_no_call_fails_while_an_engine_leaves(
    engines: tuple[Engine, Engine], front: Front
) -> None:
    first, second = engines
    late = max(of(second.owned.shards))
    early = [asyncio.create_task(front.know(it)) for it in of(second.owned.shards) - {late}]
    await asyncio.wait(early, return_when=asyncio.FIRST_COMPLETED)
    await asyncio.to_thread(second.end)
    await front.lost.wait()
    call = asyncio.create_task(front.know(late))
    first.owned.shards, second.owned.shards = set(range(SHARDS)), set()

    assert await call == user_id("i", late)
    known = await asyncio.gather(*early)
    assert len(set(known)) == len(early)
    assert late in first.subjects()
    assert first.subjects().isdisjoint(second.subjects())
