"""Several servers of one venue, each in processes of its own, and people who call any of them."""

import time
from collections.abc import Awaitable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import grpc

from bottrading.v1 import (
    bot_trading_pb2_grpc,
    key_management_pb2,
    key_management_pb2_grpc,
    market_data_pb2_grpc,
)
from server.config import load
from server.credentials import known_identity, signed_token
from server.domain.named_ids import user_id
from server.domain.sharding import SHARDS, shard_of
from server.domain.user import Plan
from tests.support.databases import Opened
from tests.support.postgresql import Server
from tests.support.process import POLL_SECONDS, START_SECONDS_MAX, Process
from tests.support.venue import Bot

ISSUER = "bottrading"
TOKEN_SECONDS = 600


class Servers:
    """Two servers of one venue, and what its database says of them."""

    def __init__(self, url: str, directory: Path, *, rest: bool = True, **settings: Any) -> None:
        self.url, self._directory, self._with_rest = url, directory, rest
        self._settings = {"fees": "none", "slippage": "none", "database": url, **settings}
        self._database = Opened(load(data_dir=directory, database=url).location)
        self._subjects = (f"person {number}" for number in count())
        self.processes = [self.new("one"), self.new("two")]

    def new(self, name: str) -> Process:
        """Return a server that is not started yet."""
        settings: dict[str, Any] = self._settings
        return Process(self._directory / name, rest=self._with_rest, wait=False, **settings)

    def shards_of(self, process: Process) -> set[int]:
        """Return the shards that a server owns."""
        found = self._database.execute(
            "SELECT shard FROM shards JOIN engines ON engines.id = engine_id WHERE address = ?",
            [f"unix:{process.data_dir.resolve()}/engine.sock"],
        )
        return {shard for (shard,) in found if shard < SHARDS}

    def wait_until_shared(self, processes: list[Process]) -> None:
        """Wait until these servers own all shards, and each of them some."""
        deadline = time.monotonic() + START_SECONDS_MAX
        while True:
            owned = [self.shards_of(process) for process in processes]
            if all(owned) and len(set.union(*owned)) == SHARDS:
                return
            assert time.monotonic() < deadline, owned
            time.sleep(POLL_SECONDS)

    def new_token(self, process: Process) -> str:
        """Return a token of a new person, whose shard a server owns."""
        owned = self.shards_of(process)
        subject = next(it for it in self._subjects if shard_of(user_id(ISSUER, it)) in owned)
        settings = load(data_dir=self._directory, database=self.url)
        identity = known_identity(settings, subject, plan=Plan.PROFESSIONAL)
        return signed_token(settings, identity, TOKEN_SECONDS)

    def close(self) -> None:
        self._database.close()


@contextmanager
def two_servers(
    postgresql: Server, directory: Path, *, rest: bool = True, **settings: Any
) -> Iterator[Servers]:
    """Run two servers on a new database until the end of the block; both must end well."""
    url = postgresql.new_database()
    servers = Servers(url, directory, rest=rest, **settings)
    with ExitStack() as stack:
        for process in servers.processes:
            stack.enter_context(process)
        for process in servers.processes:
            process.wait_until_ready()
        servers.wait_until_shared(servers.processes)
        yield servers
        for process in servers.processes:
            process.process.terminate()
        assert [process.process.wait(START_SECONDS_MAX) for process in servers.processes] == [0, 0]
    servers.close()
    postgresql.drop(url)


class Remote(Bot):
    """A bot that calls a server of which it knows nothing but the address."""

    def __init__(self, channel: grpc.aio.Channel, key: str, key_id: str) -> None:
        self.key, self.key_id = key, key_id
        self.metadata = (("x-bot-key", key),)
        self.trading = bot_trading_pb2_grpc.BotTradingStub(channel)
        self.market = market_data_pb2_grpc.MarketDataStub(channel)


@dataclass
class Person:
    """A person who calls any server: with a token, and with bots of the first account."""

    token: str
    channels: list[grpc.aio.Channel]

    async def bots(self, made_at: int = 0) -> list[Remote]:
        """Make a key at one server; return a bot with it at each."""
        request = key_management_pb2.CreateBotKeyRequest(label="bot")
        made = (await self._keys(made_at).CreateBotKey(request, metadata=self._metadata)).bot_key
        return [Remote(channel, made.key, made.id) for channel in self.channels]

    async def revoke(self, bot: Remote, at: int) -> None:
        """Revoke a bot's key at a server."""
        request = key_management_pb2.RevokeBotKeyRequest(key_id=bot.key_id)
        await self._keys(at).RevokeBotKey(request, metadata=self._metadata)

    @property
    def _metadata(self) -> tuple[tuple[str, str], ...]:
        return (("authorization", f"Bearer {self.token}"),)

    def _keys(self, at: int) -> Any:
        stub: Any = key_management_pb2_grpc.KeyManagementStub(self.channels[at])
        return stub


async def code_of(call: Awaitable[Any]) -> grpc.StatusCode:
    """Return the code with which a call ends."""
    try:
        await call
    except grpc.aio.AioRpcError as error:
        return error.code()
    return grpc.StatusCode.OK
