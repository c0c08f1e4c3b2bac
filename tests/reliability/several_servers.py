"""Several servers of one venue under load: callers at all of them, and streams at others."""

import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Self

import psycopg

from bottrading.v1 import bot_trading_pb2, bot_trading_pb2_grpc
from bottrading.v1 import key_management_pb2 as keys_pb
from bottrading.v1 import key_management_pb2_grpc as keys_rpc
from server.config import ENGINE_LOCK_FILE, ENGINE_SOCKET_FILE, Settings
from server.domain.named_ids import user_id
from server.domain.sharding import SHARDS, shard_of
from server.domain.user import Identity, Plan
from server.processes.locking import LockHeld, take_lock
from server.rpc.tokens import issue
from server.secret_files import jwt_secret
from server.storage.postgresql import LOCK_SPACE
from tests.e2e.test_processes import UNFENCED
from tests.reliability.callers import Callers, Place
from tests.reliability.followers import Followers
from tests.support.audit import audit
from tests.support.databases import opened
from tests.support.process import POLL_SECONDS, Process, channel

ROOT = Path(__file__).parents[2]
UNPOLLED = (sys.executable, "-m", "tests.reliability.unpolled")
CHANGE_SECONDS_MAX = 30.0

OWNERS = """
SELECT objid::int, address, pg_locks.pid FROM pg_locks JOIN engines ON engines.pid = pg_locks.pid
WHERE locktype = 'advisory' AND granted AND classid = %s AND objid < %s
AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""
"""The locks themselves tell who owns a shard, whatever the table of shards says."""


def people(half: int, count: int) -> list[str]:
    """Return people whose accounts are in the lower or the upper half of the shards."""
    issuer, found = Settings().jwt_issuer, list[str]()
    number = 0
    while len(found) < count:
        name, number = f"person {number}", number + 1
        if shard_of(user_id(issuer, name)) * 2 // SHARDS == half:
            found.append(name)
    return found


class Servers:
    """Two servers of one venue, four accounts, and for each a caller and a stream.

    A caller and the stream of its account are at different servers.
    """

    def __init__(self, url: str, directory: Path, **settings: Any) -> None:
        self.directory = directory
        self._settings = {**UNFENCED, **settings}
        self._database = psycopg.connect(url, autocommit=True)
        self._left = ExitStack()
        self.all: list[Process] = []

    def __enter__(self) -> Self:
        with ExitStack() as entered:
            entered.enter_context(self._database)
            self.all = [entered.enter_context(self.server(name)) for name in ("one", "two")]
            self._meet()
            self._left = entered.pop_all()
        return self

    def __exit__(self, *error: Any) -> None:
        self._left.__exit__(*error)

    def _meet(self) -> None:
        """Let everybody who calls and follows have a key."""
        names = [name for pair in zip(people(0, 2), people(1, 2), strict=True) for name in pair]
        keys = [self._new_key(name) for name in names]
        at = [self.all[number // 2] for number in range(len(keys))]
        there = [self.all[1 - number // 2] for number in range(len(keys))]
        places = [Place(it.grpc, key) for it, key in zip(at, keys, strict=True)]
        accounts = [_account_of(place) for place in places]
        streams = [Place(it.grpc, key) for it, key in zip(there, keys, strict=True)]
        self.callers = Callers(places)
        self.followers = Followers(self.all[0].data_dir, list(zip(streams, accounts, strict=True)))
        resting = [self._new_key(people(half, 3)[-1]) for half in (0, 1)]
        known = [_account_of(Place(it.grpc, key)) for key in resting for it in self.all]
        self._resting = dict(zip(resting, self._shards_of(known[::2]), strict=True))

    def server(self, name: str) -> Process:
        """Return another server of the venue, which is not started yet."""
        data_dir = self.directory / name
        return Process(data_dir, command=UNPOLLED, cwd=ROOT, **self._settings)

    @contextmanager
    def load(self) -> Iterator[None]:
        """Let all call and follow during the block; check everything that they were told."""
        with self.followers.following(), self.callers.calling():
            self.wait_until_owner(*self.all)
            self.callers.wait_until_they_go_on(time.monotonic())
            yield
        assert [server.stop() for server in self.all] == [0] * len(self.all)
        for server in self.all:
            audit(server.data_dir)
        with opened(self.all[0].data_dir) as database:
            self.callers.check(database)
        self.followers.check()
        ends = [end for follower in self.followers.followers for end in follower.ends]
        assert ends == [], "streams resume by themselves while their front lives"

    def owned(self, server: Process) -> set[int]:
        """Return the shards that the engine of a server owns."""
        return {shard for shard, address, _ in self._owners() if address == address_of(server)}

    def backend(self, server: Process) -> int:
        """Return the number of the session of a server's engine."""
        (found,) = {pid for _, address, pid in self._owners() if address == address_of(server)}
        return int(found)

    def key_owned_by(self, server: Process) -> str:
        """Return the key of an account that the engine of a server owns and nobody uses."""
        owned = self.owned(server)
        return next(key for key, shard in self._resting.items() if shard in owned)

    def wait_until_owner(self, *servers: Process) -> None:
        """Wait until the engine of each server owns shards; of two servers, it owns accounts."""
        for server in servers:
            self._wait(lambda it=server: bool(self.owned(it)), server)

    def wait_until_owned_by(self, server: Process, since: float) -> float:
        """Wait until one engine owns all shards; return the seconds since a moment."""
        self._wait(lambda: len(self.owned(server)) == SHARDS, server)
        return time.monotonic() - since

    def end_session(self, server: Process) -> None:
        """Let PostgreSQL end the session of a server's engine, and wait until it has ended."""
        ended = self._database.execute(
            "SELECT pg_terminate_backend(%s, 10000)", (self.backend(server),)
        )
        assert ended.fetchone() == (True,)

    @contextmanager
    def stopped(self, server: Process) -> Iterator[None]:
        """Pause the engine of a server; it wakes up after the block."""
        engine = server.engine()
        os.kill(engine, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(engine, signal.SIGCONT)

    @contextmanager
    def killed_and_held_back(self, server: Process) -> Iterator[None]:
        """Kill the engine of a server; the next one is not ready before the block has ended."""
        os.kill(server.engine(), signal.SIGKILL)
        deadline = time.monotonic() + CHANGE_SECONDS_MAX
        while True:
            try:
                # The next engine needs longer to start than this one needs to end.
                with take_lock(server.data_dir / ENGINE_LOCK_FILE, 0):
                    yield
                return
            except LockHeld:
                assert time.monotonic() < deadline

    def _new_key(self, person: str) -> str:
        """Return a new key of a person, whom the first server gets to know."""
        settings, now = Settings(data_dir=self.all[0].data_dir), int(time.time())
        who = Identity(
            issuer=settings.jwt_issuer,
            subject=person,
            name=person,
            plan=Plan.STANDARD,
            is_operator=False,
        )
        secret = jwt_secret(settings)
        token = issue(settings.token_terms, secret, who, now_seconds=now, ttl_seconds=600)
        with channel(self.all[0].grpc) as opened_channel:
            answer = keys_rpc.KeyManagementStub(opened_channel).CreateBotKey(
                keys_pb.CreateBotKeyRequest(label="bot"),
                metadata=(("authorization", f"Bearer {token}"),),
            )
        return str(answer.bot_key.key)

    def _owners(self) -> list[tuple[int, str, int]]:
        return self._database.execute(OWNERS, (LOCK_SPACE, SHARDS)).fetchall()

    def _shards_of(self, accounts: list[str]) -> list[int]:
        rows = self._database.execute("SELECT id, shard FROM accounts").fetchall()
        found: dict[str, int] = dict(rows)
        return [found[account_id] for account_id in accounts]

    def _wait(self, condition: Any, server: Process) -> None:
        deadline = time.monotonic() + CHANGE_SECONDS_MAX
        while not condition():
            assert time.monotonic() < deadline, server.log.read_text()[-4000:]
            time.sleep(POLL_SECONDS)


def address_of(server: Process) -> str:
    """Return where the engine of a server is reached."""
    return f"unix:{server.data_dir.resolve() / ENGINE_SOCKET_FILE}"


def _account_of(place: Place) -> str:
    with channel(place.address) as opened_channel:
        stub = bot_trading_pb2_grpc.BotTradingStub(opened_channel)
        request = bot_trading_pb2.GetAccountRequest()
        answer = stub.GetAccount(request, metadata=(("x-bot-key", place.key),))
    return str(answer.account.bot_user_id)
