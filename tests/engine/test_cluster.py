"""Calls find the engine that owns their shard; engines and their answers are made by hand."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest

from server.application.callers import SERVICE, Caller
from server.application.ports import StorageUnavailable
from server.domain.sharding import ANY_SHARD, MARKET, shard_of
from server.engine import cluster
from server.engine.client import AWAY, OUTCOME_UNKNOWN, Asked, EngineRefused
from server.engine.cluster import FOLLOW_MARKET, NOT_EVERYWHERE, ClusterEngine, Directory
from server.engine.frames import Answer, FrameBuffer, Kind, pack_moved, unpack_answer
from tests.support.streams import READ_SECONDS_MAX

OWN, OTHER, THIRD = "unix:/own", "unix:/other", "unix:/third"
ADA = Caller(user_id="ada", account_id="account")
SHARD = shard_of("ada")


class Engine:
    """An engine to which the front is connected."""

    def __init__(self) -> None:
        self.is_ready = True
        self.asked: list[Asked] = []
        self._arrived = asyncio.Event()
        self.is_left = False

    def send(self, asked: Asked) -> None:
        self.asked.append(asked)
        self._arrived.set()

    async def is_asked(self) -> None:
        """Wait for the next call."""
        await self._arrived.wait()
        self._arrived.clear()

    def abort(self) -> None:
        self.is_left = True

    def answer(self, body: bytes = b"done") -> None:
        self.asked.pop(0).settle(Answer(1, Kind.RESPONSE, body))

    def move(self, shard: int = ANY_SHARD) -> None:
        (frame,) = FrameBuffer().feed(pack_moved(1, shard))
        self.asked.pop(0).settle(unpack_answer(frame))


class Venue:
    """A front and the engines that its directory names."""

    def __init__(self) -> None:
        self.own = Engine()
        self.linked: dict[str, Engine] = {}
        self.directory = Directory()
        self.is_away = self.hangs = False
        self.changes = 0
        self.looks = 0
        self.front = ClusterEngine(
            self.own, OWN, self._read, self._link, self._changed, {"PublishQuotes": FOLLOW_MARKET}
        )

    async def _read(self) -> Directory:
        self.looks += 1
        if self.hangs:
            await asyncio.Event().wait()
        if self.is_away:
            raise StorageUnavailable("away")
        return self.directory

    def _link(self, address: str) -> Engine:
        self.linked[address] = Engine()
        return self.linked[address]

    def _changed(self) -> None:
        self.changes += 1

    async def own_shards(self, owners: Mapping[int, str], *others: str) -> None:
        self.directory = Directory(owners, frozenset({OWN, *owners.values(), *others}))
        await self.front.look()

    async def publish(self) -> "asyncio.Future[bytes]":
        """Publish quotes, which the own engine accepts; return once the other one must follow."""
        call = self.front.call("PublishQuotes", SERVICE, b"quotes", MARKET)
        await self.own.is_asked()
        self.own.answer(b"accepted")
        return call

    def call(self, **options: Any) -> "asyncio.Future[bytes]":
        return self.front.call("PlaceOrder", ADA, b"body", **options)


@pytest.fixture
async def venue() -> AsyncIterator[Venue]:
    made = Venue()
    yield made
    made.front.close()


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "PAUSE_SECONDS", 0.0)


async def test_a_call_goes_to_the_owner_of_its_users_shard(venue: Venue) -> None:
    await venue.own_shards({SHARD: OTHER, MARKET: OWN})
    placed, published = venue.call(), venue.call(shard=MARKET)

    assert [asked.shard for asked in venue.linked[OTHER].asked] == [SHARD]
    assert [asked.shard for asked in venue.own.asked] == [MARKET]
    venue.linked[OTHER].answer(b"placed")
    venue.own.answer(b"published")
    assert (await placed, await published) == (b"placed", b"published")


async def test_a_shard_without_a_known_owner_may_be_the_own_engines(venue: Venue) -> None:
    call = venue.call()
    venue.own.move(SHARD)
    await venue.own_shards({SHARD: OTHER})
    venue.linked[OTHER].answer()

    assert await call == b"done"


async def test_a_call_without_a_shard_goes_to_any_engine_first_the_own_one(venue: Venue) -> None:
    await venue.own_shards({SHARD: OTHER})
    venue.front.call("RecordUsage", SERVICE, b"")
    venue.own.is_ready = False
    venue.front.call("RecordUsage", SERVICE, b"")

    assert (len(venue.own.asked), len(venue.linked[OTHER].asked)) == (1, 1)


async def test_a_moved_call_is_repeated_at_the_new_owner_after_a_look(venue: Venue) -> None:
    await venue.own_shards({SHARD: OTHER})
    call = venue.call()
    venue.directory = Directory({SHARD: OWN}, frozenset({OWN, OTHER}))
    venue.linked[OTHER].move()
    assert not venue.own.asked
    await venue.front.look()
    venue.own.answer()

    assert await call == b"done"


async def test_a_moved_call_that_names_its_shard_needs_no_look(venue: Venue) -> None:
    """The account of a deposit is another's than the operator who makes it."""
    await venue.own_shards({SHARD: OWN, SHARD + 1: OTHER})
    call = venue.call()
    venue.own.move(SHARD + 1)

    assert [asked.shard for asked in venue.linked[OTHER].asked] == [SHARD + 1]
    venue.linked[OTHER].answer()
    assert await call == b"done"


