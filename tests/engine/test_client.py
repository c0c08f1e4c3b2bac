"""The front's side of the engine, over a real socket pair."""

import asyncio
import socket
from collections.abc import AsyncIterator

import pytest

from server.application.callers import Caller
from server.application.market_feed import QuoteBoard
from server.application.market_record import HeardMinutes
from server.bootstrap.adapters import ToldClock
from server.domain.sharding import ANY_SHARD
from server.engine.client import AWAY, Asked, EngineRefused, Notifications, SocketEngine
from server.engine.frames import NOBODY, FrameBuffer, Kind, pack_answer, pack_moved, unpack_call


class Pair:
    """A client and the other end of its socket."""

    def __init__(self) -> None:
        self.ready = asyncio.Event()
        self.lost = asyncio.Event()
        self.hung = asyncio.Event()
        self.ended: list[str] = []

    async def open(self) -> None:
        await self.connect()
        await self.answer(pack_answer(NOBODY, Kind.READY, b""))
        await self.ready.wait()

    async def connect(self) -> None:
        ours, self.theirs = socket.socketpair()
        self.theirs.setblocking(False)
        notifications = Notifications(
            QuoteBoard(0),
            HeardMinutes(),
            notify_quotes=lambda _: None,
            notify_logs=lambda _: None,
            end_key=self.ended.append,
            forget_user=lambda _: None,
            set_time=ToldClock().set,
        )
        _, self.engine = await asyncio.get_running_loop().create_connection(
            lambda: SocketEngine(
                notifications, self.ready.set, self.lost.set, self.hung.set, answer_seconds_max=9
            ),
            sock=ours,
        )

    async def received(self, calls: int) -> list[int]:
        buffer, ids = FrameBuffer(), list[int]()
        while len(ids) < calls:
            data = await asyncio.get_running_loop().sock_recv(self.theirs, 65536)
            ids += [unpack_call(frame).id for frame in buffer.feed(data)]
        return ids

    async def shards(self, calls: int) -> list[int]:
        buffer, shards = FrameBuffer(), list[int]()
        while len(shards) < calls:
            data = await asyncio.get_running_loop().sock_recv(self.theirs, 65536)
            shards += [unpack_call(frame).shard for frame in buffer.feed(data)]
        return shards

    async def answer(self, *frames: bytes) -> None:
        await asyncio.get_running_loop().sock_sendall(self.theirs, b"".join(frames))

    def call(self) -> "asyncio.Future[bytes]":
        return self.engine.call(
            "PlaceOrder", Caller(account_id="account", bot_key_id="key"), b"body"
        )


@pytest.fixture
async def pair() -> AsyncIterator[Pair]:
    opened = Pair()
    await opened.open()
    yield opened
    opened.engine.close()
    opened.theirs.close()


async def test_answers_find_their_calls_in_any_order(pair: Pair) -> None:
    first, second = pair.call(), pair.call()
    one, two = await pair.received(2)
    await pair.answer(
        pack_answer(two, Kind.RESPONSE, b"two"), pack_answer(one, Kind.RESPONSE, b"one")
    )

    assert (await first, await second) == (b"one", b"two")


async def test_a_call_names_the_shard_that_it_is_for(pair: Pair) -> None:
    pair.engine.call("UseSignIn", Caller(), b"", 7)
    pair.engine.call("RecordUsage", Caller(), b"")

    assert await pair.shards(2) == [7, ANY_SHARD]


async def test_a_call_that_was_not_executed_says_where_it_belongs(pair: Pair) -> None:
    moved: list[tuple[Asked, int]] = []
    future = asyncio.get_running_loop().create_future()
    asked = Asked("Any", Caller(), b"", 3, future, lambda *told: moved.append(told))
    pair.engine.send(asked)
    alone = pair.call()
    first, second = await pair.received(2)
    await pair.answer(pack_moved(first, 17), pack_moved(second, 17))

    with pytest.raises(EngineRefused) as told:
        await alone
    assert told.value.refusal is AWAY
    assert moved == [(asked, 17)]
    assert not future.done()


async def test_an_engine_that_leaves_answers_what_it_was_sent_and_gets_nothing_more(
    pair: Pair,
) -> None:
    """Its front stops; calls of other fronts must not fail."""
    before, call = pair.call(), pair.call()
    first, call_id = await pair.received(2)
    leaving = pack_answer(NOBODY, Kind.LEAVING, b"")
    await pair.answer(leaving, pack_answer(first, Kind.RESPONSE, b""))
    await before
    assert not pair.engine.is_ready
    assert not pair.lost.is_set()
    await pair.answer(pack_answer(call_id, Kind.RESPONSE, b"done"))

    assert await call == b"done"
    await pair.lost.wait()


