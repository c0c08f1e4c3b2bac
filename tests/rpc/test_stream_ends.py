"""Streams that the server ends, and the places that streams take."""

import asyncio
from collections.abc import AsyncIterator

import grpc
import pytest

from server.application.ports import StorageBroken
from server.bootstrap.front import stream_watch
from server.rpc.stream_watch import TICK_SECONDS, StreamWatch
from tests.support.streams import (
    READ_SECONDS_MAX,
    Stream,
    narrow_channel,
    order_updates,
    quotes,
    shown,
    stream_call,
    until,
    until_blocked,
)
from tests.support.venue import Bot, Venue, VenueFactory, told


@pytest.fixture
async def quoted(venue: Venue) -> Venue:
    await venue.publish("AAPL", "99", "100")
    return venue


@pytest.fixture
async def narrow(quoted: Venue) -> AsyncIterator[Bot]:
    """A bot whose connection takes hardly more than what it reads."""
    made = await quoted.bot()
    async with narrow_channel(quoted.address) as channel:
        yield Bot(quoted, made.key, made.key_id, channel)


async def test_the_streams_of_a_revoked_key_end_at_once(quoted: Venue) -> None:
    bot, other = await quoted.bot(), await quoted.bot()
    updates, _ = await order_updates(bot)
    prices = quotes(bot, "AAPL")
    await prices.read()
    unharmed, _ = await order_updates(other)
    await quoted.person().revoke_key(bot.key_id)

    for stream in (updates, prices):
        told = await stream.end()
        assert (told.code, told.reason) == (grpc.StatusCode.UNAUTHENTICATED, "BOT_KEY_INVALID")
    await other.place()
    assert shown(await unharmed.read()) == "2 ACCEPTED AAPL"


