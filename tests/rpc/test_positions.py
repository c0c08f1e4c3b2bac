"""Positions: read and closed over gRPC, one or all of them, once or repeatedly."""

import asyncio
from typing import Any

import grpc
import pytest

from bottrading.v1 import account_pb2, bot_trading_pb2, order_pb2
from bottrading.v1.order_update_pb2 import OrderUpdateType as UpdateType
from tests.rpc.test_guard_rails import (
    READ,
    TRADE,
    account_of,
    bot_with,
    reason,
    set_rails,
    set_state,
)
from tests.support.streams import order_updates
from tests.support.venue import Bot, Venue, VenueFactory, refusal

FILLED, CANCELLED = order_pb2.ORDER_STATUS_FILLED, order_pb2.ORDER_STATUS_CANCELLED
CLOSED = order_pb2.STATUS_REASON_POSITION_CLOSED


async def quoted(venue: Venue, *symbols: str, size: str = "1000") -> None:
    for symbol in symbols:
        await venue.publish(symbol, "99", "100", size=size)


async def holder(venue: Venue, *symbols: str, quantity: str = "10") -> Bot:
    """Return a bot that holds some instruments."""
    bot = await venue.bot()
    await quoted(venue, *symbols)
    for symbol in symbols:
        assert (await bot.place(symbol, quantity=quantity)).status == FILLED
    return bot


async def close(bot: Bot, symbol: str = "AAPL", **fields: Any) -> order_pb2.Order:
    order = (await bot.call("ClosePosition", symbol=symbol, **fields)).order
    assert isinstance(order, order_pb2.Order)
    return order


async def close_all(bot: Bot) -> tuple[list[order_pb2.Order], int, str]:
    """Close all; return the orders, and the skipped ones by the message and by the metadata."""
    request = bot_trading_pb2.CloseAllPositionsRequest()
    call = bot.trading.CloseAllPositions(request, metadata=bot.metadata)
    answer = await call
    trailing = dict(await call.trailing_metadata())
    return list(answer.orders), answer.skipped_positions, str(trailing["x-skipped-positions"])


def person_at(venue: Venue, subject: str, account_id: str) -> Bot:
    """Return a client that calls with a person's token for a named account."""
    client: Any = Bot(venue, "")
    client.metadata = (*venue.person(subject).metadata, ("x-account-id", account_id))
    assert isinstance(client, Bot)
    return client


async def test_positions_are_those_of_the_portfolio(venue: Venue) -> None:
    bot = await holder(venue, "MSFT", "AAPL")
    await bot.place("AAPL", "SELL", "4", limit_price="120.00")

    listed = (await bot.call("ListPositions")).positions
    one = (await bot.call("GetPosition", symbol="aapl")).position
    unheld = await refusal(bot.call("GetPosition", symbol="SPY"))
    unknown = await refusal(bot.call("GetPosition", symbol="NOPE"))

    assert list(listed) == list((await bot.portfolio()).positions)
    assert [position.symbol for position in listed] == ["AAPL", "MSFT"]
    assert one == listed[0]
    assert (one.quantity, one.reserved_quantity) == ("10.00000000", "4.00000000")
    assert (unheld.code, unheld.reason) == (grpc.StatusCode.NOT_FOUND, "POSITION_NOT_FOUND")
    assert (unknown.code, unknown.reason) == (grpc.StatusCode.NOT_FOUND, "SYMBOL_UNKNOWN")


async def test_a_closed_position_is_gone_and_its_order_is_one_like_any_other(venue: Venue) -> None:
    bot = await holder(venue, "AAPL")
    stop = await bot.place("AAPL", "SELL", "10", limit_price="150.00")
    before = (await bot.call("GetAccount")).account

    order = await close(bot, "aapl")

    assert (order.side, order.order_type) == (order_pb2.SIDE_SELL, order_pb2.ORDER_TYPE_MARKET)
    assert (order.quantity, order.status) == ("10.00000000", FILLED)
    assert order.bot_key_id == bot.key_id
    assert await bot.order(order.id) == order
    ended = await bot.order(stop.id)
    assert (ended.status, ended.status_reason) == (CANCELLED, CLOSED)
    assert (await bot.call("ListPositions")).positions == []
    told = await refusal(close(bot))
    assert (told.code, told.reason) == (grpc.StatusCode.NOT_FOUND, "POSITION_NOT_FOUND")
    assert before.balance == "99000.00"
    assert (await bot.call("GetAccount")).account.balance == "99990.00"


