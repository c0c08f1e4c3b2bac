"""The rate limit of a person: what spends it, and that bots and persons do not share one."""

from typing import Any

import grpc
import pytest

from bottrading.v1 import bot_trading_pb2, key_management_pb2
from server.domain.values import DAY
from server.storage.unit_of_work import SqlUnitOfWork
from tests.support.streams import Stream, order_updates, stream_call
from tests.support.venue import Bot, Venue, VenueFactory, refusal

pytestmark = pytest.mark.both

GetAccount = bot_trading_pb2.GetAccountRequest


def page_of(venue: Venue, subject: str = "ada", account_id: str | None = None) -> Bot:
    """Return a client that makes a bot's calls with a person's token, as a page does."""
    named = () if account_id is None else (("x-account-id", account_id),)
    page = Bot(venue, "")
    page.metadata = (*venue.person(subject).metadata, *named)
    return page


async def figures_of(client: Bot) -> dict[str, Any]:
    """Return the rate figures that come with an answer."""
    call = client.trading.GetAccount(GetAccount(), metadata=client.metadata)
    await call
    return dict(await call.trailing_metadata())


async def test_a_persons_calls_take_nothing_from_the_bots_of_any_account(venue: Venue) -> None:
    bot, page = await venue.bot(), page_of(venue)
    account_id = (await bot.call("GetAccount")).account.bot_user_id
    for _ in range(150):
        await page.call("GetAccount")
    await page_of(venue, account_id=account_id).call("CancelAllOrders")
    await order_updates(page)

    limits = (await bot.call("GetLimits")).limits
    assert (limits.requests.limit, limits.requests.remaining) == (120, 118)
    assert (limits.orders.remaining, limits.api_calls.used) == (20, 2)
    assert (await page.call("GetLimits")).limits.requests.remaining == 118


async def test_bots_take_nothing_from_the_window_of_their_owner(venue: Venue) -> None:
    bot, page = await venue.bot(), page_of(venue)
    before = await figures_of(page)
    for _ in range(50):
        await bot.call("GetAccount")

    after = await figures_of(page)
    assert (before["x-ratelimit-limit"], before["x-ratelimit-remaining"]) == ("300", "298")
    assert after["x-ratelimit-remaining"] == "297"


async def test_one_window_is_for_all_calls_and_accounts_of_a_person(
    start_venue: VenueFactory,
) -> None:
    venue = await start_venue(person_requests_per_minute=5)
    ada, page = venue.person(), page_of(venue)
    opened = await ada.keys.OpenAccount(
        key_management_pb2.OpenAccountRequest(), metadata=ada.metadata
    )
    second = page_of(venue, account_id=opened.account.bot_user_id)
    await ada.list_keys()
    await page.call("GetAccount")
    await second.call("CancelAllOrders")
    made = await second.call("CreateStreamTicket")
    by_ticket = await Stream(stream_call(page, (("x-stream-ticket", made.ticket),))).end()
    refused = [
        by_ticket,
        await refusal(ada.list_keys()),
        await refusal(second.call("GetAccount")),
        await refusal(page_of(venue, account_id="x").call("GetAccount")),
    ]
    others = await venue.person("bob").list_keys()
    venue.clock.turn(seconds=60)

    assert others == []
    for told in refused:
        assert (told.code, told.reason) == (
            grpc.StatusCode.RESOURCE_EXHAUSTED,
            "REQUEST_RATE_EXCEEDED",
        )
        assert told.message.startswith("More than 5 requests a minute")
        assert told.retry_seconds == 60
    assert (await page.call("GetAccount")).account


async def test_a_person_whose_window_is_used_up_leaves_their_bots_alone(
    start_venue: VenueFactory,
) -> None:
    venue = await start_venue(person_requests_per_minute=1)
    bot = await venue.bot()

    assert (await refusal(page_of(venue).call("GetAccount"))).reason == "REQUEST_RATE_EXCEEDED"
    assert (await bot.call("GetAccount")).account


async def test_the_daily_quota_is_one_of_bots(start_venue: VenueFactory) -> None:
    first = await start_venue()
    key = (await first.bot()).key
    account_id = (await page_of(first).call("GetAccount")).account.bot_user_id
    with SqlUnitOfWork(first.parts.writer) as unit:
        unit.add_usage([(account_id, first.clock() // DAY, 10_000)], [])
        unit.commit()
    await first.stop()
    venue = await start_venue(quotas="enforced", requests_per_minute=0)
    bot, page = Bot(venue, key), page_of(venue)
    assert (await refusal(bot.call("GetAccount"))).reason == "DAILY_QUOTA_EXCEEDED"
    assert (await page.call("GetAccount")).account.api_calls_used > 10_000


async def test_a_limit_of_zero_is_lifted(start_venue: VenueFactory) -> None:
    venue = await start_venue(person_requests_per_minute=0)
    page = page_of(venue)
    for _ in range(310):
        await page.call("GetAccount")

    assert "x-ratelimit-limit" not in await figures_of(page)
