"""Replaced orders: a live order gets new values, and keeps its id and its fills."""

import pytest

from server.domain.risk import Rejection
from server.domain.trading import Replacement
from server.domain.values import Price, Quantity, parse_units
from tests.domain.scenario import play


def test_a_new_quantity_brings_a_new_reservation() -> None:
    play("""
    given    | fees                        | -
    10:00:00 | a: buy 10 AAPL limit 90     | a ACCEPTED
             | replace a quantity 20       | a REPLACED
             | show a status quantity      | status OPEN, quantity 20
             | show account reserved live  | reserved 1801.00, live 1
             | replace a quantity 5        | a REPLACED
             | show account reserved live  | reserved 451.00, live 1
             | cancel a                    | a CANCELLED REQUESTED
             | show account reserved live  | reserved 0.00, live 0
    """)


def test_a_new_limit_brings_a_new_reservation() -> None:
    play("""
    10:00:00 | quote AAPL 99 x 10 / 100 x 10    | -
             | a: buy 10 AAPL limit 90          | a ACCEPTED
             | b: buy 10 AAPL stop 110          | b ACCEPTED
             | c: buy 10 AAPL stop 110 limit 90 | c ACCEPTED
             | replace a limit 80               | a REPLACED
             | replace b stop 120               | b REPLACED
             | replace c stop 120               | c REPLACED
             | show a reserved                  | reserved 800.00
             | show b reserved                  | reserved 1260.00
             | show c reserved                  | reserved 900.00
             | replace c stop 115 limit 95      | c REPLACED
             | show c reserved                  | reserved 950.00
             | show account reserved live       | reserved 3010.00, live 3
    """)


def test_what_is_filled_stays_filled_and_counts_towards_the_new_quantity() -> None:
    play("""
    10:00:00 | quote AAPL 99 x 10 / 100 x 4    | -
             | a: buy 10 AAPL limit 100        | a ACCEPTED
             |                                 | a PARTIALLY_FILLED 4 at 100
             | replace a quantity 12           | a REPLACED
             | show a status filled reserved   | status PARTIALLY_FILLED, filled 4, reserved 800.00
             | replace a quantity 6 limit 99   | a REPLACED
             | show a status filled reserved   | status PARTIALLY_FILLED, filled 4, reserved 198.00
    10:00:01 | quote AAPL 97 x 10 / 98 x 4     | a FILLED 2 at 98
             | show a filled average           | filled 6, average 99.33333333
             | show account balance reserved   | balance 99404.00, reserved 0.00
    """)


def test_a_sale_keeps_its_profit_and_closes_one_trade() -> None:
    play("""
    10:00:00 | quote AAPL 99 x 4 / 100 x 10     | -
             | h: buy 10 AAPL                   | h ACCEPTED
             |                                  | h FILLED 10 at 100
             | a: sell 8 AAPL limit 99          | a ACCEPTED
             |                                  | a PARTIALLY_FILLED 4 at 99 pnl -4.00
             | replace a quantity 10 limit 110  | a REPLACED
             | show a pnl                       | pnl -4.00
    10:00:01 | quote AAPL 110 x 6 / 111 x 10    | a FILLED 6 at 110 pnl 60.00
             | show a pnl                       | pnl 56.00
             | show trades closed wins profit   | closed 1, wins 1, profit 56.00
    """)


def test_the_same_values_change_nothing_and_tell_nothing() -> None:
    book = play("""
    10:00:00 | quote AAPL 99 x 10 / 100 x 10           | -
             | a: buy 10 AAPL stop 110 limit 90        | a ACCEPTED
    10:00:05 | replace a                               | -
             | replace a quantity 10                   | -
             | replace a quantity 10 stop 110 limit 90 | -
    """)
    assert (book.account.sequence, book.orders["a"].updated_at) == (1, book.orders["a"].created_at)


