"""Stops, replaced and previewed orders, market hours and settlement, over gRPC."""

from datetime import UTC, datetime

import grpc
import pytest

from bottrading.v1 import bot_trading_pb2 as pb
from bottrading.v1 import error_reason_pb2, order_pb2, order_update_pb2
from server.domain.values import SECOND
from tests.support.venue import Bot, Venue, VenueFactory, refusal

STOP, STOP_LIMIT = order_pb2.ORDER_TYPE_STOP, order_pb2.ORDER_TYPE_STOP_LIMIT
FRIDAY_NIGHT = int(datetime(2026, 11, 20, 22, 30, tzinfo=UTC).timestamp()) * SECOND
MONDAY_MORNING = int(datetime(2026, 11, 23, 14, 30, tzinfo=UTC).timestamp()) * SECOND


async def replaced(bot: Bot, order_id: str, **values: str) -> order_pb2.Order:
    request = pb.ReplaceOrderRequest(order_id=order_id, **values)
    return (await bot.trading.ReplaceOrder(request, metadata=bot.metadata)).order


async def test_a_stop_waits_for_its_price_and_then_fills_as_a_market_order(venue: Venue) -> None:
    bot = await venue.bot()
    await venue.publish("AAPL", "99.90", "100.00")

    waiting = await bot.place("AAPL", quantity="10", order_type=STOP, stop_price="101.00")
    await venue.publish("AAPL", "100.90", "100.99")
    still = await bot.order(waiting.id)
    await venue.publish("AAPL", "101.90", "102.00")
    filled = await bot.order(waiting.id)

    assert (waiting.status, waiting.reserved) == (order_pb2.ORDER_STATUS_OPEN, "1060.50")
    assert not waiting.HasField("triggered_at")
    assert still == waiting
    assert (filled.status, filled.filled_price) == (order_pb2.ORDER_STATUS_FILLED, "102.00000000")
    assert filled.HasField("triggered_at")


async def test_a_stop_limit_that_is_gapped_over_rests_at_its_limit(venue: Venue) -> None:
    bot = await venue.bot()
    order = await bot.place(
        "AAPL", quantity="10", order_type=STOP_LIMIT, stop_price="101.00", limit_price="101.50"
    )
    await venue.publish("AAPL", "104.90", "105.00")
    resting = await bot.order(order.id)
    await venue.publish("AAPL", "100.00", "100.10")
    filled = await bot.order(order.id)

    assert resting.HasField("triggered_at")
    assert resting.status == order_pb2.ORDER_STATUS_OPEN
    assert filled.filled_price == "100.10000000"


async def test_a_replaced_order_keeps_its_id_and_its_fills(venue: Venue) -> None:
    bot = await venue.bot()
    await venue.publish("AAPL", "99.00", "100.00", size="4")
    order = await bot.place("AAPL", quantity="10", limit_price="100.00")

    larger = await replaced(bot, order.id, quantity="20", limit_price="99.50")
    same = await replaced(bot, order.id, quantity="20.0")

    assert order.filled_quantity == larger.filled_quantity == "4.00000000"
    assert (larger.id, larger.quantity, larger.limit_price) == (
        order.id,
        "20.00000000",
        "99.50000000",
    )
    assert larger.reserved == "1592.00"
    assert larger.expires_at == order.expires_at
    assert same == larger


async def test_an_order_replaced_into_the_market_fills_at_once(venue: Venue) -> None:
    bot = await venue.bot()
    await venue.publish("AAPL", "99.00", "100.00")
    order = await bot.place("AAPL", quantity="10", limit_price="95.00")
    filled = await replaced(bot, order.id, limit_price="101.00")
    assert (filled.status, filled.filled_price) == (order_pb2.ORDER_STATUS_FILLED, "100.00000000")


