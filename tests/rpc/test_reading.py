"""Reads of one person leave threads to others, wait for one another, and are all answered."""

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest

from server.rpc.reading import SharedReading
from server.storage.database import READERS_MAX, READS_OF_PERSON_MAX
from tests.support.streams import until
from tests.support.venue import VenueFactory


@pytest.fixture
def executor() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(READERS_MAX) as threads:
        yield threads


class _Query:
    """A query that runs until it is released."""

    def __init__(self) -> None:
        self.running = 0
        self.go_on = Event()

    def __call__(self) -> str:
        self.running += 1
        self.go_on.wait(10)
        return "read"


async def test_another_persons_read_is_answered_while_one_persons_wait(
    executor: ThreadPoolExecutor,
) -> None:
    read, dear = SharedReading(executor, at_once=READS_OF_PERSON_MAX), _Query()
    waiting = [asyncio.ensure_future(read("ada", dear)) for _ in range(20)]
    try:
        await until(lambda: dear.running == READS_OF_PERSON_MAX)

        assert await asyncio.wait_for(read("bob", str, "cheap"), 5) == "cheap"
        assert dear.running == READS_OF_PERSON_MAX < READERS_MAX
    finally:
        dear.go_on.set()
    assert await asyncio.gather(*waiting) == ["read"] * 20


async def test_a_caller_who_leaves_gives_no_further_thread_to_the_next(
    executor: ThreadPoolExecutor,
) -> None:
    read, dear = SharedReading(executor, at_once=READS_OF_PERSON_MAX), _Query()
    try:
        for _ in range(10):
            left = [asyncio.ensure_future(read("ada", dear)) for _ in range(READS_OF_PERSON_MAX)]
            await until(lambda: dear.running == READS_OF_PERSON_MAX)
            for one in left:
                one.cancel()
            await asyncio.gather(*left, return_exceptions=True)

        assert await asyncio.wait_for(read("bob", str, "cheap"), 5) == "cheap"
        assert dear.running == READS_OF_PERSON_MAX
    finally:
        dear.go_on.set()
    assert await asyncio.wait_for(read("ada", str, "cheap"), 5) == "cheap"


async def test_a_read_that_fails_gives_its_place_back(executor: ThreadPoolExecutor) -> None:
    read = SharedReading(executor, at_once=1)
    for _ in range(3):
        with pytest.raises(ValueError, match="invalid literal"):
            await read("ada", int, "none")

    assert await asyncio.wait_for(read("ada", int, "1"), 5) == 1


async def test_calls_of_all_of_a_persons_keys_and_accounts_share_their_places(
    start_venue: VenueFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    venue, dear = await start_venue(), _Query()
    ada, again, bob = await venue.bot(), await venue.bot(), await venue.bot("bob")
    with monkeypatch.context() as patch:
        patch.setattr(venue.base.reads, "orders", lambda *_: dear())
        calls = [
            asyncio.ensure_future(bot.call("ListOrders")) for bot in (ada, again) for _ in range(4)
        ]
        try:
            await until(lambda: dear.running == READS_OF_PERSON_MAX)

            assert (await asyncio.wait_for(bob.call("ListFills"), 5)).fills == []
            assert dear.running == READS_OF_PERSON_MAX
        finally:
            dear.go_on.set()
        await asyncio.gather(*calls, return_exceptions=True)
