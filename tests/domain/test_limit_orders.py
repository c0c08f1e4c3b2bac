"""LIMIT orders: they never fill worse than the limit, and reserve money until they end."""

from server.domain.quote import QuoteRefusal
from server.domain.values import SECOND, parse_units
from tests.domain.book import Book, make_costs, make_quote
from tests.domain.scenario import play, told


def test_a_limit_order_fills_at_the_quote_when_that_is_better_than_its_limit() -> None:
    play("""
    10:00:00 | quote AAPL 99 x 300 / 100 x 200 | -
             | a: buy 10 AAPL limit 105        | a ACCEPTED
             |                                 | a FILLED 10 at 100
             | b: sell 10 AAPL limit 95        | b ACCEPTED
             |                                 | b FILLED 10 at 99 pnl -10.00
    """)


def test_a_limit_order_at_the_quote_fills_and_one_a_tick_away_rests() -> None:
    play("""
    10:00:00 | quote AAPL 99 x 300 / 100 x 200 | -
             | a: buy 10 AAPL limit 99.99      | a ACCEPTED
             | b: buy 10 AAPL limit 100        | b ACCEPTED
             |                                 | b FILLED 10 at 100
             | c: sell 5 AAPL limit 99.01      | c ACCEPTED
             | d: sell 5 AAPL limit 99         | d ACCEPTED
             |                                 | d FILLED 5 at 99 pnl -5.00
             | show a status reserved          | status OPEN, reserved 999.90
             | show c status reserved          | status OPEN, reserved 0.00
    """)


def test_not_even_the_smallest_step_beyond_the_limit_fills() -> None:
    play("""
    10:00:00 | quote DUST 0.00000003 x 9 / 0.00000004 x 9 | -
             | a: buy 9 DUST limit 0.00000003             | a ACCEPTED
             | b: buy 9 DUST limit 0.00000004             | b ACCEPTED
             |                                            | b FILLED 9 at 0.00000004
             | c: sell 4 DUST limit 0.00000004            | c ACCEPTED
             | d: sell 5 DUST limit 0.00000003            | d ACCEPTED
             |                                            | d FILLED 5 at 0.00000003 pnl -0.00555556
    10:00:01 | quote DUST 0.00000003 x 9 / 0.00000004 x 9 | -
    10:00:02 | quote DUST 0.00000002 x 9 / 0.00000003 x 9 | a FILLED 9 at 0.00000003
    """)


def test_a_resting_order_fills_at_the_quote_that_reaches_it() -> None:
    play("""
    10:00:00 | a: buy 10 AAPL limit 98              | a ACCEPTED
    10:00:01 | quote AAPL 97.99 x 300 / 98.01 x 200 | -
    10:00:02 | quote AAPL 97.10 x 300 / 97.20 x 200 | a FILLED 10 at 97.2
             | b: sell 10 AAPL limit 98             | b ACCEPTED
    10:00:03 | quote AAPL 97.99 x 300 / 98.01 x 200 | -
    10:00:04 | quote AAPL 98.50 x 300 / 98.60 x 200 | b FILLED 10 at 98.5 pnl 13.00
    """)


def test_a_limit_order_reserves_its_limit_and_fee_and_fills_post_against_that() -> None:
    """Ten contracts at 2.00 may cost 2 000.00 and 6.50; the cost of the rest stays reserved."""
    play("""
    given    | balance 10000, fees             | -
    10:00:00 | quote CALL 1.40 x 10 / 1.50 x 4 | -
             | a: buy 10 CALL limit 2          | a ACCEPTED
             |                                 | a PARTIALLY_FILLED 4 at 1.5 fee 2.60
             | show account balance reserved   | balance 9397.40, reserved 1203.90
    10:00:01 | quote CALL 1.90 x 10 / 2.00 x 5 | a PARTIALLY_FILLED 5 at 2 fee 3.25
             | show account balance reserved   | balance 8394.15, reserved 200.65
    10:00:02 | quote CALL 1.90 x 10 / 2.00 x 5 | a FILLED 1 at 2 fee 0.65
             | show account balance reserved   | balance 8193.50, reserved 0.00
    """)


