"""The connection to the engine of another replica, over a real Unix socket."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from server.application.callers import SERVICE
from server.application.market_feed import QuoteBoard
from server.application.market_record import HeardMinutes
from server.bootstrap.adapters import ToldClock
from server.domain.sharding import ANY_SHARD
from server.engine import client, peers
from server.engine.client import (
    OUTCOME_UNKNOWN,
    Asked,
    EngineRefused,
    Notifications,
    SocketEngine,
)
from server.engine.frames import FrameBuffer, Kind, pack_answer, unpack_call
from server.engine.fronts import READY
from server.engine.peers import Open, Peer, open_unix
from tests.support.streams import READ_SECONDS_MAX


class Replica:
    """An engine that is ready when somebody connects, and answers when the test tells it to."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.connected: asyncio.Queue[asyncio.StreamWriter] = asyncio.Queue()
        self.called: asyncio.Queue[int] = asyncio.Queue()
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        self._server = await asyncio.start_unix_server(self._serve, self.path)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(READY)
        self.connected.put_nowait(writer)
        buffer = FrameBuffer()
        while data := await reader.read(65536):
            for frame in buffer.feed(data):
                self.called.put_nowait(unpack_call(frame).id)
        writer.close()

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()


class Front:
    """A front with a peer."""

    def __init__(self, path: Path, connect: Open = open_unix) -> None:
        self.changes: asyncio.Queue[bool] = asyncio.Queue()
        self.grown: asyncio.Queue[list[str]] = asyncio.Queue()
        notifications = Notifications(
            QuoteBoard(0),
            HeardMinutes(),
            notify_quotes=lambda _: None,
            notify_logs=lambda names: self.grown.put_nowait(list(names)),
            end_key=lambda _: None,
            forget_user=lambda _: None,
            set_time=ToldClock().set,
        )
        self.peer = Peer(
            f"unix:{path}", connect, notifications, self._changed, answer_seconds_max=9
        )

    def _changed(self) -> None:
        self.changes.put_nowait(self.peer.is_ready)

    def ask(self) -> Asked:
        future = asyncio.get_running_loop().create_future()
        asked = Asked("RecordUsage", SERVICE, b"", ANY_SHARD, future, lambda *_: None)
        self.peer.send(asked)
        return asked


@pytest.fixture
async def replica(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Replica]:
    monkeypatch.setattr(peers, "RECONNECT_SECONDS", 0.001)
    made = Replica(tmp_path / "engine.sock")
    yield made
    await made.stop()


@pytest.fixture
async def front(replica: Replica) -> AsyncIterator[Front]:
    made = Front(replica.path)
    yield made
    made.peer.abort()


async def test_a_peer_answers_calls_and_tells_which_logs_have_grown(
    replica: Replica, front: Front
) -> None:
    await replica.start()
    engine = await replica.connected.get()
    assert await front.changes.get()
    asked = front.ask()
    engine.write(pack_answer(0, Kind.LOGS_GROWN, b"ada bob"))
    engine.write(pack_answer(await replica.called.get(), Kind.RESPONSE, b"done"))

    assert await asked.future == b"done"
    assert await front.grown.get() == ["ada", "bob"]


async def test_a_peer_is_connected_to_as_soon_as_it_listens(replica: Replica, front: Front) -> None:
    await asyncio.sleep(0)
    assert not front.peer.is_ready
    await replica.start()

    assert await front.changes.get()


async def test_a_lost_connection_leaves_outcomes_unknown_and_is_made_again(
    replica: Replica, front: Front
) -> None:
    await replica.start()
    engine = await replica.connected.get()
    assert await front.changes.get()
    asked = front.ask()
    await replica.called.get()
    engine.close()

    with pytest.raises(EngineRefused) as told:
        await asked.future
    assert told.value.refusal is OUTCOME_UNKNOWN
    assert not await front.changes.get()
    assert await front.changes.get()
    assert replica.called.empty()


async def test_a_peer_that_does_not_answer_is_connected_to_again(
    replica: Replica, front: Front, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "SWEEP_SECONDS", 0.001)
    await replica.start()
    assert await front.changes.get()
    assert front.peer._client is not None
    asked = front.ask()
    await replica.called.get()
    monkeypatch.setattr(front.peer._client, "_answer_seconds_max", -1.0)

    with pytest.raises(EngineRefused) as told:
        await asked.future
    assert told.value.refusal is OUTCOME_UNKNOWN
    assert not await front.changes.get()
    assert await front.changes.get()


async def test_a_front_that_leaves_a_peer_does_not_come_back(
    replica: Replica, front: Front
) -> None:
    await replica.start()
    await replica.connected.get()
    assert await front.changes.get()
    front.peer.abort()
    assert not await front.changes.get()

    assert not front.peer.is_ready
    with pytest.raises(asyncio.CancelledError):
        await front.peer._task
    assert replica.connected.empty()


async def test_an_attempt_to_connect_that_hangs_is_given_up(
    replica: Replica, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As over a network that loses the first packets: the next attempt may get through."""
    monkeypatch.setattr(peers, "CONNECT_SECONDS_MAX", 0.01)
    attempts: list[str] = []

    async def hanging(address: str, client: Callable[[], SocketEngine]) -> None:
        attempts.append(address)
        if len(attempts) == 1:
            await asyncio.Event().wait()
        await open_unix(address, client)

    await replica.start()
    front = Front(replica.path, hanging)
    assert await asyncio.wait_for(front.changes.get(), READ_SECONDS_MAX)
    front.peer.abort()
