"""Margin accounts over gRPC: who sets the mode, and when it is refused."""

import grpc
import pytest

from bottrading.v1 import account_pb2, order_update_pb2
from tests.support.accounts import account_of, id_of, manage, on_margin
from tests.support.streams import order_updates
from tests.support.venue import Person, Venue, refusal


async def set_mode(person: Person, account_id: str, mode: str) -> account_pb2.Account:
    fields = {"account_id": account_id, "margin_mode": f"MARGIN_MODE_{mode}"}
    account: account_pb2.Account = (await manage(person, "SetMarginMode", **fields)).account
    return account


async def test_an_owner_makes_an_account_a_margin_account_and_its_log_says_so_once(
    venue: Venue,
) -> None:
    bot, ada = await venue.bot(), venue.person()
    account_id = await id_of(bot)
    assert (await account_of(bot)).margin_mode == account_pb2.MARGIN_MODE_CASH
    stream, begin = await order_updates(bot)

    for mode in ("CASH", "MARGIN", "MARGIN", "CASH"):
        shown = await set_mode(ada, account_id, mode)
        assert shown.margin_mode == account_pb2.MarginMode.Value(f"MARGIN_MODE_{mode}")

    first, second = await stream.take(2)
    assert [first.sequence, second.sequence] == [begin + 1, begin + 2]
    for told, mode in ((first, "MARGIN"), (second, "CASH")):
        update = told.account_update
        assert update.type == order_update_pb2.ACCOUNT_UPDATE_TYPE_MARGIN_MODE
        assert update.margin_mode == account_pb2.MarginMode.Value(f"MARGIN_MODE_{mode}")
    assert (await account_of(bot)).margin_mode == account_pb2.MARGIN_MODE_CASH


async def test_live_orders_refuse_a_new_mode_until_they_are_cancelled(venue: Venue) -> None:
    bot = await venue.bot("ada")
    await bot.place("AAPL", limit_price="1.00")

    told = await refusal(on_margin(bot))

    assert (told.code, told.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "LIVE_ORDERS")
    assert "live orders (1)" in told.message
    await bot.call("CancelAllOrders")
    assert (await on_margin(bot)).margin_mode == account_pb2.MARGIN_MODE_MARGIN


async def test_strangers_bots_and_operators_set_no_margin_mode(venue: Venue) -> None:
    bot = await venue.bot("ada")
    account_id = await id_of(bot)
    as_bot = Person(venue, "")
    as_bot.metadata = bot.metadata

    told = [
        await refusal(set_mode(person, account_id, "MARGIN"))
        for person in (venue.person("eve"), venue.person("operator", operator=True), as_bot)
    ]

    assert [it.reason for it in told] == ["ACCOUNT_NOT_FOUND"] * 2 + ["TOKEN_REQUIRED"]
    assert (await account_of(bot)).margin_mode == account_pb2.MARGIN_MODE_CASH


@pytest.mark.parametrize("mode", ["MARGIN_MODE_UNSPECIFIED", 77])
async def test_a_mode_must_be_named(venue: Venue, mode: str | int) -> None:
    fields = {"account_id": await id_of(await venue.bot()), "margin_mode": mode}

    told = await refusal(manage(venue.person(), "SetMarginMode", **fields))

    assert (told.code, told.fields) == (grpc.StatusCode.INVALID_ARGUMENT, ("margin_mode",))
