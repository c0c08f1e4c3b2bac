"""StreamOrderUpdates: where it begins, what it sends, and what it refuses."""

import asyncio
from typing import Any

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration

from bottrading.v1 import (
    account_pb2,
    bot_key_pb2,
    bot_trading_pb2,
    key_management_pb2,
    order_update_pb2,
)
from tests.support.streams import Stream, order_updates, shown, stream_call
from tests.support.venue import Bot, Venue, VenueFactory


@pytest.fixture
async def quoted(venue: Venue) -> Venue:
    await venue.publish("AAPL", "99", "100")
    await venue.publish("MSFT", "199", "200")
    return venue


async def test_a_stream_from_now_sends_what_happens_later(quoted: Venue) -> None:
    bot = await quoted.bot()
    await bot.place()
    stream, begin = await order_updates(bot)

    await bot.place("MSFT")

    assert begin == 3
    assert [shown(it) for it in await stream.take(2)] == ["4 ACCEPTED MSFT", "5 FILLED MSFT"]


async def test_a_stream_after_a_sequence_sends_everything_later_and_goes_on_live(
    quoted: Venue,
) -> None:
    bot = await quoted.bot()
    await bot.place()
    stream, begin = await order_updates(bot, after_sequence=0)
    opened = await stream.read()
    stored = await stream.take(2)
    await bot.place("MSFT", limit_price="1")
    live = await stream.read()

    assert begin == 0
    assert (opened.sequence, opened.account_update.type) == (
        1,
        order_update_pb2.ACCOUNT_UPDATE_TYPE_OPENED,
    )
    assert opened.account_update.time.ToMicroseconds() > 0
    assert [shown(it) for it in [*stored, live]] == [
        "2 ACCEPTED AAPL",
        "3 FILLED AAPL",
        "4 ACCEPTED MSFT",
    ]


async def test_an_update_tells_the_order_as_it_was_then_and_its_fill(quoted: Venue) -> None:
    bot = await quoted.bot()
    stream, _ = await order_updates(bot)
    order = await bot.place()
    accepted, filled = await stream.take(2)

    assert (accepted.order_update.order.id, accepted.order_update.order.filled_quantity) == (
        order.id,
        "0.00000000",
    )
    assert not accepted.order_update.HasField("fill")
    assert filled.order_update.order == order
    assert filled.order_update.fill.order_id == order.id
    assert filled.order_update.fill.quantity == "10.00000000"


async def test_changes_made_together_name_the_same_end_of_their_transaction(quoted: Venue) -> None:
    bot = await quoted.bot()
    for _ in range(3):
        await bot.place(limit_price="1")
    stream, _ = await order_updates(bot, after_sequence=1)
    await bot.call("CancelAllOrders")
    updates = [it.order_update for it in await stream.take(6)]

    assert [it.transaction_end for it in updates] == [2, 3, 4, 7, 7, 7]


async def test_a_halt_comes_with_all_that_it_cancels(quoted: Venue) -> None:
    bot = await quoted.bot()
    await bot.place(limit_price="1")
    stream, _ = await order_updates(bot)
    await halt(quoted, bot)
    halted, cancelled = await stream.take(2)

    assert halted.account_update.trading_state == account_pb2.TRADING_STATE_HALTED
    assert shown(cancelled) == "4 CANCELLED AAPL"
    assert halted.account_update.transaction_end == cancelled.order_update.transaction_end == 4


async def halt(venue: Venue, bot: Any) -> None:
    person = venue.person()
    account = (await bot.call("GetAccount")).account
    request = key_management_pb2.SetTradingStateRequest(
        account_id=account.bot_user_id, trading_state=account_pb2.TRADING_STATE_HALTED
    )
    await person.keys.SetTradingState(request, metadata=person.metadata)