@pytest.mark.parametrize(
    ("values", "code", "reason"),
    [
        ({"quantity": "0"}, "INVALID_ARGUMENT", "NOT_POSITIVE"),
        ({"quantity": "x"}, "INVALID_ARGUMENT", "DECIMAL_INVALID"),
        ({"limit_price": "99.001"}, "INVALID_ARGUMENT", "PRICE_OFF_TICK"),
        ({"stop_price": "99.00"}, "INVALID_ARGUMENT", "STOP_PRICE_NOT_ALLOWED"),
        ({"quantity": "4"}, "FAILED_PRECONDITION", "QUANTITY_ALREADY_FILLED"),
        ({"quantity": "999999"}, "FAILED_PRECONDITION", "INSUFFICIENT_BUYING_POWER"),
        ({"quantity": "9999999999"}, "FAILED_PRECONDITION", "ORDER_TOO_LARGE"),
    ],
)
async def test_a_refused_replacement_changes_nothing(
    venue: Venue, values: dict[str, str], code: str, reason: str
) -> None:
    bot = await venue.bot()
    await venue.publish("AAPL", "99.00", "100.00", size="4")
    order = await bot.place("AAPL", quantity="10", limit_price="100.00")

    told = await refusal(replaced(bot, order.id, **values))

    assert (told.code.name, told.reason) == (code, reason)
    assert await bot.order(order.id) == order


async def test_what_has_ended_or_is_not_there_cannot_be_replaced(venue: Venue) -> None:
    bot, other = await venue.bot(), await venue.bot("bob")
    order = await bot.place("AAPL", quantity="10", limit_price="95.00")
    stranger = await refusal(replaced(other, order.id, quantity="5"))
    malformed = await refusal(replaced(bot, "x", quantity="5"))
    await bot.cancel(order.id)
    ended = await refusal(replaced(bot, order.id, quantity="5"))

    assert stranger.reason == malformed.reason == "ORDER_NOT_FOUND"
    assert stranger.message == malformed.message
    assert (ended.code, ended.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "ORDER_NOT_LIVE")


async def test_a_triggered_stop_cannot_get_another_stop_price(venue: Venue) -> None:
    bot = await venue.bot()
    await venue.publish("AAPL", "99.00", "100.00")
    order = await bot.place(
        "AAPL", quantity="10", order_type=STOP_LIMIT, stop_price="100.00", limit_price="99.50"
    )
    told = await refusal(replaced(bot, order.id, stop_price="101.00"))
    again = await replaced(bot, order.id, stop_price="100.00", limit_price="99.40")

    assert told.reason == "STOP_PRICE_NOT_ALLOWED"
    assert again.limit_price == "99.40000000"


async def test_a_preview_is_what_placing_then_does_and_records_nothing(
    start_venue: VenueFactory,
) -> None:
    venue = await start_venue(fees="default", slippage="default")
    bot = await venue.bot()
    await venue.publish("AAPL", "99.90", "100.00", size="300")

    found = (await bot.call("PreviewOrder", symbol="AAPL", side=1, quantity="200")).preview
    empty = (await bot.call("ListOrders")).orders
    placed = await bot.place("AAPL", quantity="200")
    after = await bot.portfolio()

    assert list(empty) == []
    assert found.order.id == ""
    assert (found.order.status, found.order.filled_price) == (placed.status, placed.filled_price)
    assert found.estimated_fees == placed.fees == "1.00"
    assert found.buying_power_after == after.buying_power
    assert list(found.rejections) == []


async def test_a_preview_tells_every_rule_that_would_reject_the_order(venue: Venue) -> None:
    bot = await venue.bot()
    await venue.publish("AAPL", "99.90", "100.00", size="300")
    ask = {"symbol": "AAPL", "side": 1, "quantity": "2000", "time_in_force": 4}
    found = (await bot.call("PreviewOrder", **ask)).preview
    reasons = [error_reason_pb2.ErrorReason.Name(n) for n in found.rejection_reasons]

    assert reasons == [
        "ERROR_REASON_INSUFFICIENT_BUYING_POWER",
        "ERROR_REASON_FOK_NOT_FILLABLE",
    ]
    assert len(found.rejections) == 2
    assert found.order.status == order_pb2.ORDER_STATUS_REJECTED
    assert found.order.rejection_message == found.rejections[0]
    assert found.buying_power_after == "100000.00"


async def test_a_preview_spends_a_request_and_no_order(start_venue: VenueFactory) -> None:
    venue = await start_venue(orders_per_minute=1)
    bot = await venue.bot()
    for _ in range(3):
        await bot.call("PreviewOrder", symbol="AAPL", side=1, quantity="1")
    limits = (await bot.call("GetLimits")).limits
    assert limits.orders.remaining == 1
    assert limits.requests.remaining == limits.requests.limit - 4, "three previews and GetLimits"


