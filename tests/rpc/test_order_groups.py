"""Order groups over gRPC, from the call to what is stored."""

from typing import Any

import grpc
import pytest

from bottrading.v1 import bot_trading_pb2, key_management_pb2, order_pb2
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


async def test_a_bracket_takes_profit_and_its_stop_ends(venue: Venue) -> None:
    bot = await venue.bot()
    await venue.publish("AAPL", "99.00", "100.00")

    placed = await bot.place(
        order_class=BRACKET, take_profit=take("110.00"), stop_loss=loss("95.00")
    )
    held = await bot.call("GetPosition", symbol="AAPL")
    await venue.publish("AAPL", "110.00", "111.00")
    read = await bot.order(placed.id)

    assert placed.status == FILLED
    assert [leg.leg for leg in placed.legs] == [TAKE_PROFIT, STOP_LOSS]
    assert held.position.reserved_quantity == "10.00000000", "two exits reserve it once"
    sold, ended = read.legs
    assert (sold.status, sold.filled_price) == (FILLED, "110.00000000")
    assert (ended.status, ended.status_reason) == (
        CANCELLED,
        order_pb2.STATUS_REASON_SIBLING_FILLED,
    )
    assert (await bot.portfolio()).balance == "100100.00"


async def test_two_exits_of_a_position_are_an_oco(venue: Venue) -> None:
    bot = await venue.bot()
    await venue.publish("AAPL", "99.00", "100.00")
    await bot.place()

    placed = await bot.place(
        side="SELL", order_class=OCO, take_profit=take("110.00"), stop_loss=loss("95.00")
    )
    await venue.publish("AAPL", "80.00", "81.00")
    read = await bot.order(placed.id)

    (leg,) = read.legs
    assert (placed.leg, placed.order_type) == (TAKE_PROFIT, order_pb2.ORDER_TYPE_LIMIT)
    assert (leg.status, leg.filled_price) == (FILLED, "80.00000000")
    assert (read.status, read.status_reason) == (
        CANCELLED,
        order_pb2.STATUS_REASON_SIBLING_FILLED,
    )


@pytest.mark.parametrize(
    ("fields", "reason", "named"),
    [
        ({"order_class": BRACKET, "take_profit": take("110")}, "FIELD_REQUIRED", ("stop_loss",)),
        ({"order_class": OTO}, "FIELD_INVALID", ("order_class",)),
        (
            {"order_class": OTO, "take_profit": take("110"), "stop_loss": loss("90")},
            "FIELD_INVALID",
            ("order_class",),
        ),
        ({"take_profit": take("110")}, "FIELD_INVALID", ("take_profit",)),
        (
            {"order_class": OTO, "take_profit": take("110"), "side": "SELL"},
            "FIELD_INVALID",
            ("side",),
        ),
        (
            {"order_class": OCO, "take_profit": take("110"), "stop_loss": loss("90")},
            "FIELD_INVALID",
            ("side",),
        ),
        (
            {
                "order_class": OCO,
                "side": "SELL",
                "take_profit": take("110", client_order_id="x"),
                "stop_loss": loss("90"),
                "order_type": order_pb2.ORDER_TYPE_STOP,
                "stop_price": "90",
            },
            "FIELD_INVALID",
            ("order_type", "stop_price", "take_profit.client_order_id"),
        ),
        (
            {"order_class": OTO, "stop_loss": loss("90.001")},
            "PRICE_OFF_TICK",
            ("stop_loss.stop_price",),
        ),
        (
            {"order_class": OTO, "take_profit": take("110", time_in_force=3)},
            "TIME_IN_FORCE_NOT_ALLOWED",
            ("take_profit.time_in_force",),
        ),
        (
            {"order_class": BRACKET, "take_profit": take("95"), "stop_loss": loss("96")},
            "EXIT_PRICE_INVALID",
            ("take_profit.limit_price", "stop_loss.stop_price"),
        ),
        (
            {
                "order_class": OTO,
                "client_order_id": "same",
                "stop_loss": loss("90", client_order_id="same"),
            },
            "FIELD_INVALID",
            ("client_order_id",),
        ),
    ],
)
async def test_a_group_that_makes_no_sense_is_refused_by_field(
    venue: Venue, fields: dict[str, Any], reason: str, named: tuple[str, ...]
) -> None:
    bot = await venue.bot()
    await venue.publish("AAPL", "99.00", "100.00")

    told = await refusal(bot.place(**fields))

    assert (told.code, told.reason) == (grpc.StatusCode.INVALID_ARGUMENT, reason)
    assert told.fields == named
    assert list((await bot.call("ListOrders")).orders) == []