async def test_a_filter_leaves_out_orders_of_other_symbols_but_nothing_of_the_account(
    quoted: Venue,
) -> None:
    bot = await quoted.bot()
    stream, _ = await order_updates(bot, after_sequence=0, symbols=["msft"])
    await bot.place("AAPL")
    await bot.place("MSFT")

    opened, *placed = await stream.take(3)

    assert opened.WhichOneof("message") == "account_update"
    assert [shown(it) for it in placed] == ["4 ACCEPTED MSFT", "5 FILLED MSFT"]


async def test_a_snapshot_is_the_live_orders_as_of_the_beginning(quoted: Venue) -> None:
    bot = await quoted.bot()
    await bot.place("AAPL")
    first = await bot.place("AAPL", limit_price="1")
    second = await bot.place("MSFT", limit_price="1")
    stream, begin = await order_updates(bot, include_snapshot=True)
    third = await bot.place("AAPL", limit_price="2")

    snapshot = await stream.take(2)
    live = await stream.read()

    assert begin == 5
    assert [(it.sequence, it.snapshot_order) for it in snapshot] == [(5, first), (5, second)]
    assert (live.sequence, live.order_update.order) == (6, third)


async def test_a_snapshot_of_a_resumed_stream_comes_when_it_has_caught_up(quoted: Venue) -> None:
    """A browser requests the same URL again, so a snapshot and a sequence can come together."""
    bot = await quoted.bot()
    await bot.place("AAPL", limit_price="1")
    other = await bot.place("MSFT", limit_price="1")
    await bot.call("CancelAllOrders", symbol="AAPL")
    stream, begin = await order_updates(
        bot, after_sequence=1, include_snapshot=True, symbols=["AAPL", "MSFT"]
    )

    caught_up = await stream.take(3)
    snapshot = await stream.read()

    assert begin == 1
    assert [shown(it) for it in caught_up] == [
        "2 ACCEPTED AAPL",
        "3 ACCEPTED MSFT",
        "4 CANCELLED AAPL",
    ]
    assert (snapshot.sequence, snapshot.snapshot_order) == (4, other)


async def test_a_snapshot_leaves_out_symbols_that_were_not_asked_for(quoted: Venue) -> None:
    bot = await quoted.bot()
    await bot.place("AAPL", limit_price="1")
    wanted = await bot.place("MSFT", limit_price="1")
    stream, _ = await order_updates(bot, include_snapshot=True, symbols=["MSFT"])

    assert (await stream.read()).snapshot_order == wanted


async def test_a_heartbeat_promises_what_a_filter_left_out(quoted: Venue) -> None:
    bot = await quoted.bot()
    await bot.place("AAPL")
    stream, _ = await order_updates(bot, after_sequence=1, symbols=["MSFT"], heartbeat_seconds=1)

    beat = await stream.read()

    assert (beat.WhichOneof("message"), beat.sequence) == ("heartbeat", 3)
    assert beat.heartbeat.time.ToMicroseconds() == quoted.clock.now


async def test_a_stream_far_behind_is_sent_all_of_a_long_log(start_venue: VenueFactory) -> None:
    """There are more entries than memory keeps, and a transaction larger than a page."""
    venue = await start_venue(orders_per_minute=10_000, requests_per_minute=10_000)
    await venue.publish("AAPL", "99", "100")
    bot = await venue.bot()
    follower, _ = await order_updates(bot)
    for _ in range(10):
        await asyncio.gather(*(bot.place(quantity="1", limit_price="1") for _ in range(40)))
    await bot.call("CancelAllOrders")
    late, _ = await order_updates(bot, after_sequence=1)

    for stream in (follower, late):
        messages = await stream.take(800)
        assert [it.sequence for it in messages] == list(range(2, 802))
        assert messages[400].order_update.transaction_end == 801


async def test_readers_of_one_account_each_get_everything(quoted: Venue) -> None:
    bot = await quoted.bot()
    streams = [(await order_updates(bot))[0] for _ in range(5)]
    await bot.place()

    for stream in streams:
        assert [shown(it) for it in await stream.take(2)] == ["2 ACCEPTED AAPL", "3 FILLED AAPL"]


