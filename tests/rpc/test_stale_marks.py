"""Marks of stale quotes: they count for an order whose symbol the account has not traded yet."""

from bottrading.v1 import order_pb2
from tests.support.accounts import on_margin
from tests.support.venue import Venue


async def test_a_sale_at_a_low_limit_needs_the_margin_of_the_last_known_price(venue: Venue) -> None:
    """Otherwise a short of any size fills at the next quote, for a margin of next to nothing."""
    bot = await venue.bot()
    await on_margin(bot)
    await venue.publish("AAPL", "100.00", "100.00")
    venue.pass_time(seconds=60)

    rejected = await bot.place("AAPL", "SELL", "667", limit_price="0.01")
    accepted = await bot.place("AAPL", "SELL", "666", limit_price="0.01")

    # A share needs 50.00 of margin, and may fill 99.99 below the mark.
    assert rejected.rejection_message == (
        "The order needs 100043.33 USD for margin, slippage and fee, and the free equity is"
        " 100000.00 USD: lower the quantity."
    )
    assert accepted.status == order_pb2.ORDER_STATUS_OPEN