@pytest.mark.usefixtures("hurried")
async def test_a_call_is_repeated_until_the_directory_has_caught_up(venue: Venue) -> None:
    await venue.own_shards({SHARD: OTHER})
    following = asyncio.create_task(venue.front.run())
    call = venue.call()
    await venue.linked[OTHER].is_asked()
    for _ in range(5):
        venue.linked[OTHER].move(SHARD)
        await venue.linked[OTHER].is_asked()
    venue.linked[OTHER].answer()

    assert await call == b"done"
    following.cancel()


@pytest.mark.usefixtures("hurried")
@pytest.mark.parametrize("why", ["not connected", "no directory"])
async def test_a_call_waits_for_an_engine_that_takes_its_shard(venue: Venue, why: str) -> None:
    owners = {SHARD: OTHER}
    await venue.own_shards(owners)
    venue.linked[OTHER].is_ready = False
    venue.is_away = why == "no directory"
    call = venue.call()
    following = asyncio.create_task(venue.front.run())
    await asyncio.sleep(0)
    assert not venue.linked[OTHER].asked

    venue.directory, venue.is_away = Directory(owners, frozenset({OWN, OTHER})), False
    venue.linked[OTHER].is_ready = True
    await venue.linked[OTHER].is_asked()
    venue.linked[OTHER].answer()
    assert await call == b"done"
    following.cancel()


@pytest.mark.usefixtures("hurried")
async def test_a_call_that_no_engine_takes_is_refused_as_not_executed(
    venue: Venue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster, "REPEAT_SECONDS_MAX", 0.05)
    venue.own.is_ready = False
    call = venue.call()
    following = asyncio.create_task(venue.front.run())

    with pytest.raises(EngineRefused) as told:
        await call
    assert told.value.refusal is AWAY
    following.cancel()


async def test_calls_are_refused_in_time_while_the_database_hangs(
    venue: Venue, monkeypatch: pytest.MonkeyPatch
) -> None:
    venue.own.is_ready, venue.hangs = False, True
    following = asyncio.create_task(venue.front.run())
    for seconds in (0.02, 0.04):
        monkeypatch.setattr(cluster, "REPEAT_SECONDS_MAX", seconds)
        call = venue.call()
        later = venue.call()
        for asked in (call, later):
            with pytest.raises(EngineRefused) as told:
                await asyncio.wait_for(asked, READ_SECONDS_MAX)
            assert told.value.refusal is AWAY
    following.cancel()


async def test_a_call_whose_outcome_is_unknown_is_not_repeated(venue: Venue) -> None:
    await venue.own_shards({SHARD: OTHER})
    call = venue.call()
    venue.linked[OTHER].asked.pop().refuse(OUTCOME_UNKNOWN)
    await venue.own_shards({SHARD: OWN})

    with pytest.raises(EngineRefused) as told:
        await call
    assert told.value.refusal is OUTCOME_UNKNOWN
    assert not venue.own.asked


async def test_a_call_whose_caller_left_is_not_repeated(venue: Venue) -> None:
    await venue.own_shards({SHARD: OTHER})
    venue.own.is_ready = False
    moved, waiting = venue.call(), venue.call(shard=SHARD + 1)
    moved.cancel()
    venue.linked[OTHER].move()
    waiting.cancel()
    venue.own.is_ready = True
    await venue.own_shards({SHARD: OWN, SHARD + 1: OWN})

    assert not venue.own.asked


