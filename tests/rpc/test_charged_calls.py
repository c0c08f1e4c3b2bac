"""Calls that the engine charges: limits hold over all fronts of a venue, also after a crash."""

import random
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import grpc
import pytest

from bottrading.v1 import bot_trading_pb2, key_management_pb2
from server.application.ownership import WholeVenue
from server.bootstrap.engine import EngineParts
from server.domain.sharding import SHARDS
from server.domain.user import Plan
from server.domain.values import SECOND
from server.engine.charging import Charging
from tests.support.venue import Bot, Venue, VenueFactory, refusal

MINUTE = 60 * SECOND
UNREADABLE = "/bottrading.unreadable/bottrading.v1.BotTrading/"


@pytest.fixture
async def start(url: str, tmp_path: Path) -> AsyncIterator[VenueFactory]:
    """Return how to start a venue on PostgreSQL."""
    started = list[Venue]()

    async def start(**settings: Any) -> Venue:
        directory = tmp_path / "data"
        directory.mkdir()
        started.append(await Venue.start(directory, database=url, **settings))
        return started[0]

    yield start
    for venue in started:
        await venue.stop()


class TwoFronts:
    """Two fronts of one engine, each with a client of the same bot."""

    def __init__(self, first: Venue, second: Venue, bot: Bot) -> None:
        self.venues = [first, second]
        self.bots = [bot, Bot(second, bot.key, bot.key_id)]

    @classmethod
    async def of(cls, venue: Venue, **claims: Any) -> "TwoFronts":
        return cls(venue, await venue.beside(), await venue.bot(**claims))

    async def restart(self, end: Callable[[EngineParts], None] = EngineParts.close) -> None:
        """End the engine, without warning by default, and start another one for both fronts."""
        end(self.venues[0].parts)
        parts = self.venues[0].new_engine()
        for venue in self.venues:
            venue.parts = parts
            venue.front_engine._service = parts.service

    def doubtful(self) -> float:
        """Return how many refusals count calls that may never have been made."""
        values = (
            it.front.registry.get_sample_value("bottrading_doubtful_refusals_total")
            for it in self.venues
        )
        return sum(value or 0 for value in values)


@pytest.fixture
async def fronts(start: VenueFactory) -> AsyncIterator[TwoFronts]:
    """Return two fronts of a venue with the limits of every day."""
    made = await TwoFronts.of(await start())
    yield made
    await made.venues[1].stop_front()


def stop(parts: EngineParts) -> None:
    """End an engine as its process does."""
    parts.service.close()
    parts.close()


async def is_let_pass(bot: Bot, *, order: bool) -> bool:
    """Make a call that passes or fails after it is charged; tell whether it was let pass."""
    try:
        if order:
            await bot.call("PlaceOrder")
        else:
            await bot.call("GetAccount")
    except grpc.aio.AioRpcError as error:
        return error.code() is not grpc.StatusCode.RESOURCE_EXHAUSTED
    return True


class Foreign(WholeVenue):
    """An engine to which no shard belongs, whatever a call names."""

    owns_all = False

    def owns(self, _shard: int) -> bool:
        return False


def charging_of(fronts: TwoFronts) -> Charging:
    """Return the part of the engine that charges calls."""
    charging = fronts.venues[0].parts.service._charging
    assert charging is not None
    return charging


async def spent(bot: Bot) -> tuple[int, int, int]:
    """Return the orders and requests of the last minute, and the calls of the day."""
    limits = (await bot.call("GetLimits")).limits
    orders, requests = limits.orders, limits.requests
    return (
        orders.limit - orders.remaining,
        requests.limit - requests.remaining,
        limits.api_calls.used,
    )


def most_in_a_minute(moments: list[int]) -> int:
    """Return the most moments within any 60 s."""
    return max(sum(begin <= it < begin + MINUTE for it in moments) for begin in moments)


