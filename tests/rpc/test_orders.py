"""Orders over gRPC, from the call to what is stored."""

import asyncio

import grpc
import pytest

from bottrading.v1 import error_reason_pb2, order_pb2
from tests.support.accounts import kpi_of
from tests.support.venue import Venue, VenueFactory, refusal

pytestmark = pytest.mark.both

UNKNOWN_ID = "0198c0de-0000-7000-8000-000000000000"


async def test_a_market_order_fills_at_the_quote_and_shows_in_the_portfolio(venue: Venue) -> None:
    bot = await venue.bot()
    await venue.publish("AAPL", "184.99", "185.00")

    order = await bot.place("AAPL", "BUY", "10")
    portfolio = await bot.portfolio()

    assert order.status == order_pb2.ORDER_STATUS_FILLED
    assert (order.filled_quantity, order.filled_price) == ("10.00000000", "185.00000000")
    assert (portfolio.balance, portfolio.total_equity) == ("98150.00", "99999.95")
    (position,) = portfolio.positions
    assert (position.quantity, position.avg_cost) == ("10.00000000", "185.00000000")
    assert (position.current_price, position.market_value) == ("184.99500000", "1849.95000000")
    assert (position.unrealized_pnl, position.unrealized_pnl_pct) == ("-0.05", "0.00")


async def test_a_resting_limit_order_fills_when_a_quote_reaches_it(venue: Venue) -> None:
    bot = await venue.bot()
    await venue.publish("AAPL", "184.99", "185.00")

    resting = await bot.place("AAPL", "BUY", "10", limit_price="184.00")
    before = await bot.portfolio()
    await venue.publish("AAPL", "183.89", "183.90")
    filled = await bot.order(resting.id)

    assert resting.status == order_pb2.ORDER_STATUS_OPEN
    assert (resting.reserved, before.buying_power) == ("1840.00", "98160.00")
    assert filled.status == order_pb2.ORDER_STATUS_FILLED
    assert (filled.filled_price, filled.reserved) == ("183.90000000", "0.00")
    assert (await bot.portfolio()).buying_power == "98161.00"


async def test_what_was_taken_of_a_quote_is_gone_until_the_next_also_after_a_restart(
    start_venue: VenueFactory,
) -> None:
    venue = await start_venue()
    bot = await venue.bot()
    await venue.publish("AAPL", "184.99", "185.00", size="15")
    moment = venue.clock.now

    first = await bot.place("AAPL", "BUY", "10")
    second = await bot.place("AAPL", "BUY", "10")
    await venue.stop()
    again = await start_venue(now=moment)
    again.clock.now = moment - 1
    await again.publish("AAPL", "184.99", "185.00", size="15")
    bot = type(bot)(again, bot.key)
    third = await bot.place("AAPL", "BUY", "10")

    assert first.filled_quantity == "10.00000000"
    assert (second.filled_quantity, second.status) == (
        "5.00000000",
        order_pb2.ORDER_STATUS_PARTIALLY_FILLED,
    )
    assert third.filled_quantity == "0.00000000"


@pytest.mark.parametrize(
    ("time_in_force", "status", "filled"),
    [
        ("GTC", order_pb2.ORDER_STATUS_PARTIALLY_FILLED, "4.00000000"),
        ("DAY", order_pb2.ORDER_STATUS_PARTIALLY_FILLED, "4.00000000"),
        ("IOC", order_pb2.ORDER_STATUS_CANCELLED, "4.00000000"),
        ("FOK", order_pb2.ORDER_STATUS_REJECTED, "0.00000000"),
    ],
)
async def test_each_time_in_force_ends_as_it_says(
    venue: Venue, time_in_force: str, status: int, filled: str
) -> None:
    bot = await venue.bot()
    await venue.publish("AAPL", "184.99", "185.00", size="4")

    order = await bot.place("AAPL", "BUY", "10", time_in_force=time_in_force)

    assert (order.status, order.filled_quantity) == (status, filled)


async def test_a_day_order_ends_at_midnight_and_a_gtc_order_after_90_days(venue: Venue) -> None:
    bot = await venue.bot()
    await venue.publish("AAPL", "184.99", "185.00")
    day = await bot.place("AAPL", "BUY", "1", limit_price="1.00", time_in_force="DAY")
    gtc = await bot.place("AAPL", "BUY", "1", limit_price="1.00")

    venue.pass_time(seconds=12 * 3600)
    ended, waiting = await bot.order(day.id), await bot.order(gtc.id)
    venue.pass_time(seconds=90 * 86_400)
    over = await bot.order(gtc.id)

    assert ended.status_reason == order_pb2.STATUS_REASON_EXPIRED_DAY
    assert waiting.status == order_pb2.ORDER_STATUS_OPEN
    assert (over.status, over.status_reason) == (
        order_pb2.ORDER_STATUS_CANCELLED,
        order_pb2.STATUS_REASON_EXPIRED_GTC,
    )
    assert (await bot.portfolio()).reserved == "0.00"