def test_the_reservation_is_all_that_other_orders_cannot_spend() -> None:
    play("""
    given    | balance 1000                  | -
    10:00:00 | a: buy 10 AAPL limit 60       | a ACCEPTED
             | b: buy 10 AAPL limit 40       | b ACCEPTED
             | c: buy 1 AAPL limit 0.01      | c REJECTED INSUFFICIENT_BUYING_POWER
             | show account balance reserved | balance 1000.00, reserved 1000.00
             | cancel a                      | a CANCELLED REQUESTED
             | d: buy 10 AAPL limit 60       | d ACCEPTED
             | show account reserved live    | reserved 1000.00, live 2
    """)


def test_open_sales_never_exceed_the_position() -> None:
    play("""
    10:00:00 | quote AAPL 99 x 300 / 100 x 10    | -
             | a: buy 10 AAPL                    | a ACCEPTED
             |                                   | a FILLED 10 at 100
             | b: sell 6 AAPL limit 200          | b ACCEPTED
             | c: sell 4.00000001 AAPL limit 200 | c REJECTED INSUFFICIENT_POSITION
             | d: sell 4 AAPL limit 200          | d ACCEPTED
             | e: sell 0.00000001 AAPL           | e REJECTED INSUFFICIENT_POSITION
             | cancel b                          | b CANCELLED REQUESTED
             | show AAPL quantity held           | quantity 10, held 4
             | f: sell 6 AAPL                    | f ACCEPTED
             |                                   | f FILLED 6 at 99 pnl -6.00
             | show AAPL quantity held           | quantity 4, held 4
    """)


def test_one_quote_fills_waiting_orders_by_price_then_by_age() -> None:
    play("""
    10:00:00 | quote AAPL 90 x 1 / 110 x 0  | -
             | a: buy 10 AAPL limit 100     | a ACCEPTED
             | b: buy 10 AAPL limit 101     | b ACCEPTED
             | c: buy 10 AAPL limit 101     | c ACCEPTED
             | d: buy 10 AAPL               | d ACCEPTED
    10:00:01 | quote AAPL 90 x 1 / 100 x 35 | d FILLED 10 at 100
             |                              | b FILLED 10 at 100
             |                              | c FILLED 10 at 100
             |                              | a PARTIALLY_FILLED 5 at 100
    """)


def test_a_book_that_costs_more_since_a_restart_cancels_what_it_cannot_pay() -> None:
    """It reserves without fees and fills with them: 100.00 pay for 99 shares and a fee of 1.00."""
    book = play("""
    given    | balance 100                   | -
    10:00:00 | a: buy 100 AAPL limit 1       | a ACCEPTED
             | show account balance reserved | balance 100.00, reserved 100.00
    """)
    told = show_with_fees(book, "1", "500")
    assert told == ["a PARTIALLY_FILLED 99 at 1 fee 1.00", "a CANCELLED INSUFFICIENT_BUYING_POWER"]
    assert (book.account.balance, book.account.reserved) == (0, 0)


def test_what_waits_after_costs_rose_reserves_no_more_than_there_is() -> None:
    book = play("""
    given    | balance 100             | -
    10:00:00 | a: buy 100 AAPL limit 1 | a ACCEPTED
    """)
    assert show_with_fees(book, "1", "50") == ["a PARTIALLY_FILLED 50 at 1 fee 1.00"]
    assert book.account.reserved == book.account.balance == parse_units("49")


def show_with_fees(book: Book, ask: str, size: str) -> list[str]:
    book.costs = make_costs(fees=True)
    book.now += SECOND
    events = book.show(make_quote("AAPL", "0.01", "1", ask, size, time=book.now))
    assert not isinstance(events, QuoteRefusal)
    return [told(event) for event in events]
