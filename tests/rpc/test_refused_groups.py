"""Groups that are not placed: which leg a rule does not allow, and which call is another one."""

from typing import Any

import grpc

from bottrading.v1 import account_pb2, key_management_pb2, order_pb2
from tests.rpc.test_order_groups import BRACKET, OTO, REJECTED, loss, take
from tests.support.venue import Bot, Venue, refusal


async def test_a_rejected_group_names_the_leg_that_is_not_allowed(venue: Venue) -> None:
    """Ten at 100.00 are worth less than the limit of 1200 USD, ten at 130.00 are worth more."""
    person = venue.person()
    request = key_management_pb2.CreateBotKeyRequest(label="limited", order_notional_max="1200")
    made = await person.keys.CreateBotKey(request, metadata=person.metadata)
    bot = Bot(venue, made.bot_key.key)
    await venue.publish("AAPL", "99.00", "100.00")
    asked: dict[str, Any] = {"order_class": BRACKET, "take_profit": take("130.00")}

    bracket = await bot.place(**asked, stop_loss=loss("95.00"))
    preview = await bot.call(
        "PreviewOrder",
        symbol="AAPL",
        side=order_pb2.SIDE_BUY,
        quantity="14",
        **asked,
        stop_loss=loss("95.00"),
    )
    placed = await bot.place(order_class=OTO, limit_price="90.00", take_profit=take("119.00"))
    grown = await refusal(bot.call("ReplaceOrder", order_id=placed.id, quantity="12"))

    limit = "and the largest allowed is 1200.00 USD: lower the quantity."
    assert (bracket.status, list(bracket.legs)) == (REJECTED, [])
    assert bracket.rejection_message == f"TAKE_PROFIT: The order's value is 1300.00 USD {limit}"
    assert list(preview.preview.rejections) == [
        f"{leg}: The order's value is {value} USD {limit}"
        for leg, value in (
            ("ENTRY", "1400.00"),
            ("TAKE_PROFIT", "1820.00"),
            ("STOP_LOSS", "1330.00"),
        )
    ]
    assert preview.preview.order.rejection_message == preview.preview.rejections[0]
    assert grown.message == f"TAKE_PROFIT: The order's value is 1428.00 USD {limit}"


async def test_a_rejection_of_all_orders_of_a_group_names_none(venue: Venue) -> None:
    bot, person = await venue.bot(), venue.person()
    account_id = (await bot.call("GetAccount")).account.bot_user_id
    await venue.publish("AAPL", "99.00", "100.00")
    request = key_management_pb2.SetTradingStateRequest(
        account_id=account_id, trading_state=account_pb2.TRADING_STATE_HALTED
    )
    await person.keys.SetTradingState(request, metadata=person.metadata)

    placed = await bot.place(order_class=OTO, stop_loss=loss("95.00"))
    told = await bot.call(
        "PreviewOrder",
        symbol="AAPL",
        side=order_pb2.SIDE_BUY,
        quantity="1",
        order_class=OTO,
        stop_loss=loss("95.00"),
    )

    assert placed.rejection_message.startswith("Trading on the account is HALTED: ")
    assert list(told.preview.rejections) == [placed.rejection_message]


async def test_a_repeated_call_with_other_ids_of_legs_is_another_call(venue: Venue) -> None:
    """Its caller would look for the exits under ids that name nothing."""
    bot = await venue.bot()
    await venue.publish("AAPL", "99.00", "100.00")
    asked: dict[str, Any] = {"client_order_id": "group", "order_class": OTO}

    first = await bot.place(**asked, stop_loss=loss("95.00", client_order_id="stop"))
    same = await bot.place(**asked, stop_loss=loss("95.00", client_order_id="stop"))
    for other in (loss("95.00"), loss("95.00", client_order_id="stop-2")):
        told = await refusal(bot.place(**asked, stop_loss=other))
        assert (told.code, told.reason) == (
            grpc.StatusCode.ALREADY_EXISTS,
            "CLIENT_ORDER_ID_REUSED",
        )

    assert (same.id, same.replayed) == (first.id, True)
