"""Bots of the Python client in a lock-step replay: what breaks or delays them changes nothing."""

import asyncio
import random
import re
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import grpc
import pytest

from bottrading.v1 import bot_trading_pb2, bot_trading_pb2_grpc
from bottrading_client import (
    AsyncBotTradingClient,
    BotTradingClient,
    Conflict,
    OrderUpdate,
    ReplayStep,
)
from tests.clients.python.wire import Wire
from tests.clients.stepped import DAYS, NewVenue, options, replay
from tests.support.process import make_key
from tests.support.venue import Venue, VenueFactory

GUIDE = Path(__file__).parents[3] / "docs/bot-authors.md"
SYMBOLS = ["AAPL", "BTC-USD"]
RUNS = 10
DELAY_SECONDS_MAX = 0.03

Between = Callable[[int], Awaitable[None]]
"""What happens to a bot after it has handled a step."""


async def client_of(venue: Venue) -> AsyncBotTradingClient:
    """Return a client with a key of its own."""
    return AsyncBotTradingClient((await venue.bot()).key, venue.address)


async def trade(key: str, target: str, between: Between) -> list[ReplayStep]:
    """Trade through the replay by rules that look at nothing but bars; return the steps."""
    steps = []
    async with AsyncBotTradingClient(key, target) as client:
        async for step in client.replay("1d", SYMBOLS):
            steps.append(step)
            number, close = len(steps), step.bars["AAPL"].close
            await client.place_order("AAPL", "BUY", 2 + number)
            await client.place_order("AAPL", "BUY", 1, order_type="LIMIT", limit_price=close - 5)
            if number % 3 == 0:
                await client.cancel_all_orders()
                await client.close_position("AAPL", percentage=50)
            if "BTC-USD" in step.bars:
                await client.place_order("BTC-USD", "BUY", "0.5", time_in_force="IOC")
            await between(number)
    return steps


async def log_of(key: str, target: str) -> list[bytes]:
    """Return the log of an account, byte by byte, up to an order that ends it."""
    log = []
    async with (
        AsyncBotTradingClient(key, target) as client,
        grpc.aio.insecure_channel(target) as channel,
    ):
        await client.place_order("AAPL", "BUY", 1, client_order_id="the end")
        updates = bot_trading_pb2_grpc.BotTradingStub(channel).StreamOrderUpdates(
            bot_trading_pb2.StreamOrderUpdatesRequest(after_sequence=0),
            metadata=(("x-bot-key", key),),
        )
        async for message in updates:
            if message.WhichOneof("message") in ("order_update", "account_update"):
                log.append(message.SerializeToString(deterministic=True))
            if message.order_update.order.client_order_id == "the end":
                break
    return log


def thinking(seed: int) -> Between:
    """Return the delays of a bot that thinks for a random time."""
    chance = random.Random(seed)

    async def think(_: int) -> None:
        await asyncio.sleep(chance.uniform(0, DELAY_SECONDS_MAX))  # It is the delay that is tested.

    return think


class Died(Exception):
    """A bot has died."""


def dying(seed: int, last: int) -> Between:
    """Return the delays of a bot that dies after a step."""
    think = thinking(seed)

    async def between(number: int) -> None:
        await think(number)
        if number == last:
            raise Died

    return between


@pytest.mark.timeout(180)
async def test_a_bot_that_thinks_for_a_random_time_has_the_same_log_in_ten_runs(
    new_venue: NewVenue,
) -> None:
    logs = []
    for run in range(RUNS):
        async with new_venue() as venue:
            key = (await venue.bot()).key
            steps = await trade(key, venue.address, thinking(run))
            logs.append(await log_of(key, venue.address))

    assert [step.start.day for step in steps] == list(range(2, 2 + DAYS))
    assert len(logs[0]) > 40
    assert logs == [logs[0]] * RUNS


@pytest.mark.timeout(180)
async def test_two_of_three_bots_die_and_the_logs_of_all_are_the_same_in_every_run(
    new_venue: NewVenue,
) -> None:
    runs = []
    for run in range(3):
        async with new_venue(3) as venue:
            keys = [(await venue.bot(name)).key for name in ("ada", "bob", "eve")]
            fates = [thinking(run), dying(run + 10, 2), dying(run + 20, 4)]
            bots = [trade(key, venue.address, fate) for key, fate in zip(keys, fates, strict=True)]
            steps, *dead = await asyncio.gather(*bots, return_exceptions=True)
            assert isinstance(steps, list)
            assert len(steps) == DAYS
            assert [type(one) for one in dead] == [Died, Died]
            runs.append([await log_of(key, venue.address) for key in keys])

    assert [missed_steps(log) for log in runs[0]] == [[], [1, 2, 3], [1, 2, 3]]
    assert runs == [runs[0]] * 3


@pytest.mark.timeout(180)
async def test_a_service_that_is_killed_in_the_middle_changes_nothing(
    tmp_path: Path, new_venue: NewVenue
) -> None:
    async def undisturbed(_: int) -> None:
        pass

    async with new_venue() as venue:
        key = (await venue.bot()).key
        expected = await trade(key, venue.address, undisturbed)
        log = await log_of(key, venue.address)
    with replay(tmp_path) as service:

        async def kill(number: int) -> None:
            if number == 3:
                service.kill()
                await asyncio.to_thread(service.start)

        key = await asyncio.to_thread(make_key, service)
        steps = await trade(key, service.grpc, kill)
        again = await log_of(key, service.grpc)

    assert [step.bars for step in steps] == [step.bars for step in expected]
    assert again == log


