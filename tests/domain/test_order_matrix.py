"""Every order type and time in force in every kind of market, as a table."""

from itertools import product

import pytest

from server.domain.events import OrderUpdated
from server.domain.order import OrderStatus, OrderType, Side, TimeInForce
from server.domain.order_types import RULES
from server.domain.values import SECOND, parse_units
from tests.domain.asked import Wish
from tests.domain.book import STALENESS_LIMIT, Book, make_costs, make_quote

OUTCOMES = """
    situation        | type       | GTC, DAY                     | IOC           | FOK
    no quote         | MARKET     | NO_QUOTE                     | NO_QUOTE      | NO_QUOTE
    no quote         | LIMIT      | OPEN                         | NO_QUOTE      | NO_QUOTE
    no quote         | STOP       | OPEN                         | -             | -
    no quote         | STOP_LIMIT | OPEN                         | -             | -
    stale quote      | MARKET     | NO_QUOTE                     | NO_QUOTE      | NO_QUOTE
    stale quote      | LIMIT      | OPEN                         | NO_QUOTE      | NO_QUOTE
    stale quote      | STOP       | OPEN                         | -             | -
    stale quote      | STOP_LIMIT | OPEN                         | -             | -
    ageing quote     | MARKET     | FILLED 10                    | FILLED 10     | FILLED 10
    ageing quote     | LIMIT      | FILLED 10                    | FILLED 10     | FILLED 10
    ageing quote     | STOP       | FILLED 10 triggered          | -             | -
    ageing quote     | STOP_LIMIT | FILLED 10 triggered          | -             | -
    too little       | MARKET     | PARTIALLY_FILLED 4           | CANCELLED 4   | FOK_NOT_FILLABLE
    too little       | LIMIT      | PARTIALLY_FILLED 4           | CANCELLED 4   | FOK_NOT_FILLABLE
    too little       | STOP       | PARTIALLY_FILLED 4 triggered | -             | -
    too little       | STOP_LIMIT | PARTIALLY_FILLED 4 triggered | -             | -
    nothing offered  | MARKET     | OPEN                         | CANCELLED     | FOK_NOT_FILLABLE
    nothing offered  | LIMIT      | OPEN                         | CANCELLED     | FOK_NOT_FILLABLE
    nothing offered  | STOP       | OPEN triggered               | -             | -
    nothing offered  | STOP_LIMIT | OPEN triggered               | -             | -
    worse than limit | LIMIT      | OPEN                         | CANCELLED     | FOK_NOT_FILLABLE
    worse than limit | STOP_LIMIT | OPEN triggered               | -             | -
    stop not reached | STOP       | OPEN                         | -             | -
    stop not reached | STOP_LIMIT | OPEN                         | -             | -
    stop reached     | STOP       | FILLED 10 triggered          | -             | -
    stop reached     | STOP_LIMIT | FILLED 10 triggered          | -             | -
    closed market    | MARKET     | OPEN                         | MARKET_CLOSED | MARKET_CLOSED
    closed market    | LIMIT      | OPEN                         | MARKET_CLOSED | MARKET_CLOSED
    closed market    | STOP       | OPEN                         | -             | -
    closed market    | STOP_LIMIT | OPEN                         | -             | -
    closed, stale    | MARKET     | OPEN                         | MARKET_CLOSED | MARKET_CLOSED
    closed, stale    | LIMIT      | OPEN                         | MARKET_CLOSED | MARKET_CLOSED
    closed, stale    | STOP       | OPEN                         | -             | -
    closed, stale    | STOP_LIMIT | OPEN                         | -             | -
    closed, no quote | MARKET     | OPEN                         | MARKET_CLOSED | MARKET_CLOSED
    closed, no quote | LIMIT      | OPEN                         | MARKET_CLOSED | MARKET_CLOSED
    closed, no quote | STOP       | OPEN                         | -             | -
    closed, no quote | STOP_LIMIT | OPEN                         | -             | -
"""
"""IOC and FOK are refused for stops before they get here: `-`."""

SIZES = {"too little": "4", "nothing offered": "0"}
AGES = {
    "stale quote": STALENESS_LIMIT + 1,
    "closed, stale": STALENESS_LIMIT + 1,
    "ageing quote": STALENESS_LIMIT,
}


def cases() -> list[tuple[Side, str, str, TimeInForce, str]]:
    (_, _, *columns), *rows = (
        [cell.strip() for cell in line.split("|")] for line in OUTCOMES.strip().splitlines()
    )
    return [
        (side, situation, order_type, TimeInForce[name], outcome)
        for side, (situation, order_type, *outcomes) in product(Side, rows)
        for column, outcome in zip(columns, outcomes, strict=True)
        for name in column.split(", ")
        if outcome != "-"
    ]


