"""The clients of bots with a person's token in place of a bot key."""

import asyncio

import pytest

from bottrading_client import (
    AsyncBotTradingClient,
    AuthenticationFailed,
    BotTradingClient,
    InvalidRequest,
    NotFound,
    OrderUpdate,
)
from tests.support.venue import Venue

NOBODYS = "0198c0de-0000-7000-8000-000000000000"


async def test_a_person_reads_follows_and_cancels_but_places_no_orders(quoted: Venue) -> None:
    bot = await quoted.bot()
    token, target = quoted.token(), quoted.address
    waiting = [await bot.place(limit_price="1") for _ in range(2)]
    async with AsyncBotTradingClient(token=token, target=target) as reader:
        account_id = (await reader.account()).bot_user_id
        assert (await reader.limits()).bot_key is None
        with pytest.raises(InvalidRequest, match="x-account-id"):
            await reader.cancel_all_orders()
        with pytest.raises(AuthenticationFailed, match="bot key"):
            await reader.place_order("AAPL", "BUY", 1)
    async with (
        AsyncBotTradingClient(token=token, account_id=account_id, target=target) as owner,
        owner.order_updates() as updates,
    ):
        assert (await owner.cancel_order(waiting[0].id)).id == waiting[0].id
        update = await anext(updates)
        assert isinstance(update, OrderUpdate)
        assert update.type == "CANCELLED"
    async with AsyncBotTradingClient(token=token, account_id=NOBODYS, target=target) as lost:
        with pytest.raises(NotFound):
            await lost.account()

    def cancel_the_rest() -> list[str]:
        with BotTradingClient(token=token, account_id=account_id, target=target) as client:
            return [order.id for order in client.cancel_all_orders()]

    assert await asyncio.to_thread(cancel_the_rest) == [waiting[1].id]


def test_a_key_and_a_token_are_not_both_taken() -> None:
    with pytest.raises(ValueError, match="a bot key or a token, not both"):
        BotTradingClient("tvt_key", token="a.b.c")
