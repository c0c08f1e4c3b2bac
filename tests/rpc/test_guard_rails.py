"""Guard rails: what owners may set on accounts and keys, and the answers that bots get."""

from typing import Any

import pytest

from bottrading.v1 import account_pb2, bot_key_pb2, error_reason_pb2, instrument_pb2, order_pb2
from bottrading.v1 import key_management_pb2 as pb
from server.domain.values import DAY
from tests.support.venue import Bot, Person, Venue, refusal

TRADE, READ = bot_key_pb2.KEY_SCOPE_TRADE, bot_key_pb2.KEY_SCOPE_READ


async def bot_with(venue: Venue, **permissions: Any) -> Bot:
    person = venue.person()
    request = pb.CreateBotKeyRequest(label="limited", **permissions)
    made = (await person.keys.CreateBotKey(request, metadata=person.metadata)).bot_key
    return Bot(venue, made.key, made.id)


async def set_state(
    person: Person, account_id: str, state: account_pb2.TradingState.ValueType
) -> account_pb2.Account:
    request = pb.SetTradingStateRequest(account_id=account_id, trading_state=state)
    return (await person.keys.SetTradingState(request, metadata=person.metadata)).account


async def set_rails(person: Person, account_id: str, **rails: str) -> account_pb2.GuardRails:
    request = pb.SetGuardRailsRequest(account_id=account_id, **rails)
    return (await person.keys.SetGuardRails(request, metadata=person.metadata)).guard_rails


async def account_of(bot: Bot) -> str:
    return str((await bot.call("GetAccount")).account.bot_user_id)


def reason(order: order_pb2.Order) -> str:
    name = error_reason_pb2.ErrorReason.Name(order.rejection_reason)
    return name.removeprefix("ERROR_REASON_")


async def test_halting_cancels_everything_and_stops_every_order(venue: Venue) -> None:
    bot, person = await venue.bot(), venue.person()
    account_id = await account_of(bot)
    await venue.publish("AAPL", "99.00", "100.00")
    await bot.place("AAPL", quantity="10")
    waiting = [
        await bot.place("AAPL", quantity="1", limit_price="90.00"),
        await bot.place("AAPL", "SELL", quantity="3", limit_price="110.00"),
        await bot.place("BTC-USD", quantity="0.1", limit_price="1000.00"),
    ]

    halted = await set_state(person, account_id, account_pb2.TRADING_STATE_HALTED)
    again = await set_state(person, account_id, account_pb2.TRADING_STATE_HALTED)
    refused = [await bot.place("AAPL", side, quantity="1") for side in ("BUY", "SELL")]

    assert halted.trading_state == again.trading_state == account_pb2.TRADING_STATE_HALTED
    assert halted.buying_power == halted.balance
    for order in waiting:
        ended = await bot.order(order.id)
        assert ended.status_reason == order_pb2.STATUS_REASON_TRADING_HALTED
    assert [reason(order) for order in refused] == ["TRADING_HALTED"] * 2
    active = await set_state(person, account_id, account_pb2.TRADING_STATE_ACTIVE)
    assert active.trading_state == account_pb2.TRADING_STATE_ACTIVE
    assert (await bot.place("AAPL", quantity="1")).status == order_pb2.ORDER_STATUS_FILLED


async def test_a_reducing_account_only_sells(venue: Venue) -> None:
    bot, person = await venue.bot(), venue.person()
    await venue.publish("AAPL", "99.00", "100.00")
    await bot.place("AAPL", quantity="10")
    await set_state(person, await account_of(bot), account_pb2.TRADING_STATE_REDUCING)

    assert reason(await bot.place("AAPL", quantity="1")) == "TRADING_HALTED"
    assert (await bot.place("AAPL", "SELL", quantity="10")).status == order_pb2.ORDER_STATUS_FILLED


