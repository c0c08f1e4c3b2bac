"""Exactness: decimals are exact, and rounding never favours the account."""

from dataclasses import replace
from itertools import count

import pytest

from server.domain.account import Position
from server.domain.order import Side
from server.domain.valuation import total_equity, value
from server.domain.values import AMOUNT_LIMIT, SECOND, Quantity, Units, parse_units
from tests.domain.asked import Wish
from tests.domain.book import INSTRUMENTS, Book, make_costs, make_quote
from tests.domain.scenario import play

INT64_MAX = 2**63 - 1


def test_a_tenth_and_two_tenths_are_three_tenths() -> None:
    play("""
    given    | balance 1000                           | -
    10:00:00 | quote AAPL 185.00 x 300 / 185.00 x 300 | -
             | a: buy 0.1 AAPL                        | a ACCEPTED
             |                                        | a FILLED 0.1 at 185
             | b: buy 0.2 AAPL                        | b ACCEPTED
             |                                        | b FILLED 0.2 at 185
             | show AAPL quantity basis average       | quantity 0.3, basis 55.50, average 185
             | c: sell 0.3 AAPL                       | c ACCEPTED
             |                                        | c FILLED 0.3 at 185 pnl 0.00
             | show account balance pnl               | balance 1000.00, pnl 0.00
    """)


def test_the_smallest_quantity_costs_a_cent_and_brings_nothing() -> None:
    play("""
    given    | balance 100                         | -
    10:00:00 | quote BTC-USD 92000 x 1 / 92000 x 1 | -
             | a: buy 0.00000001 BTC-USD           | a ACCEPTED
             |                                     | a FILLED 0.00000001 at 92000
             | show BTC-USD quantity basis         | quantity 0.00000001, basis 0.00092
             | b: sell 0.00000001 BTC-USD          | b ACCEPTED
             |                                     | b FILLED 0.00000001 at 92000 pnl -0.01
             | show account balance pnl fees       | balance 99.99, pnl -0.01, fees 0.01
    """)


def test_an_order_is_rounded_once_over_all_its_fills() -> None:
    """Three fills of a third of a cent are one cent to pay, and one cent to get."""
    play("""
    given    | balance 100                        | -
    10:00:00 | quote DUST 0.01 x 0.4 / 0.01 x 0.4 | -
             | a: buy 1 DUST                      | a ACCEPTED
             |                                    | a PARTIALLY_FILLED 0.4 at 0.01
             | show account balance               | balance 99.99
    10:00:01 | quote DUST 0.01 x 0.4 / 0.01 x 0.4 | a PARTIALLY_FILLED 0.4 at 0.01
    10:00:02 | quote DUST 0.01 x 0.4 / 0.01 x 0.4 | a FILLED 0.2 at 0.01
             | show account balance               | balance 99.99
             | b: sell 1 DUST                     | b ACCEPTED
             |                                    | b PARTIALLY_FILLED 0.4 at 0.01 pnl -0.004
             | show account balance               | balance 99.99
    10:00:03 | quote DUST 0.01 x 0.5 / 0.01 x 0.4 | b PARTIALLY_FILLED 0.5 at 0.01 pnl -0.005
    10:00:04 | quote DUST 0.01 x 0.4 / 0.01 x 0.4 | b FILLED 0.1 at 0.01 pnl 0.009
             | show account balance pnl           | balance 100.00, pnl 0.00
    """)


@pytest.mark.parametrize("price", ["0.00000001", "0.00999999", "0.015", "3.33", "92000.01"])
@pytest.mark.parametrize("slices", [1, 3, 7])
@pytest.mark.parametrize("quantity", [1, 9, 333_333, 10**8 + 1])
def test_no_run_of_tiny_orders_makes_money(price: str, slices: int, quantity: Units) -> None:
    """Where bid and ask are one and nothing has a fee, buying and selling back never gains."""
    book = Book(deposit=parse_units("1000000"), costs=make_costs())
    book.show(make_quote("BTC-USD", price, "999", price, "999", time=book.now))
    names = map(str, count())
    for buying, selling in ((slices, 1), (1, slices), (slices, slices)):
        for side, orders in ((Side.BUY, buying), (Side.SELL, selling)):
            for _ in range(orders):
                lot = quantity * slices // orders
                book.place(next(names), Wish(symbol="BTC-USD", side=side, quantity=lot))
        assert book.position("BTC-USD").quantity == 0
        assert book.account.balance <= book.account.deposits


