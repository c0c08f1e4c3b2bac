"""Closing a short position: the live orders on its side end first, whole groups with them."""

from bottrading.v1 import order_pb2
from tests.support.accounts import on_margin
from tests.support.audit import audit
from tests.support.venue import Venue


async def test_an_entry_that_could_close_the_position_ends_with_its_exits(venue: Venue) -> None:
    """Short 5, with a bracket that buys 3 and an order that buys 4: the close needs all of both."""
    bot = await venue.bot()
    await on_margin(bot)
    await venue.publish("AAPL", "100", "100")
    await bot.place(side="SELL", quantity="5")
    entry = await bot.place(
        quantity="3",
        limit_price="90",
        order_class=order_pb2.ORDER_CLASS_BRACKET,
        take_profit={"limit_price": "110"},
        stop_loss={"stop_price": "80"},
    )
    single = await bot.place(quantity="4", limit_price="90")

    closing = (await bot.call("ClosePosition", symbol="AAPL")).order

    assert (closing.side, closing.filled_quantity) == (order_pb2.SIDE_BUY, "5.00000000")
    reasons = {
        order.id: order_pb2.StatusReason.Name(order.status_reason)
        for order in (await bot.call("ListOrders")).orders
        if order.HasField("status_reason")
    }
    assert reasons == {
        single.id: "STATUS_REASON_POSITION_CLOSED",
        entry.id: "STATUS_REASON_POSITION_CLOSED",
    } | {leg.id: "STATUS_REASON_ENTRY_ENDED" for leg in entry.legs}
    assert not (await bot.portfolio()).positions
    await venue.stop()
    audit(venue.settings.data_dir)