async def test_an_account_is_set_by_its_owner_only(venue: Venue) -> None:
    bot = await venue.bot("ada")
    account_id = await account_of(bot)
    stranger = venue.person("eve")

    state = await refusal(set_state(stranger, account_id, account_pb2.TRADING_STATE_HALTED))
    rails = await refusal(set_rails(stranger, account_id, order_notional_max="1"))
    malformed = await refusal(set_state(stranger, "x", account_pb2.TRADING_STATE_HALTED))
    nothing = await refusal(
        set_state(venue.person("ada"), account_id, account_pb2.TRADING_STATE_UNSPECIFIED)
    )

    assert [state.reason, rails.reason, malformed.reason] == ["ACCOUNT_NOT_FOUND"] * 3
    assert nothing.reason == "FIELD_REQUIRED"
    account = (await bot.call("GetAccount")).account
    assert account.trading_state == account_pb2.TRADING_STATE_ACTIVE


async def test_guard_rails_stand_before_orders_and_are_told_as_data(venue: Venue) -> None:
    bot, person = await venue.bot(), venue.person()
    account_id = await account_of(bot)
    await venue.publish("AAPL", "100.00", "100.00")
    rails = await set_rails(
        person, account_id, order_notional_max="5000.00", position_share_max="7.5"
    )

    large = await bot.place("AAPL", quantity="50.01")
    fits = await bot.place("AAPL", quantity="50")
    share = await bot.place("AAPL", quantity="30")
    limits = (await bot.call("GetLimits")).limits
    lifted = await set_rails(person, account_id)

    assert reason(large) == "ORDER_NOTIONAL_EXCEEDED"
    assert fits.status == order_pb2.ORDER_STATUS_FILLED
    assert reason(share) == "POSITION_SHARE_EXCEEDED"
    assert limits.guard_rails == rails
    assert (rails.order_notional_max, rails.position_share_max) == ("5000.00", "7.50")
    assert not rails.HasField("daily_loss_max")
    assert lifted == account_pb2.GuardRails()
    assert (await bot.place("AAPL", quantity="30")).status == order_pb2.ORDER_STATUS_FILLED


async def test_what_is_filled_of_a_replaced_order_counts_once(venue: Venue) -> None:
    bot, person = await venue.bot(), venue.person()
    await set_rails(person, await account_of(bot), position_share_max="50")
    await venue.publish("AAPL", "100.00", "100.00", size="400")
    order = await bot.place("AAPL", quantity="500", limit_price="100.00")
    replaced = await bot.call("ReplaceOrder", order_id=order.id, limit_price="99.00")

    assert order.filled_quantity == "400.00000000"
    assert replaced.order.limit_price == "99.00000000"