async def test_calls_in_flight_are_told_that_their_outcome_is_unknown(pair: Pair) -> None:
    call = pair.call()
    await pair.received(1)
    pair.theirs.close()

    with pytest.raises(EngineRefused) as told:
        await call
    assert "unknown" in told.value.refusal.message
    assert not told.value.refusal.is_not_executed
    await pair.lost.wait()
    with pytest.raises(EngineRefused) as later:
        await pair.call()
    assert "nothing was done" in later.value.refusal.message
    assert later.value.refusal.is_not_executed


async def test_a_call_that_waits_for_the_clock_is_no_sign_of_a_hang(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits, call = pair.call(), pair.call()
    waiting_id, call_id = await pair.received(2)
    await pair.answer(pack_answer(waiting_id, Kind.WAITING, b""))
    await pair.answer(pack_answer(call_id, Kind.RESPONSE, b"at once"))
    assert await call == b"at once"
    monkeypatch.setattr(pair.engine, "_answer_seconds_max", 0.0)
    pair.engine._sweep()

    assert not pair.hung.is_set()
    await pair.answer(pack_answer(waiting_id, Kind.RESPONSE, b"later"))
    assert await waits == b"later"


@pytest.mark.parametrize("ends", ["the engine ends", "the server stops"])
async def test_a_call_that_waits_for_the_clock_is_told_to_repeat(pair: Pair, ends: str) -> None:
    waits, next_one = pair.call(), pair.call()
    first, second = await pair.received(2)
    await pair.answer(pack_answer(first, Kind.WAITING, b""))
    await pair.answer(pack_answer(second, Kind.RESPONSE, b""))
    await next_one
    if ends == "the engine ends":
        pair.theirs.close()
    else:
        pair.engine.end_waits()

    with pytest.raises(EngineRefused) as told:
        await waits
    assert "repeat the call with the same `from`" in told.value.refusal.message
    assert not told.value.refusal.is_not_executed
    if ends == "the server stops":
        late = pair.call()
        (third,) = await pair.received(1)
        await pair.answer(pack_answer(first, Kind.RESPONSE, b"in vain"))
        await pair.answer(pack_answer(third, Kind.WAITING, b""))
        with pytest.raises(EngineRefused):
            await late


async def test_an_engine_that_hangs_is_reported(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    call = pair.call()
    (call_id,) = await pair.received(1)
    pair.engine._sweep()
    assert not pair.hung.is_set()
    monkeypatch.setattr(pair.engine, "_answer_seconds_max", -1.0)
    pair.engine._sweep()

    assert pair.hung.is_set()
    await pair.answer(pack_answer(call_id, Kind.RESPONSE, b"late"))
    assert await call == b"late"


@pytest.mark.parametrize("alive", [True, False])
async def test_an_engine_that_tells_that_it_is_about_something_long_does_not_hang(
    pair: Pair, alive: bool
) -> None:
    """Ending the engine would end all calls in flight, and it would begin the same work again."""
    long, short = pair.call(), pair.call()
    first, second = await pair.received(2)
    pair.engine._waiting[first].since -= 100
    signs = [pack_answer(0, Kind.SIGN_OF_LIFE, b"")] if alive else []
    await pair.answer(*signs, pack_answer(second, Kind.RESPONSE, b"short"))
    assert await short == b"short"

    pair.engine._sweep()

    assert pair.hung.is_set() is not alive
    await pair.answer(pack_answer(first, Kind.RESPONSE, b"long"))
    assert await long == b"long"


async def test_an_answer_to_a_caller_who_went_away_harms_nobody(pair: Pair) -> None:
    gone, stays = pair.call(), pair.call()
    one, two = await pair.received(2)
    gone.cancel()
    await pair.answer(
        pack_answer(0, Kind.KEY_ENDED, b"key-1"),
        pack_answer(one, Kind.RESPONSE, b"one"),
        pack_answer(two, Kind.RESPONSE, b"two"),
    )

    assert await stays == b"two"
    assert pair.ended == ["key-1"]


async def test_calls_are_refused_while_the_engine_loads_however_long_that_takes() -> None:
    """Calls are not queued, because an engine whose calls wait too long counts as hanging."""
    pair = Pair()
    await pair.connect()
    pair.engine._answer_seconds_max = -1.0
    with pytest.raises(EngineRefused) as refused:
        await pair.call()
    assert refused.value.refusal == AWAY
    pair.engine._sweep()
    assert not pair.hung.is_set()

    await pair.answer(pack_answer(NOBODY, Kind.READY, b""))
    await pair.ready.wait()
    answer = pair.call()
    (number,) = await pair.received(1)
    await pair.answer(pack_answer(number, Kind.RESPONSE, b"done"))
    assert await answer == b"done"
    pair.engine.close()
    pair.theirs.close()


async def test_an_engine_that_loads_and_gives_no_sign_of_life_is_reported(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pair = Pair()
    await pair.connect()
    monkeypatch.setattr("server.engine.client.LOADING_SILENCE_SECONDS_MAX", -1.0)
    pair.engine._sweep()

    assert pair.hung.is_set()
    pair.engine.close()
    pair.theirs.close()
