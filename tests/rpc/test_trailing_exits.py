"""Stop-losses that trail, over gRPC: the call, the answers, replacement, restart and the log."""

from typing import Any

import grpc
import pytest

from bottrading.v1 import bot_trading_pb2 as pb
from bottrading.v1 import order_pb2, order_update_pb2
from tests.support.audit import audit
from tests.support.streams import order_updates
from tests.support.venue import Bot, Venue, VenueFactory, refusal

BRACKET, OCO, OTO = (
    order_pb2.ORDER_CLASS_BRACKET,
    order_pb2.ORDER_CLASS_OCO,
    order_pb2.ORDER_CLASS_OTO,
)
TRAILING_STOP = order_pb2.ORDER_TYPE_TRAILING_STOP
OPEN, FILLED = order_pb2.ORDER_STATUS_OPEN, order_pb2.ORDER_STATUS_FILLED
TAKE = pb.TakeProfit(limit_price="130.00")


def trail(amount: str | None = None, percent: str | None = None, **fields: Any) -> pb.StopLoss:
    return pb.StopLoss(trail_amount=amount, trail_percent=percent, **fields)


async def quoted(venue: Venue) -> Bot:
    bot = await venue.bot()
    await venue.publish("AAPL", "99.00", "100.00")
    return bot


async def test_the_stop_of_a_bracket_follows_the_market_and_sells_once(venue: Venue) -> None:
    """Bought for 1000.00. The bid rises to 110.00, the stop to 105.00; sold for 1040.00."""
    bot = await quoted(venue)
    placed = await bot.place(order_class=BRACKET, take_profit=TAKE, stop_loss=trail("5.00"))
    stream, _ = await order_updates(bot, after_sequence=7)
    await venue.publish("AAPL", "110.00", "111.00")
    await venue.publish("AAPL", "106.00", "107.00")
    venue.pass_time()
    waiting = (await bot.order(placed.id)).legs[1]
    await venue.publish("AAPL", "104.00", "105.00")
    trigger, fill, ended = (message.order_update for message in await stream.take(3))

    leg = placed.legs[1]
    assert (leg.order_type, leg.trail_amount, leg.stop_price) == (
        TRAILING_STOP,
        "5.00000000",
        "94.00000000",
    )
    assert (waiting.status, waiting.stop_price) == (OPEN, "105.00000000")
    assert trigger.type == order_update_pb2.ORDER_UPDATE_TYPE_TRIGGERED
    assert (fill.order.id, fill.order.filled_price) == (leg.id, "104.00000000")
    assert ended.order.status_reason == order_pb2.STATUS_REASON_SIBLING_FILLED
    assert (await bot.portfolio()).balance == "100040.00"


async def test_a_held_trail_is_stored_replaced_and_begins_with_the_fill(
    start_venue: VenueFactory,
) -> None:
    venue = await start_venue()
    bot = await quoted(venue)
    placed = await bot.place(limit_price="90.00", order_class=OTO, stop_loss=trail("5.00"))
    (leg,) = placed.legs
    wider = (await bot.call("ReplaceOrder", order_id=leg.id, trail_percent="10")).order
    await venue.publish("AAPL", "150.00", "151.00")
    venue.pass_time()
    await venue.stop()

    again = await start_venue(now=venue.clock.now + 1)
    bot = Bot(again, bot.key)
    held = await bot.order(leg.id)
    await again.publish("AAPL", "89.00", "90.00")
    released = await bot.order(leg.id)
    await again.publish("AAPL", "100.00", "101.00")
    again.pass_time()
    moved = await bot.order(leg.id)
    await again.publish("AAPL", "90.00", "91.00")
    sold = await bot.order(leg.id)
    await again.stop()

    for order in (leg, wider, held):
        assert (order.held, order.HasField("stop_price")) == (True, False)
    assert (held.trail_percent, held.HasField("trail_amount")) == ("10.00000000", False)
    assert (released.held, released.stop_price) == (False, "80.10000000")
    assert moved.stop_price == "90.00000000"
    assert (sold.status, sold.filled_price) == (FILLED, "90.00000000")
    audit(again.settings.data_dir)


