"""Quotes and instruments over gRPC."""

from pathlib import Path

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from bottrading.v1 import order_pb2
from bottrading.v1 import quote_pb2 as pb
from tests.support.venue import NOON, Venue, VenueFactory, refusal

REASON = pb.QuoteRefusalReason


def quote(symbol: str = "AAPL", **fields: object) -> pb.PublishedQuote:
    given: dict[str, object] = {"bid": "1", "ask": "2", "bid_size": "1", "ask_size": "1"}
    return pb.PublishedQuote(symbol=symbol, **given | fields)  # type: ignore[arg-type]


async def test_a_published_quote_is_read_at_once(venue: Venue) -> None:
    bot = await venue.bot()
    answer = await venue.publish("btc/usd", "99999.5", "100000.25", size="3")

    shown = (await bot.call("GetQuote", symbol="BTC-USD")).quote
    assert (answer.accepted, list(answer.refused)) == (1, [])
    assert (shown.bid, shown.ask, shown.ask_size) == (
        "99999.50000000",
        "100000.25000000",
        "3.00000000",
    )
    assert shown.last == "99999.87500000"
    assert not shown.stale
    venue.clock.turn(seconds=15.1)
    assert (await bot.call("GetQuote", symbol="BTC-USD")).quote.stale


REFUSED = [
    ("SYMBOL_UNKNOWN", quote("NOPE")),
    ("SYMBOL_UNKNOWN", quote("")),
    ("DECIMAL_INVALID", quote(bid="NaN")),
    ("DECIMAL_INVALID", quote(ask="Infinity")),
    ("DECIMAL_INVALID", quote(ask_size="")),
    ("PRICE_NOT_POSITIVE", quote(bid="0")),
    ("PRICE_NOT_POSITIVE", quote(bid="-1")),
    ("PRICE_NOT_POSITIVE", quote(last="0")),
    ("SIZE_NEGATIVE", quote(bid_size="-1")),
    ("CROSSED", quote(bid="2.01", ask="2.00")),
    ("SEQUENCE_NEGATIVE", quote(sequence=-1)),
    ("TIME_INVALID", quote(time=Timestamp(seconds=NOON // 1_000_000 + 6))),
    ("TIME_INVALID", quote(time=Timestamp(seconds=0, nanos=-1))),
    ("TIME_INVALID", quote(time=Timestamp(seconds=2**62))),
    ("OUT_OF_DATE", quote(time=Timestamp(seconds=NOON // 1_000_000 - 1))),
    ("DUPLICATE", quote(time=Timestamp(seconds=NOON // 1_000_000), sequence=5)),
]


async def test_a_bad_quote_is_refused_by_itself_and_the_others_are_applied(venue: Venue) -> None:
    operator, bot = venue.person("operator", operator=True), await venue.bot()
    first = quote(time=Timestamp(seconds=NOON // 1_000_000), sequence=5)
    await operator.publish([first])

    answer = await operator.publish([*(bad for _, bad in REFUSED), quote("MSFT")])

    assert answer.accepted == 1
    assert [REASON.Name(item.reason) for item in answer.refused] == [
        f"QUOTE_REFUSAL_REASON_{reason}" for reason, _ in REFUSED
    ]
    shown = (await bot.call("GetQuote", symbol="AAPL")).quote
    assert (shown.bid, shown.sequence) == ("1.00000000", 5)
    assert (await bot.call("GetQuote", symbol="MSFT")).quote.ask == "2.00000000"


async def test_at_most_500_quotes_are_published_at_once(venue: Venue) -> None:
    operator = venue.person("operator", operator=True)

    most = await operator.publish([quote(sequence=number) for number in range(500)])
    told = await refusal(operator.publish([quote()] * 501))
    none = await refusal(operator.publish([]))

    assert most.accepted == 500
    assert (told.code, told.fields) == (grpc.StatusCode.INVALID_ARGUMENT, ("quotes",))
    assert none.fields == ("quotes",)


async def test_several_quotes_of_one_symbol_are_applied_one_after_another(venue: Venue) -> None:
    """An order fills at the first quote that reaches it, not at the last one."""
    operator, bot = venue.person("operator", operator=True), await venue.bot()
    order = await bot.place("AAPL", "BUY", "2", limit_price="50.00")

    await operator.publish([quote(ask="49", sequence=1), quote(ask="48", sequence=2)])

    filled = await bot.order(order.id)
    fills = (await bot.call("ListFills")).fills
    assert filled.status == order_pb2.ORDER_STATUS_FILLED
    assert [fill.price for fill in fills] == ["48.00000000", "49.00000000"]


async def test_quotes_cannot_be_published_on_a_simulated_market(start_venue: VenueFactory) -> None:
    venue = await start_venue(market="simulated", seed=1)

    told = await refusal(venue.person("operator", operator=True).publish([quote()]))

    assert (told.code, told.reason) == (
        grpc.StatusCode.FAILED_PRECONDITION,
        "MARKET_NOT_PUBLISHED",
    )


async def test_the_simulated_market_quotes_every_instrument_and_fills_orders(
    start_venue: VenueFactory,
) -> None:
    venue = await start_venue(market="simulated", seed=1)
    bot = await venue.bot()
    venue.pass_time()
    instruments = (await bot.call("ListInstruments")).instruments
    symbols = [instrument.symbol for instrument in instruments]

    order = await bot.place("AAPL", "BUY", "1")
    account = (await bot.call("GetAccount")).account

    assert symbols == sorted(symbols)
    assert {"AAPL", "MSFT", "NVDA", "SPY", "BTC-USD", "EUR-USD"} <= set(symbols)
    assert all(venue.parts.feed.board.get(symbol) for symbol in symbols)
    assert order.status == order_pb2.ORDER_STATUS_FILLED
    assert account.environment == 1


async def test_quotes_come_in_the_order_asked_for_and_without_those_that_are_not_there(
    venue: Venue,
) -> None:
    bot = await venue.bot()
    for symbol in ("AAPL", "MSFT"):
        await venue.publish(symbol, "1", "2")

    shown = (await bot.call("BatchGetQuotes", symbols=["msft", "NVDA", "AAPL"])).quotes

    assert [item.symbol for item in shown] == ["MSFT", "AAPL"]


async def test_an_unknown_symbol_is_not_found_in_a_path_and_invalid_in_a_list(
    venue: Venue,
) -> None:
    bot = await venue.bot()

    path = await refusal(bot.call("GetQuote", symbol="NOPE"))
    unquoted = await refusal(bot.call("GetQuote", symbol="AAPL"))
    listed = await refusal(bot.call("BatchGetQuotes", symbols=["AAPL", "NOPE"]))
    none = await refusal(bot.call("BatchGetQuotes"))

    assert (path.code, path.reason) == (grpc.StatusCode.NOT_FOUND, "SYMBOL_UNKNOWN")
    assert (unquoted.code, unquoted.reason) == (grpc.StatusCode.NOT_FOUND, "NO_QUOTE")
    assert (listed.code, listed.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "SYMBOL_UNKNOWN")
    assert none.fields == ("symbols",)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"query": "apple"}, "AAPL"),
        ({"query": "btc-"}, "BTC-USD"),
        ({"query": "Btc/U"}, "BTC-USD"),
        ({"asset_type": 3}, "EUR-USD"),
    ],
)
async def test_instruments_are_found_by_type_and_by_text(
    venue: Venue, fields: dict[str, object], expected: str
) -> None:
    bot = await venue.bot()

    found = (await bot.call("ListInstruments", **fields)).instruments

    assert expected in [instrument.symbol for instrument in found]
    assert len(found) < 30
    assert (await refusal(bot.call("ListInstruments", query="x" * 65))).fields == ("query",)


async def test_an_instrument_of_a_universe_file_has_its_own_step_and_says_what_counts_as_dollars(
    start_venue: VenueFactory, tmp_path: Path
) -> None:
    universe = tmp_path / "own.toml"
    line = '{ name = "Bitcoin", price_tick = 0.1, quantity_step = 0.25, quote_currency = "USDT" }'
    universe.write_text(f"[CRYPTO]\nBTC-USD = {line}\n")
    venue = await start_venue(universe_file=universe)
    bot = await venue.bot()
    await venue.publish("BTC-USD", "99", "100", size="0.6")

    (shown,) = (await bot.call("ListInstruments")).instruments
    told = await refusal(bot.place("BTC-USD", "BUY", "0.3"))
    order = await bot.place("BTC-USD", "BUY", "1")

    assert (shown.quantity_step, shown.quote_currency) == ("0.25000000", "USDT")
    assert (told.reason, told.fields) == ("QUANTITY_OFF_STEP", ("quantity",))
    assert order.filled_quantity == "0.50000000"
