"""Rejections: the limits of an account, and which of several reasons is reported."""

import pytest

from server.domain.errors import PRECEDENCE
from server.domain.order import Side, TimeInForce
from server.domain.risk import LIVE_ORDERS_LIMIT, RULES
from server.domain.values import parse_units
from tests.domain.asked import Wish
from tests.domain.book import Book, make_costs, make_quote
from tests.domain.scenario import play


def reason(book: Book, order_id: str, wish: Wish) -> str | None:
    book.place(order_id, wish)
    told = book.orders[order_id].rejection_reason
    return None if told is None else told.value


def test_the_thousand_and_first_live_order_is_rejected() -> None:
    book = Book(deposit=parse_units("100000"), costs=make_costs())
    book.show(make_quote("AAPL", "99", "100", "100", "100", time=book.now))
    resting = Wish(symbol="AAPL", side=Side.BUY, quantity=1, limit_price=parse_units("1"))
    for number in range(LIVE_ORDERS_LIMIT):
        assert reason(book, f"order {number}", resting) is None
    assert book.account.live_orders == LIVE_ORDERS_LIMIT == 1_000
    assert reason(book, "one more", resting) == "TOO_MANY_OPEN_ORDERS"
    message = book.orders["one more"].rejection_message
    assert message == "The account has 1000 live orders, which is the limit: cancel some first."
    market = Wish(symbol="AAPL", side=Side.BUY, quantity=1)
    assert reason(book, "one that may wait", market) == "TOO_MANY_OPEN_ORDERS"
    for time_in_force in (TimeInForce.IOC, TimeInForce.FOK):
        never_waits = Wish(symbol="AAPL", side=Side.BUY, quantity=1, time_in_force=time_in_force)
        assert reason(book, time_in_force.value, never_waits) is None
    book.cancel("order 0")
    assert reason(book, "after a cancel", resting) is None
    assert book.account.live_orders == LIVE_ORDERS_LIMIT


def rich_book(*, fees: bool = False) -> Book:
    """Return a book that can pay more than an order may be worth."""
    return Book(deposit=parse_units("9100000000") * 10, costs=make_costs(fees=fees))


@pytest.mark.parametrize(
    ("quantity", "limit", "outcome"),
    [
        ("9000000000", "10", "ORDER_TOO_LARGE"),
        ("8999999999.999", "10", None),
        ("8999999999.9999", "10", "ORDER_TOO_LARGE"),
        ("9999999999.99", "9", None),
        ("9999999999.99999999", "9", "ORDER_TOO_LARGE"),
        ("9999999999.99999999", "9999999999.99999999", "ORDER_TOO_LARGE"),
        ("0.00000001", "9999999999.99999999", None),
    ],
)
def test_a_buy_stays_below_ninety_billion_rounded_up(
    quantity: str, limit: str, outcome: str | None
) -> None:
    wish = Wish(
        symbol="AAPL", side=Side.BUY, quantity=parse_units(quantity), limit_price=parse_units(limit)
    )
    assert reason(rich_book(), "order", wish) == outcome


def test_the_fee_counts_towards_what_a_buy_may_be_worth() -> None:
    """The fee of 10.00 fills the gap of 9.00 to the limit."""
    wish = Wish(
        symbol="AAPL",
        side=Side.BUY,
        quantity=parse_units("8999999999.1"),
        limit_price=parse_units("10"),
    )
    assert reason(rich_book(fees=True), "order", wish) == "ORDER_TOO_LARGE"
    assert reason(rich_book(), "order", wish) is None


@pytest.mark.parametrize(
    ("symbol", "quantity", "price", "outcome"),
    [
        ("AAPL", "9000000000", "10", "ORDER_TOO_LARGE"),
        ("AAPL", "8571428571.42857143", "10", "ORDER_TOO_LARGE"),
        ("AAPL", "8571428571.427", "10", None),
        ("GOLD", "857142857", "10", None),
        ("GOLD", "857142858", "10", "ORDER_TOO_LARGE"),
        ("CALL", "85714285", "10", None),
        ("CALL", "85714286", "10", "ORDER_TOO_LARGE"),
    ],
)
def test_a_market_buy_is_measured_by_what_it_would_reserve(
    symbol: str, quantity: str, price: str, outcome: str | None
) -> None:
    """105 % of the ask, times the multiplier."""
    book = rich_book()
    book.show(make_quote(symbol, price, "1", price, "0", time=book.now))
    wish = Wish(symbol=symbol, side=Side.BUY, quantity=parse_units(quantity))
    assert reason(book, "order", wish) == outcome