async def test_a_restart_goes_on_from_the_best_bid_of_an_exit(start_venue: VenueFactory) -> None:
    venue = await start_venue()
    bot = await quoted(venue)
    await bot.place()
    placed = await bot.place(
        side="SELL", order_class=OCO, take_profit=TAKE, stop_loss=trail(percent="10")
    )
    await venue.publish("AAPL", "120.00", "121.00")
    venue.pass_time()
    await venue.stop()

    again = await start_venue(now=venue.clock.now + 1)
    bot = Bot(again, bot.key)
    (leg,) = (await bot.order(placed.id)).legs
    await again.publish("AAPL", "108.00", "109.00")
    (sold,) = (await bot.order(placed.id)).legs

    assert (leg.status, leg.stop_price) == (OPEN, "108.00000000")
    assert (sold.status, sold.filled_price) == (FILLED, "108.00000000")


async def test_a_preview_and_a_repeated_call_know_the_trail(venue: Venue) -> None:
    bot = await quoted(venue)
    asked: dict[str, Any] = {
        "client_order_id": "group",
        "order_class": BRACKET,
        "take_profit": TAKE,
        "stop_loss": trail(percent="5"),
    }

    answer = await bot.call(
        "PreviewOrder", symbol="AAPL", side=order_pb2.SIDE_BUY, quantity="10", **asked
    )
    first, again = await bot.place(**asked), await bot.place(**asked)
    other = await refusal(bot.place(**asked | {"stop_loss": trail("5.00")}))

    seen = [(leg.trail_percent, leg.stop_price) for leg in answer.preview.order.legs]
    assert seen == [("", ""), ("5.00000000", "94.05000000")]
    assert [(leg.trail_percent, leg.stop_price) for leg in first.legs] == seen
    assert again.replayed
    assert list(again.legs) == list(first.legs)
    assert other.reason == "CLIENT_ORDER_ID_REUSED"


@pytest.mark.parametrize(
    ("stop_loss", "reason", "field"),
    [
        (pb.StopLoss(), "FIELD_REQUIRED", "stop_price"),
        (pb.StopLoss(limit_price="90.00"), "FIELD_REQUIRED", "stop_price"),
        (trail("5.00", "5"), "TRAIL_NOT_ALLOWED", "trail_percent"),
        (trail("5.001"), "PRICE_OFF_TICK", "trail_amount"),
        (trail("0"), "NOT_POSITIVE", "trail_amount"),
        (trail("-1"), "DECIMAL_INVALID", "trail_amount"),
        (trail(""), "FIELD_REQUIRED", "trail_amount"),
        (trail(percent="99.00000001"), "FIELD_INVALID", "trail_percent"),
        (trail("5.00", stop_price="90.00"), "STOP_PRICE_NOT_ALLOWED", "stop_price"),
        (trail(percent="5", limit_price="90.00"), "LIMIT_PRICE_NOT_ALLOWED", "limit_price"),
        (
            trail("5.00", time_in_force=order_pb2.TIME_IN_FORCE_IOC),
            "TIME_IN_FORCE_NOT_ALLOWED",
            "time_in_force",
        ),
    ],
)
async def test_what_is_wrong_with_a_trailing_exit_is_told_by_field(
    venue: Venue, stop_loss: pb.StopLoss, reason: str, field: str
) -> None:
    bot = await quoted(venue)

    told = await refusal(bot.place(order_class=OTO, stop_loss=stop_loss))

    assert (told.code, told.reason) == (grpc.StatusCode.INVALID_ARGUMENT, reason)
    assert told.fields == (f"stop_loss.{field}",)
    assert f"`stop_loss.{field}`" in told.message or field == "stop_price"
