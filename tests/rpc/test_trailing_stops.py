"""Trailing stops over gRPC: the stop that is shown, the log, replacement and restart."""

from typing import Any

import grpc

from bottrading.v1 import bot_trading_pb2 as pb
from bottrading.v1 import order_pb2, order_update_pb2
from tests.support.streams import order_updates
from tests.support.venue import Bot, Venue, refusal

TRAILING_STOP = order_pb2.ORDER_TYPE_TRAILING_STOP
TRIGGERED = order_update_pb2.ORDER_UPDATE_TYPE_TRIGGERED


async def holding(venue: Venue) -> Bot:
    """Return a bot that holds 10 shares, bought at 100.00."""
    bot = await venue.bot()
    await venue.publish("AAPL", "99.90", "100.00")
    await bot.place("AAPL", quantity="10")
    return bot


async def test_a_trailing_stop_sells_after_a_rise_and_a_fall(venue: Venue) -> None:
    """Bought for 1000.00. The bid rises to 110.00, the stop to 105.00; sold at 104.00."""
    bot = await holding(venue)
    order = await bot.place(
        "AAPL", "SELL", quantity="10", order_type=TRAILING_STOP, trail_amount="5.00"
    )
    await venue.publish("AAPL", "110.00", "110.10")
    await venue.publish("AAPL", "106.00", "106.10")
    venue.pass_time()
    waiting = await bot.order(order.id)
    await venue.publish("AAPL", "104.00", "104.10")
    filled = await bot.order(order.id)

    assert (order.stop_price, order.trail_amount) == ("94.90000000", "5.00000000")
    assert not order.HasField("trail_percent")
    assert waiting.status == order_pb2.ORDER_STATUS_OPEN
    assert waiting.stop_price == "105.00000000"
    assert waiting.updated_at == order.updated_at
    assert (filled.status, filled.filled_price) == (
        order_pb2.ORDER_STATUS_FILLED,
        "104.00000000",
    )
    assert filled.stop_price == "105.00000000"
    assert (await bot.portfolio()).balance == "100040.00"


async def test_a_stop_moves_without_an_entry_in_the_log_and_its_trigger_tells_it(
    venue: Venue,
) -> None:
    bot = await holding(venue)
    await bot.place("AAPL", "SELL", quantity="10", order_type=TRAILING_STOP, trail_percent="10")
    stream, _ = await order_updates(bot, after_sequence=4)
    await venue.publish("AAPL", "120.00", "120.10")
    await venue.publish("AAPL", "108.00", "108.10")
    trigger, fill = await stream.take(2)

    assert (trigger.sequence, trigger.order_update.type) == (5, TRIGGERED)
    assert trigger.order_update.order.stop_price == "108.00000000"
    assert fill.sequence == 6


async def test_a_replaced_trail_counts_from_the_best_price(venue: Venue) -> None:
    bot = await holding(venue)
    order = await bot.place(
        "AAPL", "SELL", quantity="10", order_type=TRAILING_STOP, trail_amount="5.00"
    )
    await venue.publish("AAPL", "110.00", "110.10")

    request = pb.ReplaceOrderRequest(order_id=order.id, trail_percent="20")
    wider = (await bot.trading.ReplaceOrder(request, metadata=bot.metadata)).order
    (listed,) = (await bot.call("ListOrders", status=order_pb2.ORDER_STATUS_OPEN)).orders

    assert (wider.stop_price, wider.trail_percent) == ("88.00000000", "20.00000000")
    assert not wider.HasField("trail_amount")
    assert listed == wider


async def test_what_is_wrong_with_a_trail_is_told(venue: Venue) -> None:
    bot = await holding(venue)
    bad: list[tuple[str, dict[str, Any]]] = [
        ("TRAIL_REQUIRED", {"order_type": TRAILING_STOP}),
        ("TRAIL_NOT_ALLOWED", {"trail_amount": "1.00"}),
        (
            "TRAIL_NOT_ALLOWED",
            {"order_type": order_pb2.ORDER_TYPE_STOP, "stop_price": "90.00", "trail_percent": "1"},
        ),
        (
            "TRAIL_NOT_ALLOWED",
            {"order_type": TRAILING_STOP, "trail_amount": "1.00", "trail_percent": "1"},
        ),
        ("PRICE_OFF_TICK", {"order_type": TRAILING_STOP, "trail_amount": "1.001"}),
        ("FIELD_INVALID", {"order_type": TRAILING_STOP, "trail_percent": "99.01"}),
        ("NOT_POSITIVE", {"order_type": TRAILING_STOP, "trail_percent": "0"}),
        (
            "STOP_PRICE_NOT_ALLOWED",
            {"order_type": TRAILING_STOP, "trail_percent": "1", "stop_price": "90.00"},
        ),
        (
            "TIME_IN_FORCE_NOT_ALLOWED",
            {"order_type": TRAILING_STOP, "trail_percent": "1", "time_in_force": "IOC"},
        ),
    ]
    for reason, fields in bad:
        told = await refusal(bot.place("AAPL", "SELL", quantity="1", **fields))
        assert told.code is grpc.StatusCode.INVALID_ARGUMENT, fields
        assert told.reason == reason, fields
        assert told.message, fields


async def test_only_a_trail_that_still_waits_is_replaced(venue: Venue) -> None:
    bot = await holding(venue)
    limit = await bot.place("AAPL", "SELL", quantity="5", limit_price="200.00")
    stop = await bot.place(
        "AAPL", "SELL", quantity="5", order_type=TRAILING_STOP, trail_amount="5.00"
    )
    await venue.publish("AAPL", "80.00", "80.10", size="1")

    for order in (limit, stop):
        request = pb.ReplaceOrderRequest(order_id=order.id, trail_amount="1.00")
        told = await refusal(bot.trading.ReplaceOrder(request, metadata=bot.metadata))
        assert told.reason == "TRAIL_NOT_ALLOWED"