async def test_nobody_is_sent_what_happens_on_another_account(quoted: Venue) -> None:
    ada, bob = await quoted.bot("ada"), await quoted.bot("bob")
    stream, _ = await order_updates(ada, after_sequence=1)
    await bob.place("MSFT")
    await ada.place("AAPL")

    assert [shown(it) for it in await stream.take(2)] == ["2 ACCEPTED AAPL", "3 FILLED AAPL"]


async def test_an_open_stream_tells_its_request_id_and_rates_at_once(quoted: Venue) -> None:
    bot = await quoted.bot()
    metadata = (*bot.metadata, ("x-request-id", "mine"))
    stream, _ = await order_updates(bot, metadata=metadata)
    head = dict(await stream.call.initial_metadata())

    assert head["x-request-id"] == "mine"
    assert (head["x-ratelimit-limit"], head["x-ratelimit-remaining"]) == ("120", "119")


BAD: list[tuple[dict[str, Any], str, str]] = [
    ({"after_sequence": -1}, "FIELD_INVALID", "after_sequence"),
    ({"symbols": ["NOPE"]}, "SYMBOL_UNKNOWN", "symbols"),
    ({"symbols": ["AAPL"] * 101}, "FIELD_INVALID", "symbols"),
    ({"heartbeat_interval": Duration()}, "FIELD_INVALID", "heartbeat_interval"),
    ({"heartbeat_interval": Duration(nanos=999_999_999)}, "FIELD_INVALID", "heartbeat_interval"),
    ({"heartbeat_interval": Duration(seconds=120, nanos=1)}, "FIELD_INVALID", "heartbeat_interval"),
    ({"heartbeat_interval": Duration(seconds=-1)}, "FIELD_INVALID", "heartbeat_interval"),
]


@pytest.mark.parametrize(("fields", "reason", "field"), BAD)
async def test_a_wrong_field_is_refused_by_name(
    venue: Venue, fields: dict[str, Any], reason: str, field: str
) -> None:
    bot = await venue.bot()
    request = bot_trading_pb2.StreamOrderUpdatesRequest(**fields)
    told = await Stream(bot.trading.StreamOrderUpdates(request, metadata=bot.metadata)).end()

    assert (told.code, told.reason) == (grpc.StatusCode.INVALID_ARGUMENT, reason)
    assert told.fields == (field,)


async def test_a_sequence_above_the_newest_is_out_of_range(venue: Venue) -> None:
    bot = await venue.bot()
    told = await Stream(stream_call(bot, after_sequence=2)).end()
    newest, _ = await order_updates(bot, after_sequence=1)

    assert (told.code, told.reason) == (grpc.StatusCode.OUT_OF_RANGE, "SEQUENCE_IN_FUTURE")
    assert "1" in told.message
    newest.call.cancel()


async def test_malformed_bytes_are_refused_like_those_of_any_call(venue: Venue) -> None:
    bot = await venue.bot()
    call: Any = venue.channel.unary_stream("/bottrading.v1.BotTrading/StreamOrderUpdates")
    told = await Stream(call(b"\x00", metadata=bot.metadata)).end()

    assert (told.code, told.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "MALFORMED_REQUEST")


async def test_opening_a_stream_spends_one_request(venue: Venue) -> None:
    bot = await venue.bot()
    before = (await bot.call("GetLimits")).limits
    await order_updates(bot)
    after = (await bot.call("GetLimits")).limits

    # One request for the stream and one for this call.
    assert after.requests.remaining == before.requests.remaining - 2
    assert after.orders.remaining == before.orders.remaining


async def test_a_key_without_the_scope_read_opens_no_stream(venue: Venue) -> None:
    person = venue.person()
    request = key_management_pb2.CreateBotKeyRequest(
        label="trader", scopes=[bot_key_pb2.KEY_SCOPE_TRADE]
    )
    made = (await person.keys.CreateBotKey(request, metadata=person.metadata)).bot_key
    told = await Stream(stream_call(Bot(venue, made.key))).end()

    assert (told.code, told.reason) == (grpc.StatusCode.PERMISSION_DENIED, "KEY_SCOPE_MISSING")