def test_a_price_moved_into_the_market_takes_at_once_and_pays_slippage() -> None:
    play("""
    given    | slippage                         | -
    10:00:00 | quote AAPL 99 x 200 / 99 x 200   | -
             | h: buy 200 AAPL limit 99         | h ACCEPTED
             |                                  | h FILLED 200 at 99
    10:00:01 | quote AAPL 99 x 200 / 100 x 200  | -
             | a: buy 200 AAPL limit 99.50      | a ACCEPTED
             | b: sell 200 AAPL limit 99.50     | b ACCEPTED
             | replace a limit 101              | a REPLACED
             |                                  | a FILLED 200 at 100.01
             | replace b limit 98               | b REPLACED
             |                                  | b FILLED 200 at 98.9901 pnl -102.98
    """)


def test_the_slippage_of_a_replaced_order_ends_at_its_new_limit() -> None:
    play("""
    given    | slippage                         | -
    10:00:00 | quote AAPL 99 x 200 / 100 x 200  | -
             | a: buy 200 AAPL limit 99.50      | a ACCEPTED
             | replace a limit 100.005          | a REPLACED
             |                                  | a FILLED 200 at 100.005
    """)


def test_a_stop_price_moved_through_the_market_triggers() -> None:
    play("""
    10:00:00 | quote AAPL 99 x 10 / 100 x 10     | -
             | h: buy 5 AAPL                     | h ACCEPTED
             |                                   | h FILLED 5 at 100
    10:00:01 | quote AAPL 99 x 10 / 100 x 20     | -
             | a: buy 10 AAPL stop 105           | a ACCEPTED
             | b: buy 10 AAPL stop 105 limit 99  | b ACCEPTED
             | c: sell 5 AAPL stop 95            | c ACCEPTED
             | replace a stop 100.00000001       | a REPLACED
             | replace a stop 100                | a REPLACED
             |                                   | a TRIGGERED
             |                                   | a FILLED 10 at 100
             | replace b stop 90                 | b REPLACED
             |                                   | b TRIGGERED
             | show b status triggered           | status OPEN, triggered 10:00:01
             | replace c stop 98.99999999        | c REPLACED
             | replace c stop 99                 | c REPLACED
             |                                   | c TRIGGERED
             |                                   | c FILLED 5 at 99 pnl -5.00
    """)


def test_a_stop_that_was_triggered_stays_so_when_its_limit_is_replaced() -> None:
    play("""
    10:00:00 | quote AAPL 104 x 10 / 105 x 10        | -
             | a: buy 10 AAPL stop 105 limit 99      | a ACCEPTED
             |                                       | a TRIGGERED
    10:00:01 | quote AAPL 99 x 10 / 100 x 10         | -
             | replace a limit 98 quantity 8         | a REPLACED
             | show a triggered reserved             | triggered 10:00:00, reserved 784.00
             | replace a limit 100                   | a REPLACED
             |                                       | a FILLED 8 at 100
    """)


@pytest.mark.parametrize(
    ("order", "values", "reason"),
    [
        ("a", Replacement(quantity=Quantity(parse_units("11"))), "INSUFFICIENT_BUYING_POWER"),
        ("a", Replacement(limit_price=Price(parse_units("90.01"))), "INSUFFICIENT_BUYING_POWER"),
        ("a", Replacement(quantity=Quantity(parse_units("9000000000"))), "ORDER_TOO_LARGE"),
        ("b", Replacement(quantity=Quantity(parse_units("6.00000001"))), "INSUFFICIENT_POSITION"),
        ("b", Replacement(quantity=Quantity(parse_units("9000000000"))), "ORDER_TOO_LARGE"),
        ("c", Replacement(stop_price=Price(parse_units("110.01"))), "INSUFFICIENT_BUYING_POWER"),
        ("d", Replacement(limit_price=Price(parse_units("50.01"))), "INSUFFICIENT_BUYING_POWER"),
    ],
)
def test_a_refused_replacement_leaves_everything_as_it_was(
    order: str, values: Replacement, reason: str
) -> None:
    """After buying 10 the money that is left is reserved to the cent, and 4 of 10 are held by e."""
    book = play("""
    given    | balance 3555                     | -
    10:00:00 | quote AAPL 99 x 10 / 100 x 10    | -
             | h: buy 10 AAPL                   | h ACCEPTED
             |                                  | h FILLED 10 at 100
             | a: buy 10 AAPL limit 90          | a ACCEPTED
             | b: sell 5 AAPL limit 120         | b ACCEPTED
             | c: buy 10 AAPL stop 110          | c ACCEPTED
             | d: buy 10 AAPL stop 105 limit 50 | d ACCEPTED
             | e: sell 4 AAPL stop 90           | e ACCEPTED
             | show account free                | free 0.00
    """)
    before = (book.account, dict(book.positions), dict(book.orders))
    refused = book.replace(order, values)
    assert isinstance(refused, Rejection)
    assert refused.reason.value == reason
    assert (book.account, book.positions, book.orders) == before