async def test_two_fronts_share_the_limits_of_an_account(fronts: TwoFronts) -> None:
    """Whichever front is asked, a call passes exactly if the last 60 s leave room for it."""
    chance, clock = random.Random(1), fronts.venues[0].clock
    orders, requests = list[int](), list[int]()
    for _ in range(600):
        clock.turn(seconds=chance.choice([0, 0, 0, 0.1, 0.5, 1]))
        order = chance.random() < 0.3
        begin = clock.now - MINUTE
        leaves_room = sum(it > begin for it in requests) < 120
        if order:
            leaves_room = leaves_room and sum(it > begin for it in orders) < 20
        passed = await is_let_pass(chance.choice(fronts.bots), order=order)

        assert passed is leaves_room
        if passed:
            requests.append(clock.now)
            orders += [clock.now] * order

    assert most_in_a_minute(orders) == 20
    assert most_in_a_minute(requests) == 120


@pytest.mark.parametrize("seed", range(4))
async def test_no_crash_lets_more_calls_pass(fronts: TwoFronts, seed: int) -> None:
    chance, clock = random.Random(seed), fronts.venues[0].clock
    orders, requests = list[int](), list[int]()
    for _ in range(500):
        clock.turn(seconds=chance.choice([0, 0.1, 0.5, 1]))
        order = chance.random() < 0.3
        if chance.random() < 0.02:
            await fronts.restart()
        if await is_let_pass(chance.choice(fronts.bots), order=order):
            requests.append(clock.now)
            orders += [clock.now] * order

    assert most_in_a_minute(orders) <= 20
    assert most_in_a_minute(requests) <= 120


async def test_after_a_crash_at_most_a_quarter_of_a_limit_is_counted_twice(
    fronts: TwoFronts,
) -> None:
    for bot in fronts.bots * 4:
        assert await is_let_pass(bot, order=True)
    await fronts.restart()
    passed = [await is_let_pass(fronts.bots[1], order=True) for _ in range(20)]

    assert passed == [True] * 8 + [False] * 12
    assert fronts.doubtful() == 12


async def test_a_refusal_is_counted_as_doubtful_only_while_it_may_be_wrong(
    fronts: TwoFronts,
) -> None:
    assert await is_let_pass(fronts.bots[0], order=True)
    await fronts.restart()
    while await is_let_pass(fronts.bots[0], order=True):
        pass
    counted = fronts.doubtful()
    for _ in range(30):
        await is_let_pass(fronts.bots[1], order=True)

    assert counted == 1
    assert fronts.doubtful() == 31


async def test_an_engine_without_a_crash_counts_no_refusal_as_doubtful(fronts: TwoFronts) -> None:
    for bot in fronts.bots * 20:
        await is_let_pass(bot, order=True)

    assert fronts.doubtful() == 0


async def test_shards_that_are_handed_over_lose_nothing(fronts: TwoFronts) -> None:
    for bot in fronts.bots * 4:
        assert await is_let_pass(bot, order=True)
    charging_of(fronts).hand_over(range(SHARDS))
    await fronts.restart()
    passed = [await is_let_pass(fronts.bots[0], order=True) for _ in range(20)]

    assert passed == [True] * 12 + [False] * 8
    assert fronts.doubtful() == 0


async def test_an_engine_that_keeps_what_it_wanted_to_hand_over_stores_the_next_call(
    fronts: TwoFronts,
) -> None:
    """The stored row foresees no call any more: without another one, a crash would forget calls."""
    assert await is_let_pass(fronts.bots[0], order=True)
    charging_of(fronts).hand_over(range(SHARDS))
    for _ in range(3):
        assert await is_let_pass(fronts.bots[0], order=True)
    await fronts.restart()
    passed = [await is_let_pass(fronts.bots[0], order=True) for _ in range(20)]

    assert passed.count(True) <= 16


async def test_a_call_of_a_foreign_shard_spends_nothing(fronts: TwoFronts) -> None:
    bot = fronts.bots[0]
    await bot.call("GetAccount")
    charging = charging_of(fronts)
    fronts.venues[0].parts.service._ownership = charging._ownership = Foreign()
    told = [await refusal(bot.call(name)) for name in ("PlaceOrder", "GetAccount")]
    fronts.venues[0].parts.service._ownership = charging._ownership = WholeVenue()

    assert {it.code for it in told} == {grpc.StatusCode.UNAVAILABLE}
    assert await spent(bot) == (0, 2, 2)


