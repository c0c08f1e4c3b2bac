"""Closing short positions over gRPC, and orders that follow a position on margin."""

from bottrading.v1 import order_pb2
from tests.support.accounts import on_margin
from tests.support.venue import Venue


async def test_short_positions_are_closed_by_orders_that_buy(venue: Venue) -> None:
    bot = await venue.bot()
    await on_margin(bot)
    await venue.publish("AAPL", "100.00", "100.00")
    await venue.publish("SPY", "50.00", "50.00")
    await bot.place("AAPL", "SELL", "100")
    await bot.place("SPY", "SELL", "10")
    waiting = await bot.place("AAPL", "BUY", "100", limit_price="90.00")

    half = (await bot.call("ClosePosition", symbol="AAPL", percentage="50")).order
    closed = await bot.call("CloseAllPositions")

    assert (half.side, half.reduce_only) == (order_pb2.SIDE_BUY, True)
    assert (half.status, half.filled_quantity) == (order_pb2.ORDER_STATUS_FILLED, "50.00000000")
    reason = (await bot.order(waiting.id)).status_reason
    assert reason == order_pb2.STATUS_REASON_POSITION_CLOSED
    told = sorted((it.symbol, it.side, it.filled_quantity) for it in closed.orders)
    buy = order_pb2.SIDE_BUY
    assert told == [("AAPL", buy, "50.00000000"), ("SPY", buy, "10.00000000")]
    assert not (await bot.portfolio()).positions


async def test_exits_shrink_with_a_position_that_another_order_reduces(venue: Venue) -> None:
    bot = await venue.bot()
    await on_margin(bot)
    await venue.publish("AAPL", "100.00", "100.00")
    entry = await bot.place(
        "AAPL",
        "BUY",
        "100",
        order_class=order_pb2.ORDER_CLASS_BRACKET,
        take_profit={"limit_price": "120.00"},
        stop_loss={"stop_price": "80.00"},
    )

    await bot.place("AAPL", "SELL", "60")
    shrunk = [(await bot.order(leg.id)).quantity for leg in entry.legs]
    await bot.place("AAPL", "SELL", "60")
    ended = [(await bot.order(leg.id)).status_reason for leg in entry.legs]

    assert shrunk == ["40.00000000"] * 2
    assert ended == [order_pb2.STATUS_REASON_POSITION_CLOSED] * 2
    (short,) = (await bot.portfolio()).positions
    assert short.quantity == "-20.00000000"
