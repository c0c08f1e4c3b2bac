"""Whatever a source tells: the venue takes what the book gives it, and no tick ends a feed."""

import itertools
import random
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest

from bottrading_feeds.book import Book
from bottrading_feeds.port import Listing, Tick
from bottrading_feeds.publisher import Publisher
from server.bootstrap.adapters import system_clock
from tests.support.venue import Venue, VenueFactory

AAPL = Listing(
    symbol="AAPL",
    source_symbol="AAPL",
    name="Apple",
    asset_type="STOCK",
    price_tick=Decimal("0.01"),
    quantity_step=Decimal("0.00000001"),
    session="exchange",
    currency="USD",
)
NUMBERS = [
    *("0", "-0", "-0.0", "-0.000000001", "0.000000001", "0.00000001", "1", "100.1", "-1"),
    *("1e400", "-1e400", "1e-400", "1e999999", "1e-999999", "NaN", "sNaN", "-NaN", "Infinity"),
    *("9999999999.99999999", "9999999999.999999999", "10000000000", "999999999", "1000000000"),
    *("1000000000.1", "123456789.123456789123456789", "1" * 500, "0." + "1" * 500),
]
PRICES = ("bid", "bid_size", "ask", "ask_size", "last")
TIMES: list[datetime | None] = [
    None,
    datetime.min.replace(tzinfo=UTC),
    datetime.max.replace(tzinfo=UTC),
    datetime.min.replace(tzinfo=timezone(timedelta(hours=14))),
    datetime.max.replace(tzinfo=timezone(-timedelta(hours=12))),
    datetime(1970, 1, 1, tzinfo=UTC),
]


def hostile_ticks() -> Iterator[dict[str, Any]]:
    """Yield the fields of ticks: each number at each place, and many by chance."""
    good = {"bid": "100", "bid_size": "1", "ask": "101", "ask_size": "1", "last": "100"}
    for name, number in itertools.product(PRICES, NUMBERS):
        yield good | {name: number}
    for number in NUMBERS:
        yield {"last": number}
        yield {"bid": number, "ask": number}
    for moment in TIMES:
        yield good | {"time": moment}
    chance = random.Random(7)
    for _ in range(1_000):
        fields = {name: chance.choice(NUMBERS) for name in PRICES if chance.random() < 0.8}
        yield fields | {"time": chance.choice(TIMES)}


@pytest.fixture
async def venue(start_venue: VenueFactory) -> Venue:
    return await start_venue(now=system_clock())


async def test_no_tick_makes_the_venue_refuse_the_feed(venue: Venue) -> None:
    book = Book([AAPL], lambda: datetime.now(UTC), time.monotonic)
    token = venue.token("bottrading-feed", operator=True)
    count, refused = 0, list[tuple[str, str]]()
    async with Publisher(venue.address, lambda: token) as publisher:
        for fields in hostile_ticks():
            book.connect()
            prices = {name: Decimal(fields[name]) for name in PRICES if name in fields}
            book.tell(Tick(symbol="AAPL", time=fields.get("time"), **prices))
            for quote in book.take(1):
                count += 1
                refused += await publisher.publish([quote])
        book.connect()
        book.tell(Tick(symbol="AAPL", bid=Decimal("0.03"), ask=Decimal("0.04")))
        assert await publisher.publish(book.take(1)) == []

    assert count > 50
    assert {reason for _, reason in refused} <= {"OUT_OF_ORDER"}
