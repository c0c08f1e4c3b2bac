"""The margin call of the guide for authors of bots, with its money worked by hand."""

from pathlib import Path

from bottrading.v1 import order_pb2, order_update_pb2
from tests.support.accounts import on_margin
from tests.support.streams import order_updates
from tests.support.venue import Bot, Venue

GUIDE = Path(__file__).parents[2] / "docs" / "bot-authors.md"


async def quote(venue: Venue, price: str) -> None:
    await venue.publish("AAPL", price, price, size="5000")
    venue.pass_time(seconds=1)


async def money_of(bot: Bot) -> tuple[str, ...]:
    """Return balance, equity, maintenance margin and free margin, as the guide writes them."""
    shown = await bot.portfolio()
    amounts = (
        shown.balance,
        shown.total_equity,
        shown.maintenance_margin,
        shown.free_margin,
    )
    told = [f"{float(it):,.0f}".replace(",", " ").replace("-", "−") for it in amounts]
    return tuple(told)


async def test_a_short_is_squeezed_into_the_margin_call_that_the_guide_tells(venue: Venue) -> None:
    bot, guide = await venue.bot(), GUIDE.read_text()
    await on_margin(bot)
    await quote(venue, "100")
    stream, _ = await order_updates(bot)
    await bot.place("AAPL", "SELL", quantity="1500")
    rows = [await money_of(bot)]
    for price in ("120", "130"):
        await quote(venue, price)
        rows.append(await money_of(bot))

    # 100 000 + 1 500 x 100, less 1 500 x the price; 30 % and 50 % of 1 500 x the price
    assert rows[0] == ("250 000", "100 000", "45 000", "25 000")
    assert rows[1] == ("250 000", "70 000", "54 000", "−20 000")
    # The maintenance margin of 58 500 exceeds 250 000 - 1 500 x 130: all is bought back at 130.
    assert rows[2] == ("55 000", "55 000", "0", "55 000")
    for row in rows:
        assert " | ".join(row) in guide
    told = await stream.take(5)
    call = told[2].account_update
    assert call.type == order_update_pb2.ACCOUNT_UPDATE_TYPE_MARGIN_CALL
    assert (call.margin_call.equity, call.margin_call.maintenance_margin) == (
        "55000.00",
        "58500.00",
    )
    venues = told[4].order_update
    assert venues.order.placed_by == venues.fill.placed_by == order_pb2.PLACED_BY_VENUE
    assert (venues.order.reduce_only, venues.order.bot_key_id) == (True, "")
    assert venues.fill.realized_pnl == "-45000.00"
    assert (await bot.portfolio()).positions == []