async def test_a_revocation_whose_notification_was_lost_ends_streams_all_the_same(
    venue: Venue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """This happens if the engine dies right after it has stored a revocation."""
    bot, other = await venue.bot(), await venue.bot()
    ended, _ = await order_updates(bot)
    unharmed, _ = await order_updates(other, heartbeat_seconds=1)
    monkeypatch.setattr(venue.base.notifications, "_end_key", lambda _: None)
    await venue.person().revoke_key(bot.key_id)
    watch = stream_watch(venue.base)
    await watch.tick()
    assert len(venue.base.streams) == 2

    watch.doubt()
    await watch.tick()

    assert (await ended.end()).reason == "BOT_KEY_INVALID"
    assert (await unharmed.read()).WhichOneof("message") == "heartbeat"


async def test_a_log_whose_notification_was_lost_is_read_at_the_next_look(
    quoted: Venue, monkeypatch: pytest.MonkeyPatch
) -> None:
    bot = await quoted.bot()
    stream, _ = await order_updates(bot)
    monkeypatch.setattr(quoted.base.notifications, "_notify_logs", lambda _: None)
    await bot.place()

    stream_watch(quoted.base).doubt()

    assert [shown(it) for it in await stream.take(2)] == ["2 ACCEPTED AAPL", "3 FILLED AAPL"]


async def test_a_draining_server_ends_streams_with_the_sequence_to_resume_after(
    quoted: Venue,
) -> None:
    bot = await quoted.bot()
    updates, _ = await order_updates(bot)
    prices = quotes(bot, "AAPL")
    await prices.read()
    await bot.place()
    await updates.take(2)
    quoted.base.streams.drain()

    told, late = await updates.end(), await Stream(stream_call(bot)).end()

    assert (told.code, told.reason) == (grpc.StatusCode.UNAVAILABLE, "UNAVAILABLE")
    assert (told.last_sequence, told.retry_seconds) == ("3", 1)
    assert "after sequence 3" in told.message
    assert (await prices.end()).last_sequence is None
    assert (late.code, late.reason) == (grpc.StatusCode.UNAVAILABLE, "UNAVAILABLE")
    assert (told.executed, late.executed) == (None, "false")


async def test_a_reader_that_takes_nothing_is_ended_and_loses_nothing(
    quoted: Venue, narrow: Bot
) -> None:
    for _ in range(10):
        await narrow.place(quantity="1")
    blocked, _ = await order_updates(narrow, after_sequence=0)
    watch, (stream,) = stream_watch(quoted.base), quoted.base.streams
    await until_blocked(stream)
    await watch_for(watch, seconds=10)
    assert stream.ending is None
    await watch_for(watch, seconds=1)
    await until(lambda: len(quoted.base.streams) == 0)

    sequences, why = await _read_to_the_end(blocked)
    resumed, _ = await order_updates(narrow, after_sequence=sequences[-1])

    assert (why.code(), told(why).reason) == (
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        "READER_TOO_SLOW",
    )
    assert sequences == list(range(1, len(sequences) + 1))
    assert len(sequences) < 21, "the reader was never blocked"
    assert told(why).last_sequence == str(sequences[-1])
    rest = await resumed.take(21 - len(sequences))
    assert [it.sequence for it in rest] == list(range(sequences[-1] + 1, 22))


async def watch_for(watch: StreamWatch, *, seconds: float) -> None:
    """Let the watch check as often as it does in some time."""
    for _ in range(round(seconds / TICK_SECONDS)):
        await watch.tick()


async def _read_to_the_end(stream: Stream) -> tuple[list[int], grpc.aio.AioRpcError]:
    sequences = []
    try:
        while True:
            sequences.append((await stream.read()).sequence)
    except grpc.aio.AioRpcError as error:
        return sequences, error


async def test_a_reader_that_takes_nothing_does_not_hold_up_the_servers_end(
    quoted: Venue, narrow: Bot
) -> None:
    for _ in range(10):
        await narrow.place(quantity="1")
    await order_updates(narrow, after_sequence=0)
    (stream,) = quoted.base.streams
    await until_blocked(stream)
    quoted.base.streams.drain()

    async with asyncio.timeout(READ_SECONDS_MAX):
        await quoted.front.server.stop(grace_seconds=60)


async def test_a_blocked_reader_holds_up_nobody_else(quoted: Venue, narrow: Bot) -> None:
    for _ in range(10):
        await narrow.place(quantity="1")
    blocked, _ = await order_updates(narrow, after_sequence=0)
    (stream,) = quoted.base.streams
    await until_blocked(stream)
    bot = Bot(quoted, narrow.key)
    reader, begin = await order_updates(bot)

    await bot.place(limit_price="1")

    assert (begin, shown(await reader.read())) == (21, "22 ACCEPTED AAPL")
    assert stream.is_sending
    rest = [it.sequence for it in await blocked.take(22)]
    assert rest == list(range(1, 23)), "it lags and loses nothing"


async def test_a_reader_that_is_slow_and_takes_something_is_not_ended(
    quoted: Venue, narrow: Bot
) -> None:
    for _ in range(10):
        await narrow.place(quantity="1")
    slow, _ = await order_updates(narrow, after_sequence=0)
    watch, (stream,) = stream_watch(quoted.base), quoted.base.streams
    taken = 0
    while taken < 21:
        if stream.last_sequence != 21:
            await until_blocked(stream)
        await watch_for(watch, seconds=6)
        assert stream.ending is None
        sent = stream.last_sequence
        while taken < 21 and stream.last_sequence == sent:
            taken += 1
            assert (await slow.read()).sequence == taken


async def test_a_reader_that_takes_nothing_keeps_its_place_until_its_call_is_over(
    start_venue: VenueFactory,
) -> None:
    """Otherwise ended calls, which the connection keeps open, would add up without limit."""
    venue = await start_venue(streams_per_account=1, stream_blocked_seconds=1)
    await venue.publish("AAPL", "99", "100")
    made = await venue.bot()
    bot = Bot(venue, made.key)
    for _ in range(10):
        await bot.place(quantity="1")
    async with narrow_channel(venue.address) as channel:
        blocked = Stream(stream_call(Bot(venue, made.key, channel=channel), after_sequence=0))
        await until(lambda: len(venue.base.streams) == 1)
        (stream,) = venue.base.streams
        await until_blocked(stream)
        await watch_for(stream_watch(venue.base), seconds=2)
        await until(lambda: len(venue.base.streams) == 0)
        refused = await Stream(stream_call(bot)).end()
        assert (await blocked.end()).reason == "READER_TOO_SLOW"
    await until(lambda: venue.base.streams.count(stream.account_id) == 0)
    await order_updates(bot)

    assert refused.reason == "STREAM_LIMIT_EXCEEDED"


async def test_the_watch_goes_on_after_whatever_goes_wrong(
    venue: Venue, monkeypatch: pytest.MonkeyPatch
) -> None:
    bot = await venue.bot()
    stream, _ = await order_updates(bot)
    monkeypatch.setattr(venue.base.notifications, "_end_key", lambda _: None)
    await venue.person().revoke_key(bot.key_id)
    reads, failures = venue.base.reads.revoked_keys, [StorageBroken("SQLITE_IOERR_READ")]

    def failing(key_ids: list[str]) -> list[str]:
        if failures:
            raise failures.pop()
        return reads(key_ids)

    monkeypatch.setattr(venue.base.reads, "revoked_keys", failing)
    watch = stream_watch(venue.base)
    watch.doubt()
    await watch.tick()
    await watch.tick()

    assert (await stream.end()).reason == "BOT_KEY_INVALID"


async def test_an_account_has_so_many_streams_and_no_more(start_venue: VenueFactory) -> None:
    venue = await start_venue(streams_per_account=2)
    bot, bob = await venue.bot(), await venue.bot("bob")
    first, _ = await order_updates(bot)
    await order_updates(bot)
    told = await Stream(stream_call(bot)).end()
    await order_updates(bob)
    limits = (await bot.call("GetLimits")).limits.streams
    first.call.cancel()
    account_id = (await bot.call("GetAccount")).account.bot_user_id
    await until(lambda: venue.base.streams.count(account_id) == 1)
    await order_updates(bot)

    assert (told.code, told.reason) == (
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        "STREAM_LIMIT_EXCEEDED",
    )
    assert told.retry_seconds == 1
    assert (limits.limit, limits.used, limits.remaining, limits.enforced) == (2, 2, 0, True)


async def test_the_server_has_so_many_streams_and_no_more(start_venue: VenueFactory) -> None:
    venue = await start_venue(streams_max=1)
    bot, bob = await venue.bot(), await venue.bot("bob")
    await order_updates(bot)
    told = await Stream(stream_call(bob)).end()

    assert told.reason == "STREAM_LIMIT_EXCEEDED"
    assert "server" in told.message
    assert (await bob.call("GetLimits")).limits.streams.used == 0


async def test_a_refused_stream_gives_its_place_back(start_venue: VenueFactory) -> None:
    venue = await start_venue(streams_per_account=1)
    bot = await venue.bot()
    for _ in range(3):
        told = await Stream(stream_call(bot, after_sequence=99)).end()
        assert told.reason == "SEQUENCE_IN_FUTURE"

    await order_updates(bot)


async def test_open_streams_are_counted_for_the_operator(venue: Venue) -> None:
    bot = await venue.bot()
    stream, _ = await order_updates(bot)
    open_now = venue.front.registry.get_sample_value("bottrading_open_streams")
    stream.call.cancel()
    await until(lambda: len(venue.base.streams) == 0)

    assert open_now == 1
    assert venue.front.registry.get_sample_value("bottrading_open_streams") == 0