def test_what_the_order_itself_holds_back_counts_as_free_for_its_new_values() -> None:
    play("""
    given    | balance 1900                     | -
    10:00:00 | quote AAPL 99 x 10 / 100 x 10    | -
             | h: buy 10 AAPL                   | h ACCEPTED
             |                                  | h FILLED 10 at 100
             | a: buy 10 AAPL limit 90          | a ACCEPTED
             | replace a quantity 9 limit 100.00000001 | refused INSUFFICIENT_BUYING_POWER
             | replace a quantity 90 limit 10   | a REPLACED
             | b: sell 10 AAPL limit 120        | b ACCEPTED
             | replace b limit 130              | b REPLACED
             | replace b quantity 10.1          | refused INSUFFICIENT_POSITION
             | show AAPL quantity held          | quantity 10, held 10
    """)


def test_the_minimum_fee_begins_anew_only_when_the_quantity_rises() -> None:
    play("""
    given    | fees                          | -
    10:00:00 | quote AAPL 99 x 10 / 100 x 4  | -
             | a: buy 10 AAPL limit 100      | a ACCEPTED
             |                               | a PARTIALLY_FILLED 4 at 100 fee 1.00
             | replace a quantity 9          | a REPLACED
             | show a reserved               | reserved 500.00
    10:00:01 | quote AAPL 99 x 10 / 100 x 1  | a PARTIALLY_FILLED 1 at 100
             | replace a limit 101           | a REPLACED
    10:00:02 | quote AAPL 99 x 10 / 100 x 1  | a PARTIALLY_FILLED 1 at 100
             | replace a quantity 10         | a REPLACED
             | show a reserved               | reserved 405.00
    10:00:03 | quote AAPL 99 x 10 / 100 x 1  | a PARTIALLY_FILLED 1 at 100 fee 1.00
    10:00:04 | quote AAPL 99 x 10 / 100 x 9  | a FILLED 3 at 100
             | show a fees                   | fees 2.00
    """)


def test_the_cap_of_the_fee_begins_anew_only_when_the_quantity_rises() -> None:
    """3 000 shares would cost 15.00, 1 000 more 5.00."""
    play("""
    given    | balance 1000000, fees             | -
    10:00:00 | quote AAPL 9 x 10 / 10 x 3000     | -
             | a: buy 5000 AAPL limit 10         | a ACCEPTED
             |                                   | a PARTIALLY_FILLED 3000 at 10 fee 10.00
             | replace a quantity 4500           | a REPLACED
    10:00:01 | quote AAPL 9 x 10 / 10 x 500      | a PARTIALLY_FILLED 500 at 10
             | replace a quantity 9000           | a REPLACED
    10:00:02 | quote AAPL 9 x 10 / 10 x 1000     | a PARTIALLY_FILLED 1000 at 10 fee 5.00
    10:00:03 | quote AAPL 9 x 10 / 10 x 4500     | a FILLED 4500 at 10 fee 5.00
             | show a fees                       | fees 20.00
    """)


def test_the_ninety_days_run_on() -> None:
    play("""
    10:00:00     | a: buy 10 AAPL limit 90     | a ACCEPTED
                 | b: buy 10 AAPL limit 90 DAY | b ACCEPTED
    20:00:00     | replace b limit 91          | b REPLACED
                 | show b expires              | expires 1d 00:00:00
    1d 00:00:00  | expire                      | b CANCELLED EXPIRED_DAY
    89d 10:00:00 | replace a quantity 20       | a REPLACED
                 | show a expires              | expires 90d 10:00:00
    90d 10:00:00 | expire                      | a CANCELLED EXPIRED_GTC
    """)


