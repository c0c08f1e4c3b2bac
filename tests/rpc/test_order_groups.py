"""Order groups over gRPC, from the call to what is stored."""

from typing import Any

import grpc

from bottrading.v1 import bot_trading_pb2, order_pb2
from bottrading.v1.order_update_pb2 import OrderUpdateType as UpdateType
from tests.support.streams import order_updates
from tests.support.venue import Bot, Venue, VenueFactory, refusal

OTO, BRACKET, OCO = (
    order_pb2.ORDER_CLASS_OTO,
    order_pb2.ORDER_CLASS_BRACKET,
    order_pb2.ORDER_CLASS_OCO,
)
TAKE_PROFIT, STOP_LOSS = order_pb2.ORDER_LEG_TAKE_PROFIT, order_pb2.ORDER_LEG_STOP_LOSS
OPEN, FILLED, CANCELLED, REJECTED = (
    order_pb2.ORDER_STATUS_OPEN,
    order_pb2.ORDER_STATUS_FILLED,
    order_pb2.ORDER_STATUS_CANCELLED,
    order_pb2.ORDER_STATUS_REJECTED,
)


def take(price: str, **fields: Any) -> bot_trading_pb2.TakeProfit:
    return bot_trading_pb2.TakeProfit(limit_price=price, **fields)


def loss(price: str, **fields: Any) -> bot_trading_pb2.StopLoss:
    return bot_trading_pb2.StopLoss(stop_price=price, **fields)


async def live(bot: Bot) -> dict[str, order_pb2.Order]:
    found = await bot.call("ListOrders", status=OPEN)
    return {order.id: order for order in found.orders}


async def test_an_entry_and_its_exit_are_one_call_and_three_answers_agree(venue: Venue) -> None:
    bot = await venue.bot()
    await venue.publish("AAPL", "99.90", "100.00")

    placed = await bot.place(limit_price="98.00", order_class=OTO, stop_loss=loss("95.00"))
    (leg,) = placed.legs
    read, listed = await bot.order(placed.id), await live(bot)

    assert (placed.order_class, placed.leg) == (OTO, order_pb2.ORDER_LEG_ENTRY)
    assert not placed.HasField("parent_order_id")
    assert (leg.leg, leg.parent_order_id, leg.held) == (STOP_LOSS, placed.id, True)
    assert (leg.quantity, leg.side, leg.status) == ("10.00000000", order_pb2.SIDE_SELL, OPEN)
    assert read == placed
    assert listed.keys() == {placed.id, leg.id}
    assert listed[leg.id] == leg, "a client that lists live orders sees held legs"


async def test_the_exit_sells_what_the_entry_bought_also_after_a_restart(
    start_venue: VenueFactory,
) -> None:
    venue = await start_venue()
    bot = await venue.bot()
    await venue.publish("AAPL", "99.90", "100.00", size="4")
    placed = await bot.place(limit_price="100.00", order_class=OTO, stop_loss=loss("95.00"))
    (leg,) = placed.legs
    await venue.stop()

    again = await start_venue(now=venue.clock.now + 1)
    bot = type(bot)(again, bot.key)
    await again.publish("AAPL", "99.80", "99.90", size="4")
    grown = await bot.order(leg.id)
    await again.publish("AAPL", "94.00", "94.10")

    assert (leg.held, leg.quantity, grown.quantity) == (False, "4.00000000", "8.00000000")
    sold, entry = await bot.order(leg.id), await bot.order(placed.id)
    # The entry's last part is bought by the same quote, before the stop-loss is triggered.
    assert (sold.status, sold.filled_quantity, sold.filled_price) == (
        FILLED,
        "10.00000000",
        "94.00000000",
    )
    assert entry.status == FILLED
    assert list((await bot.portfolio()).positions) == []


async def test_a_group_comes_in_one_transaction_of_the_log(venue: Venue) -> None:
    bot = await venue.bot()
    await venue.publish("AAPL", "99.90", "100.00")

    stream, _ = await order_updates(bot)
    placed = await bot.place(order_class=OTO, take_profit=take("110.00"))
    updates = [message.order_update for message in await stream.take(4)]

    (leg,) = placed.legs
    assert [(update.order.id, update.type) for update in updates] == [
        (placed.id, UpdateType.ORDER_UPDATE_TYPE_ACCEPTED),
        (leg.id, UpdateType.ORDER_UPDATE_TYPE_ACCEPTED),
        (placed.id, UpdateType.ORDER_UPDATE_TYPE_FILLED),
        (leg.id, UpdateType.ORDER_UPDATE_TYPE_RELEASED),
    ]
    assert len({update.transaction_end for update in updates}) == 1
    assert placed.status == FILLED


async def test_a_repeated_call_places_no_second_group(venue: Venue) -> None:
    bot = await venue.bot()
    await venue.publish("AAPL", "99.90", "100.00")
    asked: dict[str, Any] = {
        "client_order_id": "group-1",
        "order_class": OTO,
        "stop_loss": loss("95.00", client_order_id="group-1-stop"),
    }

    first = await bot.place(**asked)
    again = await bot.place(**asked)
    other = await refusal(bot.place(**{**asked, "stop_loss": loss("94.00")}))
    taken = await refusal(bot.place(**{**asked, "client_order_id": "group-2"}))
    leg = (await bot.call("GetOrder", client_order_id="group-1-stop")).order

    assert again.replayed
    assert (again.id, list(again.legs)) == (first.id, list(first.legs))
    assert leg.id == first.legs[0].id
    assert (other.code, other.reason) == (grpc.StatusCode.ALREADY_EXISTS, "CLIENT_ORDER_ID_REUSED")
    assert (taken.reason, taken.fields) == (
        "CLIENT_ORDER_ID_REUSED",
        ("stop_loss.client_order_id",),
    )
    assert len((await bot.call("ListOrders")).orders) == 2


async def test_a_rejected_entry_leaves_no_leg(venue: Venue) -> None:
    bot = await venue.bot()
    await venue.publish("AAPL", "99.90", "100.00")

    placed = await bot.place(quantity="2000", order_class=OTO, stop_loss=loss("95.00"))

    assert (placed.status, list(placed.legs)) == (REJECTED, [])
    assert len((await bot.call("ListOrders")).orders) == 1
