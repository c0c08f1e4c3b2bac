"""A quiet market is not a dead one: a feed confirms quotes that have not changed."""

from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from bottrading.v1 import order_pb2
from bottrading.v1 import quote_pb2 as pb
from server.domain.values import SECOND, Micros
from tests.support.streams import quotes
from tests.support.venue import NOON, Bot, Venue, VenueFactory

FILLED = order_pb2.ORDER_STATUS_FILLED
OPEN = order_pb2.ORDER_STATUS_OPEN
PARTIALLY_FILLED = order_pb2.ORDER_STATUS_PARTIALLY_FILLED
REJECTED = order_pb2.ORDER_STATUS_REJECTED
REASON = pb.QuoteRefusalReason


def quote(at: Micros = NOON, **fields: Any) -> pb.PublishedQuote:
    given: dict[str, Any] = {
        "symbol": "AAPL",
        "bid": "99",
        "bid_size": "10",
        "ask": "100",
        "ask_size": "10",
        "time": Timestamp(seconds=at // SECOND),
        "sequence": 1,
    }
    return pb.PublishedQuote(**given | fields)


async def publish(venue: Venue, *quotes: pb.PublishedQuote) -> Any:
    return await venue.person("feed", operator=True).publish(list(quotes))


async def is_stale(bot: Bot, symbol: str = "AAPL") -> bool:
    return bool((await bot.call("GetQuote", symbol=symbol)).quote.stale)


async def test_a_confirmation_keeps_a_quote_fresh(venue: Venue) -> None:
    bot = await venue.bot()
    await publish(venue, quote())
    venue.clock.turn(seconds=14)
    assert (await publish(venue, quote(confirmed=True))).accepted == 1

    venue.clock.turn(seconds=15)
    assert not await is_stale(bot)
    assert (await bot.place()).status == FILLED
    venue.clock.turn(seconds=0.1)
    assert await is_stale(bot)
    assert (await bot.place()).status == REJECTED


async def test_a_confirmation_never_gives_back_a_size_that_was_taken(venue: Venue) -> None:
    bot = await venue.bot()
    await publish(venue, quote())
    assert (await bot.place(quantity="8")).status == FILLED
    waiting = await bot.place(quantity="5", limit_price="100")
    assert (waiting.status, waiting.filled_quantity) == (PARTIALLY_FILLED, "2.00000000")

    for _ in range(5):
        venue.clock.turn(seconds=5)
        await publish(venue, quote(confirmed=True))
    assert (await bot.order(waiting.id)).filled_quantity == "2.00000000"

    await publish(venue, quote(NOON + 26 * SECOND))
    assert (await bot.order(waiting.id)).status == FILLED


async def test_what_came_while_a_quote_was_stale_fills_once_it_is_confirmed(venue: Venue) -> None:
    bot = await venue.bot()
    await publish(venue, quote())
    assert (await bot.place(quantity="6")).status == FILLED
    venue.clock.turn(seconds=60)
    waiting = await bot.place(quantity="6", limit_price="100")
    assert waiting.status == OPEN

    await publish(venue, quote(confirmed=True))
    assert (await bot.order(waiting.id)).filled_quantity == "4.00000000"
    await publish(venue, quote(confirmed=True))
    assert (await bot.order(waiting.id)).filled_quantity == "4.00000000"


async def test_a_quote_may_be_old_when_the_source_shows_it_first(venue: Venue) -> None:
    bot = await venue.bot()
    old = quote(NOON - 600 * SECOND, confirmed=True)
    assert (await publish(venue, old)).accepted == 1

    shown = (await bot.call("GetQuote", symbol="AAPL")).quote
    assert (shown.stale, shown.time.seconds) == (False, NOON // SECOND - 600)
    assert (await bot.place()).status == FILLED


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"ask_size": "11"}, REASON.QUOTE_REFUSAL_REASON_DUPLICATE),
        ({"sequence": 0}, REASON.QUOTE_REFUSAL_REASON_OUT_OF_DATE),
        ({"symbol": "NOPE"}, REASON.QUOTE_REFUSAL_REASON_SYMBOL_UNKNOWN),
        ({"bid": "101"}, REASON.QUOTE_REFUSAL_REASON_CROSSED),
    ],
)
async def test_only_the_newest_quote_can_be_confirmed(
    venue: Venue, fields: dict[str, Any], why: int
) -> None:
    bot = await venue.bot()
    await publish(venue, quote())
    venue.clock.turn(seconds=60)

    answer = await publish(venue, quote(confirmed=True, **fields))

    assert [it.reason for it in answer.refused] == [why]
    assert await is_stale(bot)


async def test_a_newer_quote_ends_the_confirmation_of_the_one_before(venue: Venue) -> None:
    bot = await venue.bot()
    await publish(venue, quote())
    venue.clock.turn(seconds=60)
    late = quote(NOON + 10 * SECOND)
    await publish(venue, quote(confirmed=True))
    assert not await is_stale(bot)

    answer = await publish(venue, quote(confirmed=True), late)

    assert [(it.symbol, it.reason) for it in answer.refused] == [
        ("AAPL", REASON.QUOTE_REFUSAL_REASON_DUPLICATE)
    ]
    assert await is_stale(bot)


async def test_a_quote_of_the_run_before_is_stale_until_it_is_confirmed(
    start_venue: VenueFactory,
) -> None:
    first = await start_venue()
    bot = await first.bot()
    await publish(first, quote())
    assert (await bot.place(quantity="6")).status == FILLED
    first.pass_time()

    second = await start_venue(now=NOON + 3 * SECOND)
    bot = Bot(second, bot.key)
    waiting = await bot.place(quantity="6", limit_price="100")
    assert waiting.status == OPEN

    await publish(second, quote(confirmed=True))

    assert not await is_stale(bot)
    assert (await bot.order(waiting.id)).filled_quantity == "4.00000000"


async def test_a_stream_says_that_a_quote_is_fresh_again(venue: Venue) -> None:
    bot = await venue.bot()
    await publish(venue, quote())
    venue.clock.turn(seconds=60)
    stream = quotes(bot, "AAPL")
    assert (await stream.read()).quote.stale

    await publish(venue, quote(confirmed=True))

    assert not (await stream.read()).quote.stale


async def test_a_quote_made_of_a_last_price_is_marked(venue: Venue) -> None:
    bot = await venue.bot()
    await publish(venue, quote(indicative=True), quote(symbol="MSFT"))

    shown = (await bot.call("BatchGetQuotes", symbols=["AAPL", "MSFT"])).quotes
    assert [it.indicative for it in shown] == [True, False]