async def test_an_engine_that_owned_a_shard_before_reads_it_anew(fronts: TwoFronts) -> None:
    for _ in range(3):
        assert await is_let_pass(fronts.bots[0], order=True)
    charging = charging_of(fronts)
    charging.hand_over(range(SHARDS))
    charging._ownership = Foreign()
    charging.begin_anew()
    charging._ownership = WholeVenue()

    limits = (await fronts.bots[0].call("GetLimits")).limits
    assert (limits.orders.remaining, limits.requests.remaining, limits.api_calls.used) == (
        17,
        116,
        4,
    )


async def test_a_minute_after_a_crash_nothing_is_counted_twice(fronts: TwoFronts) -> None:
    for _ in range(20):
        assert await is_let_pass(fronts.bots[0], order=True)
    await fronts.restart()
    fronts.venues[0].clock.turn(seconds=61)

    for _ in range(20):
        assert await is_let_pass(fronts.bots[1], order=True)
    assert not await is_let_pass(fronts.bots[1], order=True)


async def test_a_revoked_key_is_dead_at_a_front_that_was_not_notified(fronts: TwoFronts) -> None:
    """The notification goes to one front only; the answer of the revocation counts for both."""
    first, second = fronts.bots
    await second.call("GetAccount")
    await fronts.venues[0].person().revoke_key(first.key_id)

    assert fronts.venues[1].base.keyring._principals
    for call in ("GetAccount", "GetLimits", "CancelAllOrders"):
        assert (await refusal(second.call(call))).reason == "BOT_KEY_INVALID"


async def test_calls_of_the_day_are_those_of_all_fronts(start: VenueFactory) -> None:
    venue = await start(quotas="enforced", requests_per_minute=0)
    fronts = await TwoFronts.of(venue, plan=Plan.FREE)
    for bot in fronts.bots * 499:
        await bot.call("GetAccount")
    used = (await fronts.bots[1].call("GetAccount")).account.api_calls_used
    limits = (await fronts.bots[0].call("GetLimits")).limits
    told = await refusal(fronts.bots[1].call("GetAccount"))
    listed = await venue.person(plan=Plan.FREE).keys.ListAccounts(
        key_management_pb2.ListAccountsRequest(), metadata=venue.person(plan=Plan.FREE).metadata
    )
    await fronts.venues[1].stop_front()

    assert used == 999
    assert (limits.api_calls.used, limits.api_calls.remaining) == (1_000, 0)
    assert told.reason == "DAILY_QUOTA_EXCEEDED"
    assert [it.api_calls_used for it in listed.accounts] == [1_001]


async def test_the_engine_stores_the_calls_of_the_day(fronts: TwoFronts) -> None:
    for bot in fronts.bots:
        await bot.call("GetAccount")
    await fronts.restart(stop)

    assert (await fronts.bots[0].call("GetAccount")).account.api_calls_used == 3
    (key,) = await fronts.venues[0].person().list_keys()
    assert key.last_used_at.seconds == fronts.venues[0].clock() // SECOND


@pytest.mark.parametrize("method", ["PlaceOrder", "GetAccount"])
async def test_a_call_that_cannot_be_read_spends_once(fronts: TwoFronts, method: str) -> None:
    for bot in fronts.bots:
        for path in (UNREADABLE + method, "/bottrading.v1.BotTrading/" + method):
            send: Any = bot.venue.channel.unary_unary(path)
            assert (await refusal(send(b"\xff", metadata=bot.metadata))).reason
    limits = (await fronts.bots[0].call("GetLimits")).limits

    orders = 4 if method == "PlaceOrder" else 0
    assert (limits.orders.remaining, limits.requests.remaining) == (20 - orders, 120 - 4 - 1)


async def test_answers_carry_the_figures_of_the_limit_that_counts(fronts: TwoFronts) -> None:
    bot, left = fronts.bots[0], list[str]()
    for method in ("CancelAllOrders", "GetAccount", "ClosePosition"):
        request = getattr(bot_trading_pb2, f"{method}Request")()
        call: Any = getattr(bot.trading, method)(request, metadata=bot.metadata)
        left.append(dict(await call.trailing_metadata())["x-ratelimit-remaining"])

    assert left == ["119", "118", "19"]
