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
from tests.clients.python.conftest import Make


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


async def test_margins_and_a_short_position_are_read(
    make: Make, person: AsyncKeyManagementClient
) -> None:
    """Ten are sold at 100, two more wait at 200; the mark is 100.50."""
    account = await make("account")
    in_cash = await make("portfolio")
    await person.set_margin_mode(account.bot_user_id, MarginMode.MARGIN)

    previewed = await make("preview_order", "AAPL", "SELL", 10)
    sold = await make("place_order", "AAPL", "SELL", 10)
    await make("place_order", "AAPL", "SELL", 2, order_type="LIMIT", limit_price=200)
    portfolio = await make("portfolio")
    (position,) = await make("positions")
    closed = await make("close_position", "AAPL")

    assert (in_cash.margin_mode, in_cash.margin, in_cash.free_margin) == ("CASH", None, None)
    assert previewed.margin_after == Decimal("502.50")
    assert previewed.free_margin_after == Decimal("99492.50")
    assert (sold.status, sold.placed_by, sold.reserved) == ("FILLED", "BOT", Decimal(0))
    assert portfolio.margin_mode is MarginMode.MARGIN
    assert (portfolio.balance, portfolio.total_equity) == (Decimal(101_000), Decimal(99_995))
    assert (portfolio.margin, portfolio.maintenance_margin) == (Decimal(603), Decimal("301.50"))
    assert (portfolio.free_margin, portfolio.buying_power) == (Decimal(99_392), Decimal(198_784))
    assert (portfolio.loan, portfolio.interest_paid) == (Decimal(0), Decimal(0))
    assert portfolio.positions == (position,)
    assert (position.quantity, position.avg_cost) == (Decimal(-10), Decimal(100))
    assert (position.market_value, position.unrealized_pnl) == (Decimal(-1005), Decimal(-5))
    assert (position.reserved_quantity, position.open_buy_quantity) == (Decimal(2), Decimal(0))
    assert position.margin == Decimal(603)
    assert (closed.side, closed.quantity, closed.reduce_only) == ("BUY", Decimal(10), True)