async def test_after_the_days_loss_only_sales_pass_until_tomorrow(venue: Venue) -> None:
    bot, person = await venue.bot(), venue.person()
    await venue.publish("AAPL", "100.00", "100.00")
    await bot.place("AAPL", quantity="100")
    await set_rails(person, await account_of(bot), daily_loss_max="1000.00")

    await venue.publish("AAPL", "90.01", "90.01")
    passes = await bot.place("AAPL", quantity="0.1")
    await venue.publish("AAPL", "89.00", "89.00")
    stopped = await bot.place("AAPL", quantity="1")
    sale = await bot.place("AAPL", "SELL", quantity="1")
    venue.clock.now = (venue.clock.now // DAY + 1) * DAY - 3_000_000
    venue.pass_time()
    venue.clock.turn(seconds=60)
    await venue.publish("AAPL", "89.00", "89.00")
    tomorrow = await bot.place("AAPL", quantity="1")

    assert passes.status == order_pb2.ORDER_STATUS_FILLED
    assert reason(stopped) == "DAILY_LOSS_REACHED"
    assert sale.status == order_pb2.ORDER_STATUS_FILLED
    assert tomorrow.status == order_pb2.ORDER_STATUS_FILLED


async def test_a_key_opens_what_its_scopes_say(venue: Venue) -> None:
    reader = await bot_with(venue, scopes=[READ])
    trader = await bot_with(venue, scopes=[TRADE])
    await venue.publish("AAPL", "99.00", "100.00")

    told = [
        await refusal(reader.place("AAPL", quantity="1")),
        await refusal(reader.cancel("x")),
        await refusal(trader.portfolio()),
        await refusal(trader.call("GetAccount")),
    ]
    placed = await trader.place("AAPL", quantity="1")

    assert {refused.reason for refused in told} == {"KEY_SCOPE_MISSING"}
    assert {refused.code.name for refused in told} == {"PERMISSION_DENIED"}
    assert placed.status == order_pb2.ORDER_STATUS_FILLED
    assert len((await reader.portfolio()).positions) == 1
    for bot in (reader, trader):
        assert (await bot.call("GetQuote", symbol="AAPL")).quote.ask == "100.00000000"


async def test_a_key_trades_what_it_was_made_for(venue: Venue) -> None:
    only_apple = await bot_with(venue, allowed_symbols=["aapl"], order_notional_max="500.00")
    only_crypto = await bot_with(venue, allowed_asset_types=[instrument_pb2.ASSET_TYPE_CRYPTO])
    await venue.publish("AAPL", "99.00", "100.00")
    resting = await only_apple.place("AAPL", quantity="5", limit_price="90.00")

    told = [
        await refusal(only_apple.place("BTC-USD", quantity="1", limit_price="1.00")),
        await refusal(only_crypto.place("AAPL", quantity="1")),
        await refusal(only_crypto.call("PreviewOrder", symbol="AAPL", side=1, quantity="1")),
    ]
    large = await only_apple.place("AAPL", quantity="5.01")
    larger = await refusal(only_apple.call("ReplaceOrder", order_id=resting.id, quantity="6"))

    assert {refused.reason for refused in told} == {"INSTRUMENT_NOT_ALLOWED"}
    assert {refused.code.name for refused in told} == {"PERMISSION_DENIED"}
    assert reason(large) == larger.reason == "ORDER_NOTIONAL_EXCEEDED"
    assert (await only_apple.cancel(resting.id)).status == order_pb2.ORDER_STATUS_CANCELLED


async def test_what_a_key_may_do_is_listed_and_told_to_its_bot(venue: Venue) -> None:
    bot = await bot_with(
        venue,
        scopes=[READ, TRADE],
        allowed_symbols=["SPY", "AAPL", "spy"],
        allowed_asset_types=[instrument_pb2.ASSET_TYPE_ETF],
        order_notional_max="12.5",
    )
    (listed,) = await venue.person().list_keys()
    told = (await bot.call("GetLimits")).limits.bot_key

    assert list(listed.scopes) == [TRADE, READ]
    assert list(listed.allowed_symbols) == ["AAPL", "SPY"]
    assert list(listed.allowed_asset_types) == [instrument_pb2.ASSET_TYPE_ETF]
    assert listed.order_notional_max == "12.50"
    assert told.id == listed.id
    assert told.allowed_symbols == listed.allowed_symbols


@pytest.mark.parametrize(
    ("permissions", "reason"),
    [
        ({"scopes": [9]}, "ENUM_VALUE_UNKNOWN"),
        ({"scopes": [0]}, "FIELD_REQUIRED"),
        ({"allowed_symbols": ["NOPE"]}, "SYMBOL_UNKNOWN"),
        ({"allowed_symbols": ["AAPL"] * 101}, "FIELD_INVALID"),
        ({"allowed_asset_types": [99]}, "ENUM_VALUE_UNKNOWN"),
        ({"order_notional_max": "0"}, "NOT_POSITIVE"),
        ({"order_notional_max": "1.001"}, "FIELD_INVALID"),
    ],
)
async def test_wrong_permissions_make_no_key(
    venue: Venue, permissions: dict[str, Any], reason: str
) -> None:
    told = await refusal(bot_with(venue, **permissions))
    assert told.reason == reason
    assert await venue.person().list_keys() == []


@pytest.mark.parametrize(
    ("rails", "reason"),
    [
        ({"position_share_max": "100.01"}, "FIELD_INVALID"),
        ({"position_share_max": "0"}, "NOT_POSITIVE"),
        ({"daily_loss_max": "-1"}, "DECIMAL_INVALID"),
        ({"order_notional_max": "1.005"}, "FIELD_INVALID"),
    ],
)
async def test_wrong_guard_rails_change_nothing(
    venue: Venue, rails: dict[str, str], reason: str
) -> None:
    bot, person = await venue.bot(), venue.person()
    account_id = await account_of(bot)
    await set_rails(person, account_id, daily_loss_max="5")
    assert (await refusal(set_rails(person, account_id, **rails))).reason == reason
    limits = (await bot.call("GetLimits")).limits
    assert limits.guard_rails.daily_loss_max == "5.00"
