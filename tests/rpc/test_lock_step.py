"""AdvanceClock: which markets refuse it, and which requests are wrong."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from bottrading.v1 import bar_pb2, bot_key_pb2, key_management_pb2
from tests.support.venue import NOON, Bot, Venue, VenueFactory, refusal

HOUR = Duration(seconds=3_600)
MARKETS: dict[str, dict[str, Any]] = {
    "simulated": {"market": "simulated", "seed": 1},
    "published": {},
    "a replay with a speed": {"market": "replay", "sessions": "always-open"},
}


@pytest.mark.parametrize("name", MARKETS)
async def test_no_clock_but_that_of_a_lock_step_replay_can_be_advanced(
    start_venue: VenueFactory, name: str, tmp_path: Path
) -> None:
    options = dict(MARKETS[name])
    if options.get("market") == "replay":
        options["replay_file"] = tmp_path / "quotes.csv"
        options["replay_file"].write_text(
            "time,symbol,bid,bid_size,ask,ask_size\n2025-01-02T10:00:00Z,AAPL,1,1,2,1\n"
        )
    bot = await (await start_venue(**options)).bot()

    told = await refusal(bot.call("AdvanceClock", by=HOUR))

    assert (told.code, told.reason) == (
        grpc.StatusCode.FAILED_PRECONDITION,
        "MARKET_NOT_STEPPED",
    )
    assert "--market replay" in told.message
    assert "--replay-clock step" in told.message


@pytest.fixture
def stepped(start_venue: VenueFactory, tmp_path: Path) -> Callable[..., Awaitable[Venue]]:
    """Return how to start a lock-step replay of two quotes."""
    path = tmp_path / "quotes.csv"
    path.write_text(
        "time,symbol,bid,bid_size,ask,ask_size\n"
        "2025-01-02T10:00:00Z,AAPL,100,9,101,9\n2025-01-02T12:00:00Z,AAPL,90,9,91,9\n"
    )

    async def start(**options: Any) -> Venue:
        return await start_venue(
            market="replay",
            sessions="always-open",
            replay_file=path,
            replay_clock="step",
            **options,
        )

    return start


async def step(venue: Venue, bot: Bot, **fields: Any) -> Any:
    """Advance the clock, and let the engine play what is due."""
    answer = asyncio.ensure_future(bot.call("AdvanceClock", **fields))
    while not answer.done():
        venue.pass_time(seconds=0)
        await asyncio.sleep(0)
    return answer.result()


async def joined(bot: Bot) -> None:
    """Wait until an account takes part."""
    while not (await bot.call("GetMarketClock")).clock.replay.lock_step.joined:
        pass


async def test_limits_on_orders_and_calls_of_the_day_do_not_apply_in_lock_step(
    stepped: Callable[..., Awaitable[Venue]],
) -> None:
    venue = await stepped(
        orders_per_minute=1, requests_per_minute=1, quotas="enforced", step_requests_per_minute=5
    )
    bot = await venue.bot()
    for _ in range(3):
        await bot.place()
    await step(venue, bot, by=HOUR)

    limits = (await bot.call("GetLimits")).limits

    assert not limits.HasField("orders")
    assert (limits.requests.limit, limits.requests.remaining) == (5, 1)
    assert not limits.api_calls.enforced
    await bot.place()
    told = await refusal(bot.place())
    assert (told.reason, told.retry_seconds) == ("REQUEST_RATE_EXCEEDED", 60)
    assert (await step(venue, bot, by=HOUR)).time.seconds, "the clock moves all the same"


async def test_a_key_is_told_of_what_it_may_see_alone(
    stepped: Callable[..., Awaitable[Venue]],
) -> None:
    venue = await stepped()
    bot = await venue.bot()
    start = (await bot.call("GetMarketClock")).clock.time
    await step(venue, bot, by=HOUR)
    await bot.place(limit_price="95", quantity="1")
    seen = (await bot.call("GetMarketClock")).clock.time
    person = venue.person()
    keys = []
    for wanted in (
        {"allowed_symbols": ["MSFT"]},
        {"allowed_symbols": ["AAPL"]},
        {"scopes": [bot_key_pb2.KEY_SCOPE_TRADE]},
    ):
        request = key_management_pb2.CreateBotKeyRequest(label="some", **wanted)
        made = await person.keys.CreateBotKey(request, metadata=person.metadata)
        keys.append(Bot(venue, made.bot_key.key))
    whole = await step(venue, bot, **{"from": seen}, next_bar=bar_pb2.BAR_INTERVAL_1D)

    told = [
        await step(venue, key, **{"from": seen}, next_bar=bar_pb2.BAR_INTERVAL_1D) for key in keys
    ]

    assert whole.ended
    assert [len(answer.events) for answer in (whole, *told)] == [1, 0, 1, 0]
    assert {answer.first_sequence for answer in (whole, *told)} == {3}
    assert start.seconds < seen.seconds < whole.time.seconds


async def test_a_key_that_is_revoked_while_it_waits_is_told_nothing_but_the_clock_goes_on(
    stepped: Callable[..., Awaitable[Venue]],
) -> None:
    venue = await stepped(step_participants="2")
    person = venue.person()
    key = await person.create_key("waits")
    ada, bob = Bot(venue, key.key), await venue.bot("bob")
    await ada.place(limit_price="95", quantity="1")
    waits = asyncio.ensure_future(ada.call("AdvanceClock", by=HOUR))
    await joined(bob)

    await person.revoke_key(key.id)
    told = await step(venue, bob, by=HOUR)

    assert (await refusal(waits)).code is grpc.StatusCode.UNAUTHENTICATED
    assert told.time.seconds
    clock = (await bob.call("GetMarketClock")).clock
    assert clock.time == told.time
    assert clock.replay.lock_step.awaited == 2


async def test_a_wait_that_its_caller_gives_up_does_not_hold_up_the_clock(
    stepped: Callable[..., Awaitable[Venue]],
) -> None:
    venue = await stepped(step_participants="2")
    ada, bob = await venue.bot(), await venue.bot("bob")
    waits = asyncio.ensure_future(ada.call("AdvanceClock", by=HOUR))
    await joined(bob)

    waits.cancel()
    told = await step(venue, bob, by=HOUR)

    assert waits.cancelled()
    again = await ada.call("AdvanceClock", until=told.time)
    assert again.time == told.time


@pytest.mark.parametrize(
    ("request_fields", "field", "reason"),
    [
        ({}, "until", "FIELD_REQUIRED"),
        ({"by": HOUR, "until": Timestamp(seconds=1)}, "by", "FIELD_INVALID"),
        ({"by": HOUR, "next_bar": bar_pb2.BAR_INTERVAL_1D}, "next_bar", "FIELD_INVALID"),
        ({"by": Duration()}, "by", "FIELD_INVALID"),
        ({"by": Duration(seconds=-1)}, "by", "FIELD_INVALID"),
        ({"by": Duration(nanos=999)}, "by", "FIELD_INVALID"),
        ({"by": Duration(seconds=1, nanos=-1)}, "by", "FIELD_INVALID"),
        ({"by": Duration(seconds=1, nanos=2_000_000_000)}, "by", "FIELD_INVALID"),
        ({"until": Timestamp(seconds=1, nanos=-1)}, "until", "FIELD_INVALID"),
        ({"by": HOUR, "from": Timestamp(nanos=-1)}, "from", "FIELD_INVALID"),
        ({"by": Duration(seconds=2**62)}, "by", "FIELD_INVALID"),
        ({"next_bar": 99}, "next_bar", "ENUM_VALUE_UNKNOWN"),
        ({"until": Timestamp(seconds=2**62)}, "until", "FIELD_INVALID"),
        (
            {"until": Timestamp(seconds=1), "from": Timestamp(seconds=2)},
            "until",
            "FIELD_INVALID",
        ),
        ({"by": HOUR, "from": Timestamp(seconds=-(2**60))}, "from", "FIELD_INVALID"),
    ],
)
async def test_a_step_needs_one_time_that_is_not_before_the_callers(
    start_venue: VenueFactory, request_fields: dict[str, Any], field: str, reason: str
) -> None:
    bot = await (await start_venue()).bot()

    told = await refusal(bot.call("AdvanceClock", **request_fields))

    assert (told.reason, told.fields) == (reason, (field,))


@pytest.mark.parametrize(
    "goal",
    [{"by": Duration(seconds=315_576_000_000)}, {"until": Timestamp(seconds=253_402_300_799)}],
)
async def test_a_step_beyond_the_file_ends_with_it(
    stepped: Callable[..., Awaitable[Venue]], goal: dict[str, Any]
) -> None:
    venue = await stepped()
    bot = await venue.bot()

    told = await step(venue, bot, **goal)

    assert told.ended
    assert told.time == Timestamp(seconds=1_735_819_200)


async def test_a_key_that_only_reads_moves_no_clock(start_venue: VenueFactory) -> None:
    venue = await start_venue(now=NOON)
    person = venue.person()
    request = key_management_pb2.CreateBotKeyRequest(
        label="reader", scopes=[bot_key_pb2.KEY_SCOPE_READ]
    )
    made = await person.keys.CreateBotKey(request, metadata=person.metadata)
    reader = Bot(venue, made.bot_key.key)

    told = await refusal(reader.call("AdvanceClock", by=HOUR))

    assert told.reason == "KEY_SCOPE_MISSING"