async def test_an_always_open_market_never_closes(venue: Venue) -> None:
    bot = await venue.bot()
    clock = (await bot.call("GetMarketClock")).clock
    assert clock.time.seconds == venue.clock.now // SECOND
    assert len(clock.sessions) == 6
    for session in clock.sessions:
        assert session.open
        assert not session.HasField("next_open")
        assert not session.HasField("next_close")
    assert not clock.HasField("replay"), "the market is in real time"


async def test_orders_of_the_night_execute_on_the_first_quote_of_the_session(
    start_venue: VenueFactory,
) -> None:
    venue = await start_venue(sessions="exchange", now=FRIDAY_NIGHT)
    bot = await venue.bot()
    await venue.publish("AAPL", "99.00", "100.00")

    market = await bot.place("AAPL", quantity="10")
    day = await bot.place("AAPL", quantity="1", limit_price="50.00", time_in_force="DAY")
    at_once = await bot.place("AAPL", quantity="1", time_in_force="IOC")
    await venue.publish("AAPL", "97.00", "98.00")
    at_night = await bot.order(market.id)
    venue.clock.now = MONDAY_MORNING - 2
    await venue.publish("AAPL", "101.00", "101.50")
    venue.clock.now = MONDAY_MORNING
    gap = await bot.place("AAPL", quantity="1")
    await venue.publish("AAPL", "102.00", "103.00")

    assert (market.status, at_night.status) == (1, 1)
    assert at_once.rejection_reason == 47  # MARKET_CLOSED
    assert gap.status == order_pb2.ORDER_STATUS_OPEN, "no quote of the session is there yet"
    assert (await bot.order(market.id)).filled_price == "103.00000000"
    assert (await bot.order(gap.id)).filled_price == "103.00000000"
    assert day.expires_at.seconds * SECOND == MONDAY_MORNING + 6.5 * 3600 * SECOND
    clock = (await bot.call("GetMarketClock")).clock
    assert [session.open for session in clock.sessions] == [True] * 6


async def test_a_position_in_an_option_becomes_money_when_it_expires(
    start_venue: VenueFactory,
) -> None:
    venue = await start_venue()
    bot = await venue.bot()
    listed = (await bot.call("ListInstruments", asset_type=5)).instruments
    call = next(i for i in listed if i.symbol.startswith("AAPL") and i.option_right == 1)
    day_after = datetime.fromisoformat(f"{call.expiry}T00:00:00+00:00").timestamp() + 86_400
    venue.clock.now = int(day_after - 60) * SECOND
    await venue.publish("AAPL", "269.00", "271.00", last="270.00")
    await venue.publish(call.symbol, "11.00", "11.00")
    await bot.place(call.symbol, quantity="2")
    waiting = await bot.place(call.symbol, quantity="1", limit_price="5.00")

    venue.clock.now = int(day_after) * SECOND
    venue.pass_time()
    portfolio = await bot.portfolio()
    kpi = (await bot.call("GetTradingKpi")).kpi
    late = await refusal(bot.place(call.symbol, quantity="1"))

    strike = float(call.strike)
    paid = max(270 - strike, 0) * 200
    assert list(portfolio.positions) == []
    assert float(portfolio.balance) == 100_000 - 2_200 + paid
    assert float(portfolio.realized_pnl) == paid - 2_200
    assert kpi.total_trades == 1
    assert (await bot.order(waiting.id)).status_reason == (
        order_pb2.STATUS_REASON_INSTRUMENT_EXPIRED
    )
    assert late.reason == "INSTRUMENT_EXPIRED"
    event = last_event(venue)
    assert event.type == order_update_pb2.ACCOUNT_UPDATE_TYPE_SETTLED
    assert event.settlement.symbol == call.symbol
    assert float(event.settlement.amount) == paid


def last_event(venue: Venue) -> order_update_pb2.AccountUpdate:
    query = "SELECT payload FROM events ORDER BY sequence DESC LIMIT 1"
    connection = venue.parts.writer.session.connection
    payload = connection.exec_driver_sql(query).scalar_one()
    connection.rollback()
    return order_update_pb2.AccountEvent.FromString(payload).account_update
