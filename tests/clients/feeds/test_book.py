"""The book publishes what holds now, and nothing that cannot be trusted."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from bottrading_feeds.book import Book, Quote
from bottrading_feeds.port import Alive, Listing, Tick, Unreadable

BTC = Listing(
    symbol="BTC-USD",
    source_symbol="BTC/USD",
    name="Bitcoin",
    asset_type="CRYPTO",
    price_tick=Decimal("0.5"),
    quantity_step=Decimal("0.001"),
    session="always-open",
    currency="USD",
)
ETH = replace(BTC, symbol="ETH-USD")
NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)


class Clock:
    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> datetime:
        return NOON + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        return 1_000 + self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def book(clock: Clock) -> Book:
    made = Book([BTC, ETH], clock.now, clock.monotonic)
    made.connect()
    return made


def tick(
    bid: str | None = "100", ask: str | None = "101", at: float | None = 0, **more: Any
) -> Tick:
    """Return a tick; `at` are seconds from noon."""
    time = None if at is None else NOON + timedelta(seconds=at)
    given: dict[str, Any] = {"symbol": "BTC-USD", "bid_size": Decimal(1), "ask_size": Decimal(2)}
    prices = {"bid": bid and Decimal(bid), "ask": ask and Decimal(ask)}
    return Tick(**given | prices | {"time": time} | more)


def shown(quotes: list[Quote]) -> list[tuple[str, str]]:
    return [(str(it.bid.normalize()), str(it.ask.normalize())) for it in quotes]


def test_the_newest_quote_of_a_symbol_wins(book: Book) -> None:
    book.tell(tick("100", "101"))
    book.tell(tick(symbol="ETH-USD"))
    book.tell(tick("102", "103", at=0))

    quotes = book.take(10)
    assert [it.symbol for it in quotes] == ["BTC-USD", "ETH-USD"]
    assert (quotes[0].bid, quotes[0].bid_size, quotes[0].time) == (
        Decimal("102"),
        Decimal("1"),
        NOON,
    )
    assert book.take(10) == []


def test_quotes_of_one_moment_are_in_order(book: Book) -> None:
    sequences = []
    for bid in ("100", "99", "98"):
        book.tell(tick(bid))
        [quote] = book.take(1)
        sequences.append(quote.sequence)

    assert sequences == sorted(set(sequences))


def test_no_more_are_taken_than_fit_and_the_rest_follows(book: Book) -> None:
    book.tell(tick())
    book.tell(tick(symbol="ETH-USD"))

    assert [it.symbol for it in book.take(1)] == ["BTC-USD"]
    assert [it.symbol for it in book.take(1)] == ["ETH-USD"]


def test_what_could_not_be_published_comes_again_unless_it_is_old(book: Book) -> None:
    book.tell(tick("100"))
    book.tell(tick("100", symbol="ETH-USD"))
    failed = book.take(10)
    book.tell(tick("99"))
    book.put_back(failed)

    assert {it.symbol: it.bid for it in book.take(10)} == {"BTC-USD": 99, "ETH-USD": 100}


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        (Unreadable("<html>"), "unreadable"),
        (tick(symbol="DOGE-USD"), "of unknown symbols"),
        (tick("102", "101", at=1), "crossed"),
        (tick("99", "100", at=-1), "out of order"),
        (tick("0", "101", at=1), "without a price on both sides"),
        (tick("-1", "101", at=1), "without a price on both sides"),
        (tick("100", "NaN", at=1), "out of range"),
        (tick("100", "Infinity", at=1), "out of range"),
        (tick("100", "1e10", at=1), "out of range"),
        (tick("100", "9999999999.999999999", at=1), "out of range"),
        (tick(last=Decimal("9999999999.999999999"), at=1), "out of range"),
        (tick(bid_size=Decimal(-1), at=1), "out of range"),
        (tick(ask_size=Decimal("NaN"), at=1), "out of range"),
        (tick(bid="100", ask_size="many", at=1), "unreadable"),
        (tick(last="many", at=1), "unreadable"),
        (tick("0.000000001", "101", at=1), "without a price on both sides"),
    ],
)
def test_what_cannot_be_trusted_is_dropped_and_counted(
    book: Book, clock: Clock, bad: Any, why: str
) -> None:
    clock.seconds = 2
    book.tell(tick("100", "101"))
    book.take(1)

    book.tell(bad)

    assert book.take(1) == []
    assert book.take_counts().dropped == {why: 1}
    book.tell(tick("105", "106", at=2))
    assert shown(book.take(1)) == [("105", "106")]


def test_a_tick_may_tell_one_side(book: Book) -> None:
    book.tell(tick("100", "101"))
    book.tell(tick(None, "102", bid_size=None, ask_size=Decimal(7)))
    book.tell(tick(None, None, bid_size=None, ask_size=None, last=Decimal("100.5")))

    [quote] = book.take(1)
    assert (quote.bid, quote.bid_size, quote.ask, quote.ask_size) == (
        Decimal("100"),
        Decimal("1"),
        Decimal("102"),
        Decimal("7"),
    )
    assert quote.last == Decimal("100.5")


def test_a_move_that_is_told_side_by_side_is_no_lasting_cross(book: Book) -> None:
    book.tell(tick("100", "101"))
    book.tell(tick("103", None, ask_size=None))
    book.tell(tick(None, "104", bid_size=None))

    assert shown(book.take(1)) == [("103", "104")]


def test_a_last_price_becomes_a_documented_spread_and_size(book: Book) -> None:
    book.tell(tick(None, None, bid_size=None, ask_size=None, last=Decimal("50000.1")))

    [quote] = book.take(1)
    assert (quote.bid, quote.ask) == (Decimal("49975"), Decimal("50025.5"))
    assert (quote.bid_size, quote.ask_size) == (Decimal("0.2"), Decimal("0.199"))
    assert book.made_of_last == {"BTC-USD"}
    assert quote.is_indicative
    book.tell(tick())
    assert not book.take(1)[0].is_indicative


def test_a_price_finer_than_the_venue_takes_never_narrows_the_spread(book: Book) -> None:
    book.tell(tick("1.123456789", "1.123456789", bid_size=Decimal("1e30")))

    [quote] = book.take(1)
    assert (quote.bid, quote.ask) == (Decimal("1.12345678"), Decimal("1.12345679"))
    assert quote.bid_size == 1_000_000_000


def test_a_clock_that_is_ahead_is_counted_and_cut(book: Book, clock: Clock) -> None:
    book.tell(tick(at=3))

    [quote] = book.take(1)
    assert (quote.time, book.take_counts().ahead) == (NOON, 1)


def test_an_unchanged_quote_is_confirmed_every_five_seconds(book: Book, clock: Clock) -> None:
    book.tell(tick())
    [quote] = book.take(1)
    clock.seconds = 4.9
    assert book.unchanged() == []
    clock.seconds = 5
    assert book.unchanged() == [quote]
    assert book.unchanged() == []
    clock.seconds = 10
    book.tell(tick(at=9))
    assert book.take(1) == []
    assert book.unchanged() == [quote]


def test_a_quote_that_waits_to_be_published_is_not_confirmed(book: Book, clock: Clock) -> None:
    book.tell(tick("100"))
    book.take(1)
    clock.seconds = 6
    book.tell(tick("99", at=6))

    assert book.unchanged() == []


def test_a_silent_source_confirms_nothing(book: Book, clock: Clock) -> None:
    book.tell(tick())
    book.take(1)
    clock.seconds = 15.1
    assert book.unchanged() == []
    book.tell(Alive())
    assert len(book.unchanged()) == 1


def test_a_lost_connection_confirms_nothing_until_the_next_one_tells(
    book: Book, clock: Clock
) -> None:
    book.tell(tick())
    [quote] = book.take(1)
    book.disconnect()
    clock.seconds = 6
    assert book.unchanged() == []
    book.connect()
    assert book.unchanged() == []

    book.tell(tick(symbol="ETH-USD", at=6))
    assert book.unchanged() == []
    book.tell(tick(at=-1))
    assert book.unchanged() == [quote]


def test_a_connection_may_begin_with_an_old_price(book: Book, clock: Clock) -> None:
    """A quiet market last moved an hour ago."""
    book.tell(tick(at=-3_600))
    [quote] = book.take(1)
    clock.seconds = 5
    book.tell(Alive())

    assert book.unchanged() == [quote]


def test_a_source_that_lags_is_not_confirmed(book: Book, clock: Clock) -> None:
    book.tell(tick("100"))
    clock.seconds = 60
    book.tell(tick("99", at=40))
    book.take(1)
    clock.seconds = 66
    book.tell(Alive())
    assert book.unchanged() == []

    book.tell(tick("99", at=65))
    assert len(book.unchanged()) == 1


@pytest.mark.parametrize(("back", "confirmed"), [(1, 1), (3_600, 0)])
def test_a_source_whose_clock_is_set_back_is_not_confirmed(
    book: Book, clock: Clock, back: float, confirmed: int
) -> None:
    book.tell(tick("99", at=0))
    clock.seconds = 1
    book.tell(tick("100", at=1))
    book.take(10)

    book.tell(tick("90", at=1 - back))
    clock.seconds = 7
    book.tell(Alive())

    assert len(book.unchanged()) == confirmed
    book.tell(tick("91", at=7))
    assert shown(book.take(10)) == [("91", "101")]


def test_after_a_crossed_tick_the_quote_before_no_longer_holds(book: Book, clock: Clock) -> None:
    book.tell(tick("100", "101"))
    book.take(1)
    clock.seconds = 6
    book.tell(tick("102", "101", at=6))

    assert book.unchanged() == []


def test_a_source_without_times_gets_ours(book: Book, clock: Clock) -> None:
    clock.seconds = 1
    book.tell(tick("100", at=None))
    clock.seconds = 2
    book.tell(tick("99", at=None))

    [quote] = book.take(1)
    assert quote.time == NOON + timedelta(seconds=2)
