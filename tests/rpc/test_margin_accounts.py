"""Margin accounts over gRPC: who sets the mode, and when it is refused."""

from typing import Any

import grpc
import pytest

from bottrading.v1 import (
    account_pb2,
    order_pb2,
    order_update_pb2,
)
from tests.support.accounts import account_of, accounts_of, id_of, manage, on_margin
from tests.support.streams import order_updates
from tests.support.venue import Bot, Person, Venue, VenueFactory, refusal

BUY = {"symbol": "AAPL", "side": order_pb2.SIDE_BUY, "quantity": "100"}


async def set_mode(person: Person, account_id: str, mode: str) -> account_pb2.Account:
    fields = {"account_id": account_id, "margin_mode": f"MARGIN_MODE_{mode}"}
    account: account_pb2.Account = (await manage(person, "SetMarginMode", **fields)).account
    return account


async def on_cash(bot: Bot) -> account_pb2.Account:
    return await set_mode(bot.venue.person(), await id_of(bot), "CASH")


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


async def test_a_portfolio_on_margin_shows_what_its_positions_bind(venue: Venue) -> None:
    """100 x 110 on margin and 1 x 2 000 paid in full: 5 500 + 2 000, and 3 300 + 2 000 to keep."""
    bot = await venue.bot()
    await venue.publish("AAPL", "100", "100")
    await venue.publish("BTC-USD", "2000", "2000")
    await bot.place("AAPL", quantity="100")
    await bot.place("BTC-USD", quantity="1")
    in_cash = await bot.portfolio()
    await on_margin(bot)
    await venue.publish("AAPL", "110", "110")

    shown = await bot.portfolio()

    assert (in_cash.margin_mode, in_cash.buying_power) == (account_pb2.MARGIN_MODE_CASH, "88000.00")
    assert (in_cash.loan, in_cash.interest_paid) == ("0.00", "0.00")
    for name in ("margin", "maintenance_margin", "free_margin"):
        assert not in_cash.HasField(name), name
    assert not in_cash.positions[0].HasField("margin")
    assert shown.margin_mode == account_pb2.MARGIN_MODE_MARGIN
    assert (shown.balance, shown.total_equity) == ("88000.00", "101000.00")
    assert (shown.margin, shown.maintenance_margin) == ("7500.00", "5300.00")
    assert (shown.free_margin, shown.buying_power) == ("93500.00", "187000.00")
    assert (shown.loan, shown.interest_paid) == ("0.00", "0.00")
    stock, coin = shown.positions
    assert (stock.margin, coin.margin) == ("5500.00", "2000.00")
    assert stock.open_buy_quantity == "0.00000000"
    one = (await bot.call("GetPosition", symbol="AAPL")).position
    assert one == stock


async def test_the_buying_power_of_an_account_is_that_of_its_portfolio(venue: Venue) -> None:
    bot, ada = await venue.bot(), venue.person()
    await venue.publish("AAPL", "100", "100")
    await bot.place("AAPL", quantity="100")

    changed = await on_margin(bot)

    assert changed.buying_power == (await bot.portfolio()).buying_power == "190000.00"
    assert (await account_of(bot)).buying_power == "190000.00"
    assert [it.buying_power for it in await accounts_of(ada)] == ["190000.00"]
    halted = {"account_id": changed.bot_user_id, "trading_state": "TRADING_STATE_HALTED"}
    assert (await manage(ada, "SetTradingState", **halted)).account.buying_power == "190000.00"


async def test_the_limits_tell_the_percentages_of_margin_trading(
    start_venue: VenueFactory,
) -> None:
    venue = await start_venue(margin_initial="40", margin_loan_rate="7.5")
    bot = await venue.bot()
    await venue.publish("AAPL", "100", "100")
    await bot.place("AAPL", quantity="100")
    await on_margin(bot)

    terms = (await bot.call("GetLimits")).limits.margin_terms

    assert (terms.initial_percent, terms.maintenance_percent) == ("40.00000000", "30.00000000")
    assert (terms.loan_rate_percent, terms.borrow_rate_percent) == ("7.50000000", "1.00000000")
    assert (await bot.portfolio()).margin == "4000.00"


async def test_a_preview_on_margin_tells_the_margin_after_the_order(venue: Venue) -> None:
    bot = await venue.bot()
    await venue.publish("AAPL", "100", "100")
    before = (await bot.call("PreviewOrder", **BUY)).preview
    await on_margin(bot)

    found = (await bot.call("PreviewOrder", **BUY)).preview

    assert not before.HasField("margin_after")
    assert not before.HasField("free_margin_after")
    assert before.buying_power_after == "90000.00"
    assert (found.margin_after, found.free_margin_after) == ("5000.00", "95000.00")
    assert (found.buying_power_after, list(found.rejections)) == ("190000.00", [])


async def test_a_short_position_and_a_live_order_bind_margin(venue: Venue) -> None:
    """Half of 100 x 100 that are short, and half of 100 x 100 that a live order would buy."""
    bot = await venue.bot()
    await on_margin(bot)
    for symbol in ("AAPL", "MSFT"):
        await venue.publish(symbol, "100", "100")
    sold = await bot.place("AAPL", "SELL", quantity="100")
    waiting = await bot.place("MSFT", quantity="100", limit_price="50.00")

    shown = await bot.portfolio()

    assert sold.status == order_pb2.ORDER_STATUS_FILLED
    assert waiting.reserved == shown.reserved == "0.00"
    (short,) = shown.positions
    assert (short.quantity, short.market_value) == ("-100.00000000", "-10000.00000000")
    assert (short.avg_cost, short.unrealized_pnl) == ("100.00000000", "0.00")
    assert (shown.balance, shown.total_equity, shown.loan) == ("110000.00", "100000.00", "0.00")
    assert (short.margin, shown.margin) == ("5000.00", "10000.00")
    assert (shown.maintenance_margin, shown.free_margin) == ("3000.00", "90000.00")
    told = await refusal(on_cash(bot))
    assert told.reason == "LIVE_ORDERS"
    await bot.call("CancelAllOrders")
    told = await refusal(on_cash(bot))
    assert (told.code, told.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "MARGIN_IN_USE")
    assert "buy back AAPL" in told.message


async def test_a_fill_tells_who_placed_its_order(venue: Venue) -> None:
    bot = await venue.bot()
    await venue.publish("AAPL", "100", "100")
    await bot.place("AAPL", quantity="1")
    person: Any = Bot(venue, "")
    person.metadata = (*venue.person().metadata, ("x-account-id", await id_of(bot)))
    await person.call("ClosePosition", symbol="AAPL")

    closed, bought = (await bot.call("ListFills")).fills

    assert bought.placed_by == order_pb2.PLACED_BY_BOT
    assert closed.placed_by == order_pb2.PLACED_BY_PERSON