async def test_a_cancelled_order_releases_its_reservation_and_cancels_again(venue: Venue) -> None:
    bot = await venue.bot()
    order = await bot.place("AAPL", "BUY", "10", limit_price="100.00")

    first, again = await bot.cancel(order.id), await bot.cancel(order.id)

    assert first.status == order_pb2.ORDER_STATUS_CANCELLED
    assert first.status_reason == order_pb2.STATUS_REASON_REQUESTED
    assert again == first
    assert (await bot.portfolio()).reserved == "0.00"


async def test_a_filled_or_rejected_order_cannot_be_cancelled(venue: Venue) -> None:
    bot = await venue.bot()
    rejected = await bot.place("AAPL", "SELL", "1", limit_price="1.00")
    await venue.publish("AAPL", "184.99", "185.00")
    filled = await bot.place("AAPL", "BUY", "1")

    for order in (rejected, filled):
        told = await refusal(bot.cancel(order.id))
        assert (told.code, told.reason) == (
            grpc.StatusCode.FAILED_PRECONDITION,
            "ORDER_NOT_LIVE",
        )


async def test_cancelling_all_orders_of_a_symbol_leaves_the_others(venue: Venue) -> None:
    bot = await venue.bot()
    apple = [await bot.place("AAPL", "BUY", "1", limit_price="1.00") for _ in range(3)]
    other = await bot.place("MSFT", "BUY", "1", limit_price="1.00")

    cancelled = (await bot.call("CancelAllOrders", symbol="aapl")).orders
    live = (await bot.call("ListOrders", status=order_pb2.ORDER_STATUS_OPEN)).orders
    rest = (await bot.call("CancelAllOrders")).orders

    assert [order.id for order in cancelled] == [order.id for order in reversed(apple)]
    assert [order.id for order in live] == [other.id]
    assert [order.id for order in rest] == [other.id]


async def test_the_same_client_order_id_64_times_at_once_makes_one_order(
    start_venue: VenueFactory,
) -> None:
    venue = await start_venue(orders_per_minute=100)
    bot = await venue.bot()
    await venue.publish("AAPL", "184.99", "185.00")

    orders = await asyncio.gather(
        *(bot.place("AAPL", "BUY", "1", client_order_id="only-once") for _ in range(64))
    )

    assert {order.id for order in orders} == {orders[0].id}
    assert sum(not order.replayed for order in orders) == 1
    assert len((await bot.call("ListOrders")).orders) == 1


async def test_a_client_order_id_replays_the_same_order_however_its_decimals_look(
    venue: Venue,
) -> None:
    bot = await venue.bot()
    first = await bot.place("AAPL", "BUY", "10", limit_price="1.5", client_order_id="a")
    await bot.cancel(first.id)

    replay = await bot.place("aapl", "BUY", "10.0", limit_price="1.50", client_order_id="a")
    told = await refusal(bot.place("AAPL", "BUY", "11", limit_price="1.5", client_order_id="a"))
    found = (await bot.call("GetOrder", client_order_id="a")).order

    assert (replay.id, replay.replayed) == (first.id, True)
    assert replay.status == order_pb2.ORDER_STATUS_CANCELLED
    assert (told.code, told.reason) == (
        grpc.StatusCode.ALREADY_EXISTS,
        "CLIENT_ORDER_ID_REUSED",
    )
    assert found.id == first.id


async def test_a_rejected_order_keeps_its_client_order_id_and_a_refused_one_does_not(
    venue: Venue,
) -> None:
    bot = await venue.bot()

    rejected = await bot.place("AAPL", "BUY", "10", client_order_id="a")
    replay = await bot.place("AAPL", "BUY", "10", client_order_id="a")
    await refusal(bot.place("AAPL", "BUY", "0", client_order_id="b"))
    await venue.publish("AAPL", "184.99", "185.00")
    placed = await bot.place("AAPL", "BUY", "10", client_order_id="b")

    assert rejected.rejection_reason == error_reason_pb2.ERROR_REASON_NO_QUOTE
    assert (replay.id, replay.replayed) == (rejected.id, True)
    assert placed.status == order_pb2.ORDER_STATUS_FILLED


async def test_nobody_sees_or_cancels_the_orders_of_another_account(venue: Venue) -> None:
    ada, bob = await venue.bot("ada"), await venue.bot("bob")
    order = await ada.place("AAPL", "BUY", "10", limit_price="1.00", client_order_id="a")

    strangers = [
        refusal(bob.order(order.id)),
        refusal(bob.cancel(order.id)),
        refusal(bob.call("GetOrder", client_order_id="a")),
        refusal(bob.order(UNKNOWN_ID)),
        refusal(bob.cancel("not an id")),
        refusal(bob.order("not an id")),
    ]
    told = [await stranger for stranger in strangers]

    assert {(it.code, it.reason, it.message) for it in told} == {
        (grpc.StatusCode.NOT_FOUND, "ORDER_NOT_FOUND", "There is no such order.")
    }
    assert (await bob.call("ListOrders")).orders == []
    assert (await bob.call("CancelAllOrders")).orders == []
    assert (await bob.place("AAPL", "BUY", "1", limit_price="1.0", client_order_id="a")).id
    assert (await ada.order(order.id)).status == order_pb2.ORDER_STATUS_OPEN