async def test_the_front_is_connected_to_all_engines_that_live(venue: Venue) -> None:
    await venue.own_shards({SHARD: OWN}, OTHER, THIRD)
    assert venue.linked.keys() == {OTHER, THIRD}
    first = venue.linked[OTHER]
    await venue.own_shards({SHARD: OWN}, OTHER)
    assert venue.linked[OTHER] is first
    assert venue.linked[THIRD].is_left

    venue.front.close()
    assert first.is_left


async def test_new_owners_are_noticed_once(venue: Venue) -> None:
    await venue.own_shards({SHARD: OWN})
    await venue.own_shards({SHARD: OWN}, OTHER)
    assert venue.changes == 1
    await venue.own_shards({SHARD: OTHER})
    assert venue.changes == 2


async def test_calls_that_wait_are_refused_when_the_front_stops(venue: Venue) -> None:
    venue.own.is_ready = False
    call = venue.call()
    venue.front.close()

    with pytest.raises(EngineRefused) as told:
        await call
    assert told.value.refusal is AWAY


async def test_published_quotes_are_answered_when_all_engines_have_applied_them(
    venue: Venue,
) -> None:
    await venue.own_shards({MARKET: OWN, SHARD: OTHER}, THIRD)
    call = await venue.publish()
    for engine in (venue.own, venue.linked[OTHER], venue.linked[THIRD]):
        await engine.is_asked()
        assert not call.done()
        assert [asked.name for asked in engine.asked] == [FOLLOW_MARKET]
        engine.answer()

    assert await call == b"accepted"


async def test_an_engine_of_which_the_front_did_not_know_yet_must_follow_too(
    venue: Venue,
) -> None:
    await venue.own_shards({MARKET: OWN})
    venue.directory = Directory({MARKET: OWN, SHARD: OTHER}, frozenset({OWN, OTHER}))
    call = await venue.publish()
    await venue.own.is_asked()
    venue.own.answer()
    await venue.linked[OTHER].is_asked()
    assert not call.done()
    venue.linked[OTHER].answer()

    assert await call == b"accepted"


@pytest.mark.usefixtures("hurried")
async def test_published_quotes_do_not_wait_for_an_engine_that_ends(venue: Venue) -> None:
    await venue.own_shards({MARKET: OWN, SHARD: OTHER})
    call = await venue.publish()
    await venue.own.is_asked()
    venue.own.answer()
    await venue.linked[OTHER].is_asked()
    venue.linked[OTHER].asked.pop().refuse(OUTCOME_UNKNOWN)
    await venue.linked[OTHER].is_asked()
    venue.directory = Directory({MARKET: OWN, SHARD: OWN}, frozenset({OWN}))
    venue.linked[OTHER].asked.pop().refuse(OUTCOME_UNKNOWN)

    assert await call == b"accepted"


async def test_published_quotes_do_not_wait_for_an_engine_that_still_loads(venue: Venue) -> None:
    """It owns nothing, and begins with what is stored."""
    await venue.own_shards({MARKET: OWN}, OTHER)
    venue.linked[OTHER].is_ready = False
    call = await venue.publish()
    await venue.own.is_asked()
    venue.own.answer()

    assert await call == b"accepted"
    assert not venue.linked[OTHER].asked


@pytest.mark.usefixtures("hurried")
@pytest.mark.parametrize("why", ["not connected", "silent", "no directory"])
async def test_a_publisher_is_told_if_an_engine_that_lives_may_not_have_followed(
    venue: Venue, monkeypatch: pytest.MonkeyPatch, why: str
) -> None:
    monkeypatch.setattr(cluster, "ALL_SECONDS_MAX", 0.05)
    monkeypatch.setattr(cluster, "ONE_SECONDS_MAX", 0.01)
    await venue.own_shards({MARKET: OWN, SHARD: OTHER})
    venue.linked[OTHER].is_ready = why == "silent"
    venue.is_away = why == "no directory"
    call = await venue.publish()

    with pytest.raises(EngineRefused) as told:
        await call
    assert told.value.refusal is NOT_EVERYWHERE
    assert not told.value.refusal.is_not_executed


async def test_publishers_that_wait_at_once_share_a_look(venue: Venue) -> None:
    await venue.own_shards({MARKET: OWN})
    looks = venue.looks
    calls = [venue.front.call("PublishQuotes", SERVICE, b"", MARKET) for _ in range(5)]
    await venue.own.is_asked()
    for _ in calls:
        venue.own.answer(b"accepted")
    await venue.own.is_asked()
    for _ in calls:
        venue.own.answer()

    assert await asyncio.gather(*calls) == [b"accepted"] * 5
    assert venue.looks == looks + 1