async def test_cancels_and_close_come_in_one_transaction_of_the_log(venue: Venue) -> None:
    bot = await holder(venue, "AAPL")
    first = await bot.place("AAPL", "SELL", "5", limit_price="150.00")
    second = await bot.place("AAPL", "SELL", "5", limit_price="160.00")

    stream, _ = await order_updates(bot)
    order = await close(bot)
    updates = [message.order_update for message in await stream.take(4)]

    assert [(update.order.id, update.type) for update in updates] == [
        (second.id, UpdateType.ORDER_UPDATE_TYPE_CANCELLED),
        (first.id, UpdateType.ORDER_UPDATE_TYPE_CANCELLED),
        (order.id, UpdateType.ORDER_UPDATE_TYPE_ACCEPTED),
        (order.id, UpdateType.ORDER_UPDATE_TYPE_FILLED),
    ]


@pytest.mark.parametrize(
    ("fields", "code", "reason", "named"),
    [
        ({"quantity": "11"}, "FAILED_PRECONDITION", "INSUFFICIENT_POSITION", ()),
        ({"percentage": "0.00000001"}, "FAILED_PRECONDITION", "QUANTITY_TOO_SMALL", ()),
        ({"quantity": "1.5"}, "INVALID_ARGUMENT", "QUANTITY_OFF_STEP", ("quantity",)),
        ({"quantity": "0"}, "INVALID_ARGUMENT", "NOT_POSITIVE", ("quantity",)),
        ({"quantity": "x"}, "INVALID_ARGUMENT", "DECIMAL_INVALID", ("quantity",)),
        ({"percentage": "0"}, "INVALID_ARGUMENT", "NOT_POSITIVE", ("percentage",)),
        ({"percentage": "100.00000001"}, "INVALID_ARGUMENT", "FIELD_INVALID", ("percentage",)),
        (
            {"percentage": "50", "quantity": "5"},
            "INVALID_ARGUMENT",
            "FIELD_INVALID",
            ("percentage",),
        ),
        ({"client_order_id": ""}, "INVALID_ARGUMENT", "FIELD_INVALID", ("client_order_id",)),
        ({"symbol": "NOPE"}, "NOT_FOUND", "SYMBOL_UNKNOWN", ()),
        ({"symbol": "GBP-USD"}, "NOT_FOUND", "POSITION_NOT_FOUND", ()),
    ],
    ids=str,
)
async def test_a_close_that_cannot_be_done_is_refused_and_changes_nothing(
    venue: Venue, fields: dict[str, str], code: str, reason: str, named: tuple[str, ...]
) -> None:
    bot = await holder(venue, "EUR-USD")
    await bot.place("EUR-USD", "SELL", "10", limit_price="150.00")
    before = await bot.portfolio()

    told = await refusal(bot.call("ClosePosition", **{"symbol": "EUR-USD", **fields}))

    assert (told.code.name, told.reason, told.fields) == (code, reason, named)
    assert await bot.portfolio() == before
    assert len((await bot.call("ListOrders")).orders) == 2


async def test_a_client_order_id_makes_one_close_even_after_the_position_is_gone(
    venue: Venue,
) -> None:
    bot = await holder(venue, "AAPL")

    first = await close(bot, client_order_id="bye")
    again = await close(bot, client_order_id="bye", percentage="100.0")
    other = [
        await refusal(close(bot, client_order_id="bye", quantity="10")),
        await refusal(close(bot, client_order_id="bye", percentage="50")),
        await refusal(bot.place("AAPL", "SELL", "10", client_order_id="bye")),
    ]

    assert (first.replayed, again.replayed, again.id) == (False, True, first.id)
    assert {told.reason for told in other} == {"CLIENT_ORDER_ID_REUSED"}
    assert (await bot.call("GetOrder", client_order_id="bye")).order.id == first.id


async def test_two_closes_at_once_sell_the_position_once(venue: Venue) -> None:
    bot = await holder(venue, "AAPL")

    answers = await asyncio.gather(
        *(bot.call("ClosePosition", symbol="AAPL") for _ in range(2)), return_exceptions=True
    )
    named = await holder(venue, "MSFT")
    both = await asyncio.gather(*(close(named, "MSFT", client_order_id="once") for _ in range(8)))

    assert [type(answer).__name__ for answer in answers].count("ClosePositionResponse") == 1
    assert len({order.id for order in both}) == 1
    assert sorted(order.replayed for order in both) == [False] + [True] * 7
    assert (await bot.call("ListPositions")).positions == []


async def test_a_repeated_close_that_waits_is_answered_with_the_same_order(venue: Venue) -> None:
    bot = await holder(venue, "AAPL", "MSFT")
    await quoted(venue, "AAPL", size="4")

    first = await close(bot)
    again = await close(bot)
    everything, _, _ = await close_all(bot)
    later, _, _ = await close_all(bot)

    assert (first.filled_quantity, first.replayed) == ("4.00000000", False)
    assert (again.id, again.replayed, again.filled_quantity) == (first.id, True, "4.00000000")
    assert [(order.symbol, order.replayed) for order in everything] == [
        ("AAPL", True),
        ("MSFT", False),
    ]
    assert [(order.id, order.replayed) for order in later] == [(first.id, True)]