async def test_orders_are_listed_newest_first_a_page_at_a_time(venue: Venue) -> None:
    bot = await venue.bot()
    placed = []
    for number in range(7):
        venue.clock.turn(seconds=1)
        placed.append(await bot.place("AAPL", "BUY", "1", limit_price=f"{number + 1}.00"))
    await bot.cancel(placed[0].id)

    first = await bot.call("ListOrders", limit=3)
    second = await bot.call("ListOrders", limit=3, page_token=first.next_page_token)
    third = await bot.call("ListOrders", limit=3, page_token=second.next_page_token)
    later = await bot.call("ListOrders", after=placed[5].created_at)
    until = await bot.call("ListOrders", until=placed[1].created_at)
    ended = await bot.call("ListOrders", status=order_pb2.ORDER_STATUS_CANCELLED)

    pages = [*first.orders, *second.orders, *third.orders]
    assert [order.id for order in pages] == [order.id for order in reversed(placed)]
    assert third.next_page_token == ""
    assert [order.id for order in later.orders] == [placed[6].id]
    assert [order.id for order in until.orders] == [placed[1].id, placed[0].id]
    assert [order.id for order in ended.orders] == [placed[0].id]


async def test_a_page_token_is_good_for_its_own_listing_only(venue: Venue) -> None:
    bot = await venue.bot()
    for _ in range(2):
        await bot.place("AAPL", "BUY", "1", limit_price="1.00")
    token = (await bot.call("ListOrders", limit=1)).next_page_token

    for fields in (
        {"page_token": "nonsense"},
        {"page_token": token, "symbol": "AAPL"},
        {"page_token": token + "A"},
        {"page_token": "é"},
        {"page_token": "A" * 5000},
    ):
        told = await refusal(bot.call("ListOrders", **fields))
        assert (told.reason, told.fields) == ("PAGE_TOKEN_INVALID", ("page_token",))
    told = await refusal(bot.call("ListFills", page_token=token))
    assert told.reason == "PAGE_TOKEN_INVALID"


async def test_fills_are_listed_with_what_a_sale_realised(venue: Venue) -> None:
    bot = await venue.bot()
    await venue.publish("AAPL", "99.00", "100.00")
    bought = await bot.place("AAPL", "BUY", "10")
    await venue.publish("AAPL", "110.00", "111.00")
    sold = await bot.place("AAPL", "SELL", "4")

    fills = (await bot.call("ListFills")).fills
    of_order = (await bot.call("ListFills", order_id=bought.id)).fills

    assert [(fill.order_id, fill.amount) for fill in fills] == [
        (sold.id, "440.00"),
        (bought.id, "1000.00"),
    ]
    assert (fills[0].realized_pnl, fills[1].HasField("realized_pnl")) == ("40.00", False)
    assert [fill.order_id for fill in of_order] == [bought.id]
    assert (await bot.portfolio()).realized_pnl == "40.00"


async def test_a_stop_order_without_its_price_is_refused(venue: Venue) -> None:
    bot = await venue.bot()
    missing = await refusal(bot.place("AAPL", "SELL", "1", order_type=order_pb2.ORDER_TYPE_STOP))
    assert missing.reason == "STOP_PRICE_REQUIRED"
    assert (await bot.call("ListOrders")).orders == []


async def test_what_rounding_takes_is_a_fee_and_moves_no_average_cost(venue: Venue) -> None:
    """A coin for 0.16234 costs 0.17: 0.00766 are fees, and the price paid is 0.16234."""
    bot = await venue.bot()
    await venue.publish("DOGE-USD", "0.16234", "0.16234")
    for side in ("BUY", "BUY", "BUY", "SELL"):
        await bot.place("DOGE-USD", side, "1")
        portfolio = await bot.portfolio()
        (position,) = portfolio.positions
        shown = (position.avg_cost, position.unrealized_pnl, position.unrealized_pnl_pct)
        assert shown == ("0.16234000", "0.00", "0.00")
    sale, *_, first = (await bot.call("ListFills")).fills

    assert (first.amount, first.fee, first.rounding) == ("0.17", "0.00", "0.00766000")
    assert (sale.amount, sale.fee, sale.rounding) == ("0.16", "0.00", "0.00234000")
    assert (sale.realized_pnl, portfolio.realized_pnl) == ("-0.01", "-0.01")
    assert (portfolio.balance, portfolio.fees_paid) == ("99999.65", "0.03")
    assert (await kpi_of(bot)).expectancy == -0.01
