"""Orders for a notional, over gRPC: quantity and notional of the answer, repetition and refusal."""

import grpc

from bottrading.v1 import order_pb2
from tests.support.venue import Venue, refusal


async def test_an_order_for_a_notional_shows_both_and_is_repeated_safely(venue: Venue) -> None:
    """A repetition is the same order even though the quote would give another quantity by now."""
    bot = await venue.bot()
    await venue.publish("AAPL", "99.90", "100.00")

    order = await bot.place(quantity="", notional="1000", client_order_id="mine")
    await venue.publish("AAPL", "49.90", "50.00")
    again = await bot.place(quantity="", notional="1000.00", client_order_id="mine")
    listed = (await bot.call("ListOrders")).orders
    other = await refusal(bot.place(quantity="", notional="999", client_order_id="mine"))

    assert (order.quantity, order.notional) == ("10.00000000", "1000.00")
    assert order.status == order_pb2.ORDER_STATUS_FILLED
    assert again.replayed
    assert (again.id, again.quantity) == (order.id, order.quantity)
    assert list(listed) == [order]
    assert other.reason == "CLIENT_ORDER_ID_REUSED"


async def test_an_order_for_a_quantity_has_no_notional(venue: Venue) -> None:
    bot = await venue.bot()
    assert not (await bot.place(limit_price="1.00")).HasField("notional")


async def test_a_preview_of_a_notional_shows_the_quantity(venue: Venue) -> None:
    bot = await venue.bot()
    await venue.publish("AAPL", "99.90", "100.00")
    ask = {"symbol": "AAPL", "side": order_pb2.SIDE_BUY, "notional": "2500"}

    preview = (await bot.call("PreviewOrder", **ask)).preview

    assert (preview.order.quantity, preview.order.notional) == ("25.00000000", "2500.00")
    assert preview.buying_power_after == "97500.00"


async def test_a_notional_below_a_step_is_refused_and_recorded_nowhere(venue: Venue) -> None:
    bot = await venue.bot()
    await venue.publish("EUR-USD", "1.16", "1.17")
    ask = {"symbol": "EUR-USD", "side": order_pb2.SIDE_BUY, "notional": "1.16"}

    told = await refusal(bot.call("PlaceOrder", **ask))
    previewed = await refusal(bot.call("PreviewOrder", **ask))

    assert (told.code, told.reason) == (
        grpc.StatusCode.FAILED_PRECONDITION,
        "NOTIONAL_TOO_SMALL",
    )
    assert "EUR-USD" in told.message
    assert previewed == told
    assert list((await bot.call("ListOrders")).orders) == []


async def test_an_order_for_a_notional_without_a_quote_is_rejected(venue: Venue) -> None:
    bot = await venue.bot()
    order = await bot.place(quantity="", notional="1000")
    assert order.status == order_pb2.ORDER_STATUS_REJECTED
    assert (order.quantity, order.notional) == ("0.00000000", "1000.00")