async def test_a_halted_account_closes_nothing_and_a_reducing_one_does(venue: Venue) -> None:
    bot, person = await holder(venue, "AAPL"), venue.person()
    account_id = await account_of(bot)
    await set_state(person, account_id, account_pb2.TRADING_STATE_HALTED)

    halted = await close(bot)
    all_halted, _, _ = await close_all(bot)
    await set_state(person, account_id, account_pb2.TRADING_STATE_REDUCING)
    reducing = await close(bot, quantity="4")
    await set_state(person, account_id, account_pb2.TRADING_STATE_ACTIVE)
    await set_rails(person, account_id, daily_loss_max="0.01", position_share_max="0.01")
    after_loss = await close(bot)

    assert [reason(order) for order in (halted, *all_halted)] == ["TRADING_HALTED"] * 2
    assert (reducing.status, after_loss.status) == (FILLED, FILLED)


async def test_a_keys_largest_notional_holds_for_closes_too(venue: Venue) -> None:
    await holder(venue, "AAPL")
    small = await bot_with(venue, order_notional_max="500")

    whole, part = await close(small), await close(small, quantity="5")

    assert reason(whole) == "ORDER_NOTIONAL_EXCEEDED"
    assert part.status == FILLED


async def test_closing_all_closes_what_the_key_may_trade_and_tells_how_many_are_left(
    venue: Venue,
) -> None:
    whole = await holder(venue, "MSFT", "AAPL", "BTC-USD", "SPY")
    stop = await whole.place("AAPL", "SELL", "10", limit_price="150.00")
    fenced = await bot_with(venue, allowed_symbols=["AAPL", "SPY"], scopes=[TRADE])

    denied = await refusal(close(fenced, "MSFT"))
    own = await close_all(fenced)
    nothing = await close_all(fenced)
    rest = await close_all(whole)
    none = await close_all(whole)

    assert denied.reason == "INSTRUMENT_NOT_ALLOWED"
    assert [(order.symbol, order.status) for order in own[0]] == [
        ("AAPL", FILLED),
        ("SPY", FILLED),
    ]
    assert own[1:] == (2, "2")
    assert nothing == ([], 2, "2")
    assert [order.symbol for order in rest[0]] == ["BTC-USD", "MSFT"]
    assert (rest[1:], none) == ((0, "0"), ([], 0, "0"))
    assert (await whole.order(stop.id)).status_reason == CLOSED


async def test_closing_all_goes_on_when_one_position_has_no_quote(venue: Venue) -> None:
    bot = await holder(venue, "AAPL", "MSFT")
    venue.pass_time(seconds=60)
    await quoted(venue, "MSFT")

    orders, _, _ = await close_all(bot)

    assert [(order.symbol, order.status) for order in orders] == [
        ("AAPL", order_pb2.ORDER_STATUS_REJECTED),
        ("MSFT", FILLED),
    ]
    assert reason(orders[0]) == "NO_QUOTE"


async def test_a_person_closes_the_positions_of_a_named_account_past_what_keys_may(
    venue: Venue,
) -> None:
    """No key has placed these orders and fills, so their `bot_key_id` is empty."""
    bot = await holder(venue, "AAPL", "MSFT")
    stop = await bot.place("AAPL", "SELL", "10", limit_price="150.00")
    account_id = await account_of(bot)
    person, stranger = (person_at(venue, name, account_id) for name in ("ada", "bob"))

    held = (await person.call("ListPositions")).positions
    order = await close(person, client_order_id="by hand")
    rest, skipped, _ = await close_all(person)
    fills = (await bot.call("ListFills", limit=2)).fills

    assert [position.symbol for position in held] == ["AAPL", "MSFT"]
    assert [it.symbol for it in (order, *rest)] == ["AAPL", "MSFT"]
    assert [it.bot_key_id for it in (order, *rest, *fills)] == [""] * 4
    assert await bot.order(order.id) == order
    assert (await bot.order(stop.id)).status_reason == CLOSED
    assert skipped == 0
    for call in (close(stranger), close_all(stranger), stranger.call("ListPositions")):
        assert (await refusal(call)).reason == "ACCOUNT_NOT_FOUND"


async def test_a_close_spends_one_order_however_many_positions_there_are(
    start_venue: VenueFactory,
) -> None:
    venue = await start_venue(orders_per_minute=4)
    bot = await holder(venue, "AAPL", "MSFT")

    await close_all(bot)
    await refusal(close(bot))
    told = await refusal(close(bot))

    assert told.reason == "ORDER_RATE_EXCEEDED"


async def test_reading_keys_read_positions_and_close_none(venue: Venue) -> None:
    await holder(venue, "AAPL")
    reading = await bot_with(venue, scopes=[READ])

    assert len((await reading.call("ListPositions")).positions) == 1
    for call in (close(reading), close_all(reading)):
        assert (await refusal(call)).reason == "KEY_SCOPE_MISSING"
