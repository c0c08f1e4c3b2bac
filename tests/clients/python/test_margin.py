"""Margin accounts in the Python clients."""

from decimal import Decimal

import pytest

from bottrading_client import (
    AsyncBotTradingClient,
    AsyncKeyManagementClient,
    Conflict,
    ErrorReason,
    MarginMode,
)


async def test_an_owner_sets_the_margin_mode(
    person: AsyncKeyManagementClient, client: AsyncBotTradingClient
) -> None:
    account = await client.account()
    assert account.margin_mode is MarginMode.CASH
    waiting = await client.place_order("AAPL", "BUY", 1, order_type="LIMIT", limit_price=1)
    with pytest.raises(Conflict) as refused:
        await person.set_margin_mode(account.bot_user_id, MarginMode.MARGIN)
    assert refused.value.reason == ErrorReason.LIVE_ORDERS

    await client.cancel_order(waiting.id)
    changed = await person.set_margin_mode(account.bot_user_id, "MARGIN")

    assert changed.margin_mode is MarginMode.MARGIN
    assert (await client.account()).margin_mode is MarginMode.MARGIN
    assert changed.balance == Decimal(100_000)