def book_holding_ten_shares() -> Book:
    book = Book(deposit=parse_units("10000"), costs=make_costs())
    book.show(make_quote("AAPL", "99", "100", "100", "100", time=book.now))
    book.place("before", Wish(symbol="AAPL", side=Side.BUY, quantity=parse_units("10")))
    book.now += SECOND
    return book


def place_ten(
    book: Book,
    side: Side,
    order_type: str,
    time_in_force: TimeInForce,
    limit: str,
    stop: str = "100",
) -> tuple[OrderUpdated, ...]:
    prices = RULES[OrderType[order_type]].prices
    wish = Wish(
        symbol="AAPL",
        side=side,
        quantity=parse_units("10"),
        time_in_force=time_in_force,
        limit_price=parse_units(limit) if "limit_price" in prices else None,
        stop_price=parse_units(stop) if "stop_price" in prices else None,
    )
    assert wish.order_type is OrderType[order_type]
    return book.place("order", wish)


@pytest.mark.parametrize(("side", "situation", "order_type", "time_in_force", "outcome"), cases())
def test_an_order_ends_as_the_table_says(
    side: Side, situation: str, order_type: str, time_in_force: TimeInForce, outcome: str
) -> None:
    book = book_holding_ten_shares()
    size = SIZES.get(situation, "100")
    book.show(make_quote("AAPL", "99", size, "100", size, time=book.now))
    book.now += AGES.get(situation, 0)
    if situation.endswith("no quote"):
        book.quotes.clear()
    book.is_open = not situation.startswith("closed")
    limit = stop = {Side.BUY: "100", Side.SELL: "99"}[side]
    if situation == "worse than limit":
        limit = "99.50"
    if situation == "stop not reached":
        stop = {Side.BUY: "100.00000001", Side.SELL: "98.99999999"}[side]

    events = place_ten(book, side, order_type, time_in_force, limit, stop)

    order = book.orders["order"]
    if order.rejection_reason is not None:
        found = order.rejection_reason.value
        assert [event.type.value for event in events] == ["REJECTED"]
        assert order.status is OrderStatus.REJECTED
    else:
        found = order.status.value
        assert events[0].type.value == "ACCEPTED"
    if order.filled_quantity:
        found += f" {order.filled_quantity // parse_units('1')}"
    if order.triggered_at is not None:
        found += " triggered"
        assert events[1].type.value == "TRIGGERED"
    assert found == outcome
    expected_reason = "IOC_REMAINDER" if outcome.startswith("CANCELLED") else None
    assert (order.status_reason and order.status_reason.value) == expected_reason


@pytest.mark.parametrize(
    ("order_type", "time_in_force"), list(product(["MARKET", "LIMIT"], TimeInForce))
)
@pytest.mark.parametrize("has_quote", [True, False])
def test_what_cannot_be_paid_is_rejected_before_any_look_at_the_market(
    order_type: str, time_in_force: TimeInForce, has_quote: bool
) -> None:
    """A MARKET order has no price without a quote, so only then its quote is missed first."""
    book = Book(deposit=parse_units("999.99"), costs=make_costs())
    if has_quote:
        book.show(make_quote("AAPL", "99", "1", "100", "1", time=book.now))
    place_ten(book, Side.BUY, order_type, time_in_force, "100")
    reason = book.orders["order"].rejection_reason
    assert reason is not None
    unpriced = order_type == "MARKET" and not has_quote
    assert reason.value == ("NO_QUOTE" if unpriced else "INSUFFICIENT_BUYING_POWER")


@pytest.mark.parametrize(
    ("order_type", "time_in_force"), list(product(["MARKET", "LIMIT"], TimeInForce))
)
@pytest.mark.parametrize("has_quote", [True, False])
def test_what_is_not_held_is_rejected_before_any_look_at_the_market(
    order_type: str, time_in_force: TimeInForce, has_quote: bool
) -> None:
    book = book_holding_ten_shares()
    wish = Wish(symbol="AAPL", side=Side.SELL, quantity=1, limit_price=parse_units("500"))
    book.place("holds back the least", wish)
    if not has_quote:
        book.quotes.clear()
    place_ten(book, Side.SELL, order_type, time_in_force, "1")
    reason = book.orders["order"].rejection_reason
    assert reason is not None
    assert reason.value == "INSUFFICIENT_POSITION"
