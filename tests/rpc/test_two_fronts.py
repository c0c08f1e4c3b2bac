"""What changes at one front of a venue holds at the other one, as on one server."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from bottrading.v1 import account_pb2, order_pb2
from server.domain.user import Plan
from server.engine.client import Notifications
from server.engine.frames import Answer
from server.engine.fronts import FOR_ALL
from tests.rpc.test_guard_rails import account_of, reason, set_rails, set_state
from tests.support.streams import Stream, stream_call
from tests.support.venue import Bot, Venue, refusal


class OfBoth(Notifications):
    """What an engine notifies of: its own front of everything, the other one as `Fronts` does."""

    def __init__(self, own: Notifications, other: Notifications) -> None:
        self._own, self._other = own, other

    def take(self, answer: Answer) -> None:
        self._own.take(answer)
        if answer.kind in FOR_ALL:
            self._other.take(answer)


@pytest.fixture
async def fronts(url: str, tmp_path: Path) -> AsyncIterator[tuple[Venue, Venue]]:
    first = await Venue.start(tmp_path, database=url, quotas="enforced", requests_per_minute=0)
    second = await first.beside()
    one, two = first.base.notifications, second.base.notifications
    first.front_engine._notifications = OfBoth(one, two)
    second.front_engine._notifications = OfBoth(two, one)
    yield first, second
    await second.stop_front()
    await first.stop()


async def bots(fronts: tuple[Venue, Venue], **claims: Any) -> tuple[Bot, Bot]:
    """Return a bot at each front, both with the same key, which both fronts remember."""
    made = await fronts[0].bot(**claims)
    both = made, Bot(fronts[1], made.key, made.key_id)
    for bot in both:
        await bot.call("GetAccount")
    return both


async def calls_a_day(bot: Bot) -> int:
    return int((await bot.call("GetLimits")).limits.api_calls.limit)


async def test_a_new_plan_holds_at_the_other_front(fronts: tuple[Venue, Venue]) -> None:
    _, other = await bots(fronts, plan=Plan.FREE, issued_ago=3)
    for _ in range(998):
        await other.call("GetAccount")
    assert (await refusal(other.call("GetAccount"))).message == (
        "The daily quota of 1000 calls of the plan Free is used up; it renews at 00:00 UTC."
    )

    await fronts[0].person(plan=Plan.STANDARD, issued_ago=2).list_keys()

    assert await calls_a_day(other) == 10_000


@pytest.mark.parametrize("knows_older", [True, False])
async def test_an_older_token_at_the_other_front_changes_nothing(
    fronts: tuple[Venue, Venue], *, knows_older: bool
) -> None:
    older = fronts[1].person(plan=Plan.FREE, issued_ago=3)
    if knows_older:
        await older.list_keys()
    bot, other = await bots(fronts, plan=Plan.PROFESSIONAL, issued_ago=2)

    for _ in range(2):
        await older.list_keys()

    assert [await calls_a_day(it) for it in (bot, other)] == [100_000, 100_000]


async def test_users_are_asked_for_once(fronts: tuple[Venue, Venue]) -> None:
    """Not with each call, once both fronts know what has changed."""
    people = [front.person(plan=Plan.FREE, issued_ago=3) for front in fronts]
    people.append(fronts[0].person(plan=Plan.STANDARD, issued_ago=2))
    for _ in range(2):
        for person in people:
            await person.list_keys()
    with pytest.MonkeyPatch.context() as patch:
        for front in fronts:
            patch.setattr(front.front_engine, "call", _refuse(front.front_engine.call))
        for person in people:
            await person.list_keys()


def _refuse(call: Any) -> Any:
    def checked(name: str, *given: Any) -> Any:
        assert name != "KnowUser"
        return call(name, *given)

    return checked


async def test_a_halt_and_guard_rails_hold_at_the_other_front(
    fronts: tuple[Venue, Venue],
) -> None:
    await fronts[0].publish("AAPL", "100.00", "100.10")
    bot, other = await bots(fronts)
    person, account_id = fronts[0].person(), await account_of(bot)

    await set_state(person, account_id, account_pb2.TRADING_STATE_HALTED)
    assert reason(await other.place()) == "TRADING_HALTED"
    await set_state(person, account_id, account_pb2.TRADING_STATE_ACTIVE)
    assert (await other.place()).status == order_pb2.ORDER_STATUS_FILLED

    await set_rails(person, account_id, order_notional_max="100.00")
    assert (await other.place()).status == order_pb2.ORDER_STATUS_REJECTED


async def test_a_stream_whose_key_ends_while_it_opens_is_refused(
    fronts: tuple[Venue, Venue],
) -> None:
    """The engine charged it before the key ended, and nobody would look at the key again."""
    _, other = await bots(fronts)
    front = fronts[1]

    def end_key(name: str, *given: Any) -> Any:
        answer = charge(name, *given)
        front.base.streams.end_key(other.key_id)
        return answer

    charge = front.front_engine.call
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(front.front_engine, "call", end_key)
        told = await Stream(stream_call(other)).end()

    assert told.reason == "BOT_KEY_INVALID"