async def test_a_replaced_exit_keeps_its_group_and_takes_no_quantity(venue: Venue) -> None:
    bot = await venue.bot()
    await venue.publish("AAPL", "99.00", "100.00")
    placed = await bot.place(
        order_class=BRACKET, take_profit=take("110.00"), stop_loss=loss("95.00")
    )
    take_profit, stop_loss = placed.legs

    answer = await bot.call("ReplaceOrder", order_id=take_profit.id, limit_price="105.00")
    crossed = await refusal(bot.call("ReplaceOrder", order_id=stop_loss.id, stop_price="106.00"))
    sized = await refusal(bot.call("ReplaceOrder", order_id=stop_loss.id, quantity="5"))
    await venue.publish("AAPL", "105.00", "106.00")
    read = await bot.order(placed.id)

    assert answer.order.parent_order_id == placed.id
    assert (crossed.reason, crossed.fields) == ("EXIT_PRICE_INVALID", ("stop_price",))
    assert (sized.reason, sized.fields) == ("FIELD_INVALID", ("quantity",))
    assert [leg.status for leg in read.legs] == [FILLED, CANCELLED]


@pytest.mark.parametrize(
    ("method", "reason"),
    [
        ("SetTradingState", order_pb2.STATUS_REASON_TRADING_HALTED),
        ("ResetAccount", order_pb2.STATUS_REASON_ACCOUNT_RESET),
    ],
)
async def test_a_halt_and_a_reset_cancel_the_whole_group(
    venue: Venue, method: str, reason: int
) -> None:
    bot, person = await venue.bot(), venue.person()
    account_id = (await bot.call("GetAccount")).account.bot_user_id
    await venue.publish("AAPL", "99.00", "100.00", size="4")
    placed = await bot.place(
        limit_price="100.00",
        order_class=BRACKET,
        take_profit=take("110.00"),
        stop_loss=loss("95.00"),
    )
    fields = {"trading_state": 3} if method == "SetTradingState" else {}
    request = getattr(key_management_pb2, f"{method}Request")(account_id=account_id, **fields)

    await getattr(person.keys, method)(request, metadata=person.metadata)
    read = await bot.order(placed.id)

    for order in (read, *read.legs):
        assert (order.status, order.status_reason) == (CANCELLED, reason)


async def test_a_preview_shows_the_legs_and_places_nothing(venue: Venue) -> None:
    bot = await venue.bot()
    await venue.publish("AAPL", "99.00", "100.00")

    answer = await bot.call(
        "PreviewOrder",
        symbol="AAPL",
        side=order_pb2.SIDE_BUY,
        quantity="10",
        order_class=BRACKET,
        take_profit=take("110.00"),
        stop_loss=loss("95.00"),
    )

    order = answer.preview.order
    assert (order.status, order.filled_quantity) == (FILLED, "10.00000000")
    assert [(leg.id, leg.quantity, leg.held) for leg in order.legs] == [
        ("", "10.00000000", False)
    ] * 2
    assert list((await bot.call("ListOrders")).orders) == []


async def test_a_notional_buys_the_entry_and_the_exits_sell_what_it_bought(venue: Venue) -> None:
    bot = await venue.bot()
    await venue.publish("AAPL", "99.00", "100.00")

    placed = await bot.place(quantity="", notional="500", order_class=OTO, stop_loss=loss("95.00"))

    (leg,) = placed.legs
    assert (placed.quantity, leg.quantity) == ("5.00000000", "5.00000000")
    assert (placed.notional, leg.HasField("notional")) == ("500.00", False)


async def test_an_entry_grows_only_as_far_as_its_exits_keep_the_rules(venue: Venue) -> None:
    bot = await venue.bot()
    await venue.publish("AAPL", "99.90", "100.00")
    placed = await bot.place(
        quantity="1", limit_price="98.00", order_class=OTO, take_profit=take("9000000000.00")
    )

    # Placed with this quantity, the take-profit would be rejected: it is worth too much.
    refused = await refusal(bot.call("ReplaceOrder", order_id=placed.id, quantity="20"))

    assert refused.reason == "ORDER_TOO_LARGE"
    assert await bot.order(placed.id) == placed
