"""Cost basis and P&L: what is left explains the balance to the cent, whatever was rounded."""

from tests.domain.scenario import play


def test_the_last_sale_takes_all_that_is_left_of_the_cost() -> None:
    """1.01 and 1.00 of fee in thirds: 0.34, 0.34 (of 0.335), 0.33 and 0.33, 0.34 (0.335), 0.33."""
    play("""
    given    | balance 100, fees                  | -
    10:00:00 | quote AAPL 3.35 x 300 / 3.35 x 300 | -
             | a: buy 0.3 AAPL                    | a ACCEPTED
             |                                    | a FILLED 0.3 at 3.35 fee 1.00
             | show AAPL basis buy_fees           | basis 1.01, buy_fees 1.00
             | b: sell 0.1 AAPL                   | b ACCEPTED
             |                                    | b FILLED 0.1 at 3.35 fee 0.33 pnl -0.67
             | show AAPL basis buy_fees           | basis 0.67, buy_fees 0.67
             | c: sell 0.1 AAPL                   | c ACCEPTED
             |                                    | c FILLED 0.1 at 3.35 fee 0.33 pnl -0.68
             | show AAPL basis buy_fees           | basis 0.33, buy_fees 0.33
             | d: sell 0.1 AAPL                   | d ACCEPTED
             |                                    | d FILLED 0.1 at 3.35 fee 0.33 pnl -0.66
             | show AAPL quantity basis buy_fees  | quantity 0, basis 0.00, buy_fees 0.00
             | show account balance pnl           | balance 97.99, pnl -2.01
    """)


def test_a_gain_is_what_a_sale_brings_less_its_share_of_cost_and_all_fees() -> None:
    """A quarter of 4 000.00 and of 1.00 is 1 000.00 and 0.25; the sale's own fee is 1.00."""
    play("""
    given    | balance 10000, fees               | -
    10:00:00 | quote AAPL 99 x 300 / 100 x 40    | -
             | a: buy 40 AAPL                    | a ACCEPTED
             |                                   | a FILLED 40 at 100 fee 1.00
    10:00:01 | quote AAPL 110 x 300 / 111 x 40   | -
             | b: sell 10 AAPL                   | b ACCEPTED
             |                                   | b FILLED 10 at 110 fee 1.00 pnl 98.75
             | show AAPL quantity basis buy_fees | quantity 30, basis 3000.00, buy_fees 0.75
             | show account balance pnl fees     | balance 7098.00, pnl 98.75, fees 2.00
             | c: buy 30 AAPL                    | c ACCEPTED
             |                                   | c FILLED 30 at 111 fee 1.00
             | show AAPL basis average           | basis 6330.00, average 105.5
             | show AAPL buy_fees                | buy_fees 1.75
             | d: sell 60 AAPL                   | d ACCEPTED
             |                                   | d FILLED 60 at 110 fee 1.00 pnl 267.25
             | show account balance pnl          | balance 10366.00, pnl 366.00
    """)


def test_a_new_position_after_an_empty_one_has_a_cost_of_its_own() -> None:
    play("""
    10:00:00 | quote AAPL 99 x 300 / 100 x 40   | -
             | a: buy 10 AAPL                   | a ACCEPTED
             |                                  | a FILLED 10 at 100
             | b: sell 10 AAPL                  | b ACCEPTED
             |                                  | b FILLED 10 at 99 pnl -10.00
    10:00:01 | quote AAPL 49 x 300 / 50 x 40    | -
             | c: buy 10 AAPL                   | c ACCEPTED
             |                                  | c FILLED 10 at 50
             | show AAPL quantity basis average | quantity 10, basis 500.00, average 50
    """)


def test_what_rounding_left_without_cost_is_sold_at_a_gain() -> None:
    """A cent for two thirds of a cent's worth: half a cent and more goes with the first sale."""
    play("""
    given    | balance 100                        | -
    10:00:00 | quote DUST 0.01 x 300 / 0.01 x 300 | -
             | a: buy 0.3 DUST                    | a ACCEPTED
             |                                    | a FILLED 0.3 at 0.01
             | b: sell 0.2 DUST                   | b ACCEPTED
             |                                    | b FILLED 0.2 at 0.01 pnl -0.01
             | show DUST quantity basis average   | quantity 0.1, basis 0.00, average 0
    10:00:01 | quote DUST 1 x 300 / 1 x 300       | -
             | c: sell 0.1 DUST                   | c ACCEPTED
             |                                    | c FILLED 0.1 at 1 pnl 0.10
             | show account balance pnl           | balance 100.09, pnl 0.09
    """)