def missed_steps(log: Sequence[bytes]) -> list[int]:
    """Return the numbers of missed steps that a log tells."""
    told = map(bot_trading_pb2.StreamOrderUpdatesResponse.FromString, log)
    updates = [message.account_update for message in told]
    return [it.missed_steps for it in updates if it.HasField("missed_steps")]


async def test_a_step_whose_answer_is_lost_is_taken_once(new_venue: NewVenue) -> None:
    async with new_venue() as venue:
        key = (await venue.bot()).key
        async with (
            Wire.to(venue.address) as wire,
            AsyncBotTradingClient(key, wire.address) as client,
            AsyncBotTradingClient(key, venue.address) as beside,
        ):
            days = client.replay("1d", "AAPL")
            first = await anext(days)
            begun = (await beside.clock()).time
            wire.deaf = True
            waiting = asyncio.ensure_future(anext(days))
            while (await beside.clock()).time == begun:
                pass
            wire.cut()
            rest = [await waiting, *[bar async for bar in days]]

    assert [bar.start.day for bar in (first, *rest)] == list(range(2, 2 + DAYS))


async def test_bars_come_of_one_symbol_of_all_or_of_some_together(new_venue: NewVenue) -> None:
    async def starts(items: Any) -> list[Any]:
        return [item async for item in items]

    async with new_venue(3) as venue:
        keys = [(await venue.bot(name)).key for name in ("ada", "bob", "eve")]
        clients = [AsyncBotTradingClient(key, venue.address) for key in keys]
        ada, bob, eve = clients
        one, every, some = await asyncio.gather(
            starts(ada.replay("1d", "BTC-USD")),
            starts(bob.replay("1D")),
            starts(eve.replay("1d", ("BTC-USD", "AAPL"))),
        )
        limits = await ada.limits()
        for client in clients:
            await client.close()

    assert [bar.start.day for bar in one] == [2, 3, 5, 6, 7, 8, 9]
    assert {bar.symbol for bar in one} == {"BTC-USD"}
    told = [(bar.start.day, bar.symbol) for bar in every]
    assert told[:5] == [
        (2, "AAPL"),
        (2, "BTC-USD"),
        (3, "AAPL"),
        (3, "BTC-USD"),
        (4, "AAPL"),
    ]
    assert len(told) == 2 * DAYS - 1
    assert [list(step.bars) for step in some[1:3]] == [["BTC-USD", "AAPL"], ["AAPL"]]
    assert [step.advance.ended for step in some] == [False] * (DAYS - 1) + [True]
    assert [bar.complete for bar in one] == [True] * (DAYS - 2) + [False]
    assert limits.orders is None


async def test_orders_fill_at_the_first_quote_after_the_bar_and_the_step_tells(
    new_venue: NewVenue,
) -> None:
    async with new_venue() as venue, await client_of(venue) as client:
        days = client.replay("1d", ["AAPL"])
        first = await anext(days)
        placed = await client.place_order("AAPL", "BUY", 1)
        limit = await client.place_order("AAPL", "BUY", 1, order_type="LIMIT", limit_price=97)
        second = await anext(days)

    assert placed.client_order_id == "2025-01-03T00:00:00Z-1"
    assert first.advance.time == datetime(2025, 1, 3, tzinfo=UTC)
    [filled] = second.advance.events
    assert isinstance(filled, OrderUpdate)
    assert (filled.type, filled.order.id) == ("FILLED", limit.id)


async def test_a_client_that_is_closed_while_it_waits_for_others_ends_its_loop(
    new_venue: NewVenue,
) -> None:
    async with new_venue(3) as venue:
        keys = [(await venue.bot(name)).key for name in ("ada", "bob")]
        synchronous = BotTradingClient(keys[0], venue.address)
        asynchronous = AsyncBotTradingClient(keys[1], venue.address)

        async def days() -> list[Any]:
            return [bar async for bar in asynchronous.replay("1d", "AAPL")]

        loops = [
            asyncio.create_task(asyncio.to_thread(list, synchronous.replay("1d", "AAPL"))),
            asyncio.create_task(days()),
        ]
        async with await client_of(venue) as beside:
            while (await joined(beside)) < len(loops):
                pass
        synchronous.close()
        await asynchronous.close()

        assert await asyncio.gather(*loops) == [[], []]


async def joined(client: AsyncBotTradingClient) -> int:
    """Return how many accounts take part."""
    progress = (await client.clock()).replay
    assert progress is not None
    assert progress.lock_step is not None
    return progress.lock_step.joined


async def test_a_replay_with_a_speed_cannot_be_followed_in_lock_step(
    tmp_path: Path, start_venue: VenueFactory
) -> None:
    given = options(tmp_path) | {"replay_clock": "speed"}
    venue = await start_venue(**given)
    async with AsyncBotTradingClient((await venue.bot()).key, venue.address) as client:
        with pytest.raises(Conflict, match="--replay-clock step") as raised:
            await anext(client.replay("1d", "AAPL"))

    assert raised.value.reason == "MARKET_NOT_STEPPED"


@pytest.mark.parametrize("number", [0, 1])
async def test_the_loops_of_the_guide_work_as_pasted(
    number: int, new_venue: NewVenue, capsys: pytest.CaptureFixture[str]
) -> None:
    [shown] = re.findall(r"```py\n(.*?)```", GUIDE.read_text(), re.DOTALL)

    def run(key: str, target: str) -> None:
        with BotTradingClient(key, target) as client:
            exec(shown.split("\n\n")[number], {"client": client})

    async with new_venue() as venue:
        await asyncio.to_thread(run, (await venue.bot()).key, venue.address)

    last = capsys.readouterr().out.splitlines()[-1]
    assert re.fullmatch(r"-?\d+\.\d+" if number == 0 else r"\[\]", last), last