def test_the_position_that_a_sale_holds_back_follows_its_quantity() -> None:
    play("""
    10:00:00 | quote AAPL 99 x 2 / 100 x 10  | -
             | h: buy 10 AAPL                | h ACCEPTED
             |                               | h FILLED 10 at 100
             | a: sell 5 AAPL limit 99       | a ACCEPTED
             |                               | a PARTIALLY_FILLED 2 at 99 pnl -2.00
             | show AAPL quantity held       | quantity 8, held 3
             | replace a quantity 10         | a REPLACED
             | show AAPL quantity held       | quantity 8, held 8
             | replace a quantity 4          | a REPLACED
             | show AAPL quantity held       | quantity 8, held 2
             | b: sell 6 AAPL stop 50        | b ACCEPTED
             | replace b quantity 1          | b REPLACED
             | show AAPL quantity held       | quantity 8, held 3
    """)


def test_a_waiting_market_order_reckons_anew_with_the_fresh_quote() -> None:
    play("""
    10:00:00 | quote AAPL 99 x 10 / 100 x 4   | -
             | a: buy 10 AAPL                 | a ACCEPTED
             |                                | a PARTIALLY_FILLED 4 at 100
             | show a reserved                | reserved 630.00
             | replace a quantity 14          | a REPLACED
             | show a reserved                | reserved 1050.00
    10:00:16 | replace a quantity 8           | refused NO_QUOTE
             | show a quantity reserved       | quantity 14, reserved 1050.00
    10:00:17 | quote AAPL 99 x 10 / 120 x 0   | -
             | replace a quantity 8           | a REPLACED
             | show a quantity reserved       | quantity 8, reserved 504.00
    """)


def test_a_triggered_stop_without_a_fresh_quote_is_not_replaced_either() -> None:
    play("""
    10:00:00 | quote AAPL 99 x 10 / 100 x 0 | -
             | a: buy 10 AAPL stop 100      | a ACCEPTED
             |                              | a TRIGGERED
             | b: buy 10 AAPL stop 110      | b ACCEPTED
    10:00:16 | replace a quantity 8         | refused NO_QUOTE
             | replace b quantity 8         | b REPLACED
    """)


def test_a_replaced_order_takes_nothing_that_it_took_of_the_same_quote_before() -> None:
    play("""
    10:00:00 | quote AAPL 99 x 10 / 100 x 6  | -
             | a: buy 10 AAPL limit 100      | a ACCEPTED
             |                               | a PARTIALLY_FILLED 6 at 100
             | replace a quantity 20         | a REPLACED
             | replace a limit 101           | a REPLACED
             | b: buy 5 AAPL limit 90        | b ACCEPTED
             | replace b limit 100           | b REPLACED
             | show b filled                 | filled 0
    10:00:01 | quote AAPL 99 x 10 / 100 x 6  | a PARTIALLY_FILLED 6 at 100
    """)


def test_a_quote_that_came_after_the_last_fill_is_taken_of_by_the_replacement() -> None:
    play("""
    10:00:00 | quote AAPL 99 x 10 / 100 x 6  | -
             | a: buy 10 AAPL limit 100      | a ACCEPTED
             |                               | a PARTIALLY_FILLED 6 at 100
    10:00:01 | quote AAPL 99 x 10 / 101 x 6  | -
             | replace a limit 101           | a REPLACED
             |                               | a FILLED 4 at 101
    """)


def test_without_a_fresh_quote_a_limit_order_is_replaced_and_waits() -> None:
    play("""
    10:00:00 | quote AAPL 99 x 10 / 100 x 10 | -
             | a: buy 10 AAPL limit 90       | a ACCEPTED
    10:00:16 | replace a limit 101           | a REPLACED
             | show a status reserved        | status OPEN, reserved 1010.00
    10:00:17 | quote AAPL 99 x 10 / 100 x 10 | a FILLED 10 at 100
    """)