@pytest.mark.parametrize(
    ("symbol", "quantity", "limit", "outcome"),
    [
        ("AAPL", "9000000000", "10", "ORDER_TOO_LARGE"),
        ("AAPL", "8999999999.99999999", "10", "INSUFFICIENT_POSITION"),
        ("AAPL", "9000000000", None, "ORDER_TOO_LARGE"),
        ("AAPL", "8999999999.99999999", None, "INSUFFICIENT_POSITION"),
        ("GOLD", "900000000", "10", "ORDER_TOO_LARGE"),
        ("GOLD", "899999999", "10", "INSUFFICIENT_POSITION"),
        ("CALL", "90000000", None, "ORDER_TOO_LARGE"),
        ("CALL", "89999999", None, "INSUFFICIENT_POSITION"),
    ],
)
def test_a_sale_stays_below_ninety_billion_too(
    symbol: str, quantity: str, limit: str | None, outcome: str
) -> None:
    book = rich_book()
    book.show(make_quote(symbol, "10", "1", "11", "0", time=book.now))
    wish = Wish(
        symbol=symbol,
        side=Side.SELL,
        quantity=parse_units(quantity),
        limit_price=None if limit is None else parse_units(limit),
    )
    assert reason(book, "order", wish) == outcome


def test_each_rejection_says_what_to_change() -> None:
    book = play("""
    10:00:00 | quote AAPL 10 x 1 / 10 x 1     | -
             | a: buy 9000000000 AAPL         | a REJECTED ORDER_TOO_LARGE
             | b: buy 1000 AAPL limit 1000.01 | b REJECTED INSUFFICIENT_BUYING_POWER
             | c: sell 1 AAPL limit 1         | c REJECTED INSUFFICIENT_POSITION
             | d: buy 2 AAPL FOK              | d REJECTED FOK_NOT_FILLABLE
             | e: buy 1 SPY                   | e REJECTED NO_QUOTE
    """)
    assert {name: order.rejection_message for name, order in book.orders.items()} == {
        "a": "The order's value must be less than 90000000000 USD: lower the quantity.",
        "b": "The order may cost 1000010.00 USD and the buying power is 100000.00 USD:"
        " lower the quantity.",
        "c": "The order sells 1.00000000 AAPL and 0.00000000 can be sold: lower the quantity.",
        "d": "The quote does not fill the whole quantity now: lower it, or send GTC or DAY"
        " to wait.",
        "e": "SPY has no fresh quote: send a LIMIT order with GTC or DAY, or try later.",
    }


def test_the_rules_stand_in_the_order_of_the_contract() -> None:
    ranks = [PRECEDENCE[rule.reason] for rule in RULES]
    assert ranks == sorted(ranks)
    assert len(set(ranks)) == len(ranks)


def test_the_first_reason_that_holds_is_told() -> None:
    play("""
    given    | balance 10                         | -
    10:00:00 | quote AAPL 10 x 1 / 10 x 1         | -
             | a: buy 9000000000 AAPL             | a REJECTED ORDER_TOO_LARGE
             | b: buy 2 AAPL FOK                  | b REJECTED INSUFFICIENT_BUYING_POWER
             | c: sell 9000000000 AAPL FOK        | c REJECTED ORDER_TOO_LARGE
             | d: sell 2 AAPL FOK                 | d REJECTED INSUFFICIENT_POSITION
    10:01:00 | e: buy 2 AAPL limit 10 FOK         | e REJECTED INSUFFICIENT_BUYING_POWER
             | f: buy 1 AAPL limit 10 FOK         | f REJECTED NO_QUOTE
             | g: buy 1 AAPL limit 10 IOC         | g REJECTED NO_QUOTE
             | h: buy 1 AAPL                      | h REJECTED NO_QUOTE
             | show account balance reserved live | balance 10.00, reserved 0.00, live 0
    """)


def test_a_rejected_order_moves_nothing_but_the_log() -> None:
    book = Book(deposit=parse_units("100"), costs=make_costs())
    before = book.account
    (event,) = book.place(
        "order", Wish(symbol="AAPL", side=Side.BUY, quantity=1, time_in_force=TimeInForce.FOK)
    )
    assert event.sequence == event.order.sequence == 1
    assert (book.account.balance, book.account.reserved, book.account.live_orders) == (
        before.balance,
        before.reserved,
        before.live_orders,
    )
    assert not book.live_orders
