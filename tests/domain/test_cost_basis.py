"""Cost basis and P&L explain the balance exactly, whatever was rounded."""

from tests.domain.scenario import play


def test_the_last_sale_takes_all_that_is_left_of_the_cost() -> None:
    """1.005 and 0.005 of rounding and 1.00 of fee, in sevenths: nothing is left in the end."""
    play("""
    given    | balance 100, fees                  | -
    10:00:00 | quote AAPL 3.35 x 300 / 3.35 x 300 | -
             | a: buy 0.3 AAPL                    | a ACCEPTED
             |                                    | a FILLED 0.3 at 3.35 fee 1.00
             | show AAPL basis buy_fees           | basis 1.005, buy_fees 1.005
             | b: sell 0.07 AAPL                  | b ACCEPTED
             |                                    | b FILLED 0.07 at 3.35 fee 0.23 pnl -0.469
             | show AAPL basis buy_fees           | basis 0.7705, buy_fees 0.7705
             | c: sell 0.11 AAPL                  | c ACCEPTED
             |                                    | c FILLED 0.11 at 3.35 fee 0.36 pnl -0.737
             | show AAPL basis buy_fees           | basis 0.402, buy_fees 0.402
             | d: sell 0.12 AAPL                  | d ACCEPTED
             |                                    | d FILLED 0.12 at 3.35 fee 0.40 pnl -0.804
             | show AAPL quantity basis buy_fees  | quantity 0, basis 0.00, buy_fees 0.00
             | show account balance pnl           | balance 97.99, pnl -2.01
    """)


def test_a_share_of_the_cost_has_eight_decimals() -> None:
    """A third of 30.05 and of 1.00 goes with each share, and what is left with the last one."""
    play("""
    given    | balance 100, fees                   | -
    10:00:00 | quote SPY 10.01 x 300 / 10.01 x 1   | -
             | a: buy 3 SPY limit 10.02            | a ACCEPTED
             |                                     | a PARTIALLY_FILLED 1 at 10.01 fee 1.00
    10:00:01 | quote SPY 10.01 x 300 / 10.02 x 2   | a FILLED 2 at 10.02
             | show SPY basis buy_fees average     | basis 30.05, buy_fees 1.00, average 10.01666667
             | b: sell 1 SPY                       | b ACCEPTED
             |                                     | b FILLED 1 at 10.01 fee 1.00 pnl -1.34
             | show SPY basis buy_fees             | basis 20.03333333, buy_fees 0.66666667
             | show SPY average                    | average 10.01666667
             | c: sell 2 SPY                       | c ACCEPTED
             |                                     | c FILLED 2 at 10.01 fee 1.00 pnl -1.68
             | show account balance pnl            | balance 96.98, pnl -3.02
    """)


def test_the_average_cost_is_that_of_the_fills_and_a_sale_does_not_move_it() -> None:
    """One for 0.16234 costs 0.17; what rounding took is no part of the price that was paid."""
    play("""
    10:00:00 | quote DUST 0.16234 x 9 / 0.16234 x 9 | -
             | a: buy 1 DUST                        | a ACCEPTED
             |                                      | a FILLED 1 at 0.16234
             | show DUST basis buy_fees             | basis 0.16234, buy_fees 0.00766
             | show DUST average                    | average 0.16234
             | b: buy 3 DUST                        | b ACCEPTED
             |                                      | b FILLED 3 at 0.16234
             | show DUST basis buy_fees             | basis 0.64936, buy_fees 0.01064
             | show DUST average                    | average 0.16234
             | c: sell 1 DUST                       | c ACCEPTED
             |                                      | c FILLED 1 at 0.16234 pnl -0.005
             | show DUST basis buy_fees             | basis 0.48702, buy_fees 0.00798
             | show DUST average                    | average 0.16234
             | d: sell 2 DUST                       | d ACCEPTED
             |                                      | d FILLED 2 at 0.16234 pnl -0.01
             | show DUST basis average              | basis 0.16234, average 0.16234
             | e: sell 1 DUST                       | e ACCEPTED
             |                                      | e FILLED 1 at 0.16234 pnl -0.005
             | show DUST quantity average           | quantity 0, average 0
             | show account balance pnl fees        | balance 99999.98, pnl -0.02, fees 0.02
             | show trades closed wins loss         | closed 3, wins 0, loss 0.02
    """)


