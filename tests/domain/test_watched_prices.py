"""Watched prices: which price a live order waits for, and the order in which reached ones fill."""

from itertools import permutations, product

import pytest

from server.domain.matching import priority
from server.domain.order_types import ANY_ASK, ANY_BID, Watch, phase
from server.domain.resting import NOTHING_RESTS
from server.domain.values import SCALE, Price, parse_units
from tests.domain.book import Book
from tests.domain.scenario import play


def waiting_book() -> Book:
    """Return a book whose orders all wait for the opening, except f and p: they are triggered."""
    return play("""
    10:00:00 | quote AAPL 100 x 0 / 100 x 50       | -
             | z: buy 9 AAPL                       | z ACCEPTED
             |                                     | z FILLED 9 at 100
             | f: buy 1 AAPL stop 95 limit 97      | f ACCEPTED
             |                                     | f TRIGGERED
             | p: sell 1 AAPL stop 105 limit 103   | p ACCEPTED
             |                                     | p TRIGGERED
             | close                               | -
             | a: buy 1 AAPL stop 103              | a ACCEPTED
             | b: buy 1 AAPL stop 101 limit 200    | b ACCEPTED
             | c: buy 1 AAPL stop 101              | c ACCEPTED
             | d: buy 1 AAPL limit 96              | d ACCEPTED
             | e: buy 1 AAPL limit 98              | e ACCEPTED
             | g: buy 1 AAPL                       | g ACCEPTED
             | k: sell 1 AAPL stop 95              | k ACCEPTED
             | l: sell 1 AAPL stop 97              | l ACCEPTED
             | m: sell 1 AAPL stop 97 limit 1      | m ACCEPTED
             | n: sell 1 AAPL limit 104            | n ACCEPTED
             | o: sell 1 AAPL limit 102            | o ACCEPTED
             | q: sell 1 AAPL                      | q ACCEPTED
    """)


@pytest.mark.parametrize(
    ("order", "movement", "price"),
    [
        ("a", "ASK_RISES", parse_units("103")),
        ("b", "ASK_RISES", parse_units("101")),
        ("e", "ASK_FALLS", parse_units("98")),
        ("f", "ASK_FALLS", parse_units("97")),
        ("g", "ASK_FALLS", ANY_ASK),
        ("k", "BID_FALLS", parse_units("95")),
        ("m", "BID_FALLS", parse_units("97")),
        ("n", "BID_RISES", parse_units("104")),
        ("p", "BID_RISES", parse_units("103")),
        ("q", "BID_RISES", ANY_BID),
    ],
)
def test_a_live_order_waits_for_one_movement_of_one_side(
    order: str, movement: str, price: int
) -> None:
    waiting = waiting_book().orders[order]
    found, at = phase(waiting).watch(waiting)
    assert (found.value, at) == (movement, price)


@pytest.mark.parametrize("some", ["abcdefgklmnopqz", "abckp", "dfo", "kn", "z", ""])
def test_a_quote_misses_the_resting_prices_if_and_only_if_it_reaches_no_order(some: str) -> None:
    waiting = [order for order in waiting_book().live_orders if order.id in some]
    watches = [phase(order).watch(order) for order in waiting]
    prices = NOTHING_RESTS
    for watch in watches:
        prices = prices.including(*watch)

    for bid, ask in product(range(90, 110), repeat=2):
        quoted = Price(bid * SCALE), Price(ask * SCALE)
        assert prices.misses(*quoted) is not any(is_reached(*watch, *quoted) for watch in watches)


def is_reached(movement: Watch, price: Price, bid: Price, ask: Price) -> bool:
    match movement:
        case Watch.ASK_FALLS:
            return ask <= price
        case Watch.ASK_RISES:
            return ask >= price
        case Watch.BID_FALLS:
            return bid <= price
        case Watch.BID_RISES:
            return bid >= price


def test_active_orders_come_first_then_stops_as_they_are_reached_then_the_earliest() -> None:
    live = waiting_book().live_orders
    expected = ["g", "e", "f", "d", "q", "o", "p", "n", "b", "c", "a", "l", "m", "k"]
    for some in (live, live[::-1], live[7:] + live[:7]):
        assert [order.id for order in sorted(some, key=priority)] == expected


def test_the_same_price_goes_by_age() -> None:
    book = play("""
    10:00:00 | a: buy 1 AAPL limit 96           | a ACCEPTED
             | b: buy 1 AAPL limit 96 DAY       | b ACCEPTED
             | c: buy 2 AAPL limit 96           | c ACCEPTED
             | replace a quantity 5             | a REPLACED
    """)
    for some in permutations(book.live_orders):
        assert [order.id for order in sorted(some, key=priority)] == ["a", "b", "c"]