def test_a_position_stops_growing_before_it_cannot_be_stored() -> None:
    """Of what costs next to nothing, orders that each are small make a huge position."""
    book = Book(deposit=parse_units("100000"), costs=make_costs())
    most = parse_units("9999999999")
    for number in range(12):
        book.now += SECOND
        book.show(make_quote("DUST", "0.00000001", "1", "0.00000001", "9999999999", time=book.now))
        book.place(f"order {number}", Wish(symbol="DUST", side=Side.BUY, quantity=most))
    assert book.position("DUST").quantity == 9 * most
    assert AMOUNT_LIMIT - most < book.position("DUST").quantity < AMOUNT_LIMIT < INT64_MAX
    assert book.account.live_orders == 3


@pytest.mark.parametrize("time_in_force", ["GTC", "IOC", "FOK"])
def test_an_absurd_bid_brings_no_more_money_than_can_be_stored(time_in_force: str) -> None:
    outcome = {
        "GTC": "b ACCEPTED",
        "IOC": "b ACCEPTED\n | | b CANCELLED IOC_REMAINDER",
        "FOK": "b REJECTED FOK_NOT_FILLABLE",
    }
    gain = "pnl 79999999192.00"
    play(f"""
    10:00:00 | quote AAPL 99 x 300 / 100 x 100                | -
             | a: buy 100 AAPL                                | a ACCEPTED
             |                                                | a FILLED 100 at 100
    10:00:01 | quote AAPL 9999999999 x 300 / 9999999999 x 100 | -
             | b: sell 9 AAPL limit 1 {time_in_force}         | {outcome[time_in_force]}
             | c: sell 8 AAPL {time_in_force}                 | c ACCEPTED
             |                                                | c FILLED 8 at 9999999999 {gain}
             | d: sell 1 AAPL limit 1 IOC                     | d ACCEPTED
             |                                                | d CANCELLED IOC_REMAINDER
             | show account balance                           | balance 80000089992.00
    """)


@pytest.mark.parametrize(("quantity", "filled"), [("1", False), ("0.99999999", True)])
def test_a_position_stays_below_ninety_billion(quantity: str, filled: bool) -> None:
    book = Book(deposit=parse_units("1000"), costs=make_costs())
    held = AMOUNT_LIMIT - parse_units("1")
    book.positions["DUST"] = Position(account_id="account", symbol="DUST", quantity=Quantity(held))
    book.show(make_quote("DUST", "1", "1", "1", "1", time=book.now))
    book.place("order", Wish(symbol="DUST", side=Side.BUY, quantity=parse_units(quantity)))
    assert book.orders["order"].filled_quantity == (parse_units(quantity) if filled else 0)


@pytest.mark.parametrize(
    ("deposit", "cost", "bid", "filled"),
    [
        ("1000", "100", "89999999.1", False),
        ("1000", "100", "89999999.09999999", True),
        ("9999999999", "4000000000", "84000000.001", False),
        ("9999999999", "4000000000", "84000000.00099999", True),
    ],
)
def test_deposits_and_gains_stay_below_ninety_billion(
    deposit: str, cost: str, bid: str, filled: bool
) -> None:
    """Ten contracts of 100 are sold of twenty: half of the cost was paid for them."""
    book = Book(deposit=parse_units(deposit), costs=make_costs())
    basis = 2 * parse_units(cost)
    book.account = replace(book.account, balance=book.account.balance - basis)
    book.positions["CALL"] = Position(
        account_id="account", symbol="CALL", quantity=Quantity(parse_units("20")), cost_basis=basis
    )
    book.show(make_quote("CALL", bid, "10", bid, "10", time=book.now))
    book.place("order", Wish(symbol="CALL", side=Side.SELL, quantity=parse_units("10")))
    assert (book.orders["order"].filled_quantity > 0) == filled


def test_an_absurd_quote_values_an_account_at_no_more_than_can_be_stored() -> None:
    quote = make_quote("AAPL", "9999999999", "1", "9999999999", "1", time=0)
    held = Position(
        account_id="a",
        symbol="AAPL",
        quantity=Quantity(parse_units("100")),
        cost_basis=parse_units("1"),
    )
    valued = value(held, INSTRUMENTS["AAPL"], quote, fresh=True)
    assert total_equity(parse_units("1"), [valued]) == AMOUNT_LIMIT < INT64_MAX