def test_however_little_is_held_its_average_cost_is_the_price_paid() -> None:
    """A hundred-millionth at 92 000.33 is worth 0.00092000 in eight decimals."""
    play("""
    10:00:00 | quote GME 92000.33 x 9 / 92000.33 x 9 | -
             | a: buy 0.00000004 GME                 | a ACCEPTED
             |                                       | a FILLED 0.00000004 at 92000.33
             | b: sell 0.00000003 GME                | b ACCEPTED
             |                                       | b FILLED 0.00000003 at 92000.33 pnl -0.0075
             | show GME basis average                | basis 0.00092, average 92000.33
    """)


def test_an_average_cost_is_rounded_to_the_even_unit() -> None:
    play("""
    10:00:00 | quote DUST 0.00000001 x 9 / 0.00000001 x 1 | -
             | a: buy 2 DUST limit 0.00000002             | a ACCEPTED
             |                                            | a PARTIALLY_FILLED 1 at 0.00000001
    10:00:01 | quote DUST 0.00000001 x 9 / 0.00000002 x 1 | a FILLED 1 at 0.00000002
             | show DUST average                          | average 0.00000002
    10:00:02 | quote GME 0.00000001 x 9 / 0.00000002 x 1  | -
             | b: buy 2 GME limit 0.00000003              | b ACCEPTED
             |                                            | b PARTIALLY_FILLED 1 at 0.00000002
    10:00:03 | quote GME 0.00000001 x 9 / 0.00000003 x 1  | b FILLED 1 at 0.00000003
             | show GME average                           | average 0.00000002
    """)


def test_a_later_fill_of_an_order_gives_back_what_rounding_an_earlier_one_took() -> None:
    """0.004, 0.008 and 0.01 in all cost a cent once, so what is bought last costs less than nothing
    besides its price, and the order has no fees in the end."""
    play("""
    10:00:00 | quote DUST 0.01 x 9 / 0.01 x 0.4     | -
             | a: buy 1 DUST limit 0.01             | a ACCEPTED
             |                                      | a PARTIALLY_FILLED 0.4 at 0.01
             | show DUST basis buy_fees             | basis 0.004, buy_fees 0.006
             | b: sell 0.4 DUST                     | b ACCEPTED
             |                                      | b FILLED 0.4 at 0.01 pnl -0.01
             | show account fees                    | fees 0.01
    10:00:01 | quote DUST 0.01 x 9 / 0.01 x 0.6     | a FILLED 0.6 at 0.01
             | show DUST basis buy_fees             | basis 0.006, buy_fees -0.006
             | c: sell 0.6 DUST                     | c ACCEPTED
             |                                      | c FILLED 0.6 at 0.01 pnl 0.00
             | show account balance pnl fees        | balance 99999.99, pnl -0.01, fees 0.01
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


def test_a_win_is_one_by_the_exact_value_even_where_it_shows_no_cent() -> None:
    """1.99 for what cost 1.996, and 0.01 for what cost 0.004."""
    play("""
    10:00:00 | quote DUST 0.004 x 999 / 0.004 x 500 | -
             | a: buy 500 DUST                      | a ACCEPTED
             |                                      | a FILLED 500 at 0.004
             | b: sell 1 DUST limit 0.005           | b ACCEPTED
             | c: sell 499 DUST limit 0.004         | c ACCEPTED
             |                                      | c FILLED 499 at 0.004 pnl -0.006
    10:00:01 | quote DUST 0.014 x 9 / 0.014 x 9     | b FILLED 1 at 0.014 pnl 0.006
             | show trades closed wins profit loss  | closed 2, wins 1, profit 0.006, loss 0.006
             | show account balance pnl             | balance 100000.00, pnl 0.00
    """)
