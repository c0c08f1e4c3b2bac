"""Slippage: how much worse than the quote an order fills, computed by hand.

Basis points are low + (high − low) × the share of the displayed size that is used, averaged
over the part taken: 0 to 2 in liquid markets, 5 to 20 in thin ones.
"""

from tests.domain.scenario import play


def test_a_liquid_market_slips_up_to_two_basis_points() -> None:
    """Half of the size is used from 0 to 0.5: 0.25 on average, 0.5 basis points of 100.00."""
    play("""
    given    | slippage                         | -
    10:00:00 | quote AAPL 100 x 200 / 100 x 200 | -
             | a: buy 100 AAPL                  | a ACCEPTED
             |                                  | a FILLED 100 at 100.005
             | b: sell 50 AAPL                  | b ACCEPTED
             |                                  | b FILLED 50 at 99.9975 pnl -0.38
    """)


def test_a_thin_market_slips_from_five_to_twenty_basis_points() -> None:
    """Half of the size: 5 + 15 × 0.25 = 8.75; all of it: 5 + 15 × 0.5 = 12.5."""
    play("""
    given    | slippage                      | -
    10:00:00 | quote GME 20 x 100 / 20 x 100 | -
             | a: buy 50 GME                 | a ACCEPTED
             |                               | a FILLED 50 at 20.0175
             | b: sell 50 GME                | b ACCEPTED
             |                               | b FILLED 50 at 19.9825 pnl -1.76
    10:00:01 | quote GME 20 x 100 / 20 x 100 | -
             | c: buy 100 GME                | c ACCEPTED
             |                               | c FILLED 100 at 20.025
             | d: sell 100 GME               | d ACCEPTED
             |                               | d FILLED 100 at 19.975 pnl -5.00
    """)


def test_slicing_an_order_gains_nothing() -> None:
    """0.25, 0.75 and 1.5 basis points, 1 on average as for the whole, and a cent of rounding."""
    play("""
    given    | slippage                      | -
    10:00:00 | quote AAPL 99 x 1 / 100 x 200 | -
             | a: buy 50 AAPL                | a ACCEPTED
             |                               | a FILLED 50 at 100.0025
             | b: buy 50 AAPL                | b ACCEPTED
             |                               | b FILLED 50 at 100.0075
             | c: buy 100 AAPL               | c ACCEPTED
             |                               | c FILLED 100 at 100.015
             | show AAPL basis buy_fees      | basis 20002.00, buy_fees 0.01
    10:00:01 | quote AAPL 99 x 1 / 100 x 200 | -
             | d: buy 200 AAPL               | d ACCEPTED
             |                               | d FILLED 200 at 100.01
             | show AAPL basis buy_fees      | basis 40004.00, buy_fees 0.01
    """)


def test_what_resting_orders_took_makes_taking_dearer() -> None:
    play("""
    given    | slippage                      | -
    10:00:00 | a: buy 100 AAPL limit 100     | a ACCEPTED
    10:00:01 | quote AAPL 99 x 1 / 100 x 200 | a FILLED 100 at 100
             | b: buy 100 AAPL               | b ACCEPTED
             |                               | b FILLED 100 at 100.015
    """)


def test_only_the_part_that_is_filled_counts() -> None:
    """300 are asked for and 200 filled: 1 basis point, as for 200. What waits then pays none."""
    play("""
    given    | slippage                      | -
    10:00:00 | quote AAPL 99 x 1 / 100 x 200 | -
             | a: buy 300 AAPL               | a ACCEPTED
             |                               | a PARTIALLY_FILLED 200 at 100.01
    10:00:01 | quote AAPL 99 x 1 / 100 x 200 | a FILLED 100 at 100
    """)


def test_slippage_ends_at_the_limit() -> None:
    play("""
    given    | slippage                         | -
    10:00:00 | quote AAPL 100 x 200 / 100 x 200 | -
             | a: buy 100 AAPL limit 100        | a ACCEPTED
             |                                  | a FILLED 100 at 100
             | b: buy 100 AAPL limit 100.01     | b ACCEPTED
             |                                  | b FILLED 100 at 100.01
             | c: sell 100 AAPL limit 100       | c ACCEPTED
             |                                  | c FILLED 100 at 100 pnl -0.50
             | d: sell 100 AAPL limit 99        | d ACCEPTED
             |                                  | d FILLED 100 at 99.985 pnl -2.00
    """)


def test_a_price_is_rounded_against_the_account_and_stays_positive() -> None:
    """Of 0.00000003, one basis point is less than the smallest step of a price."""
    play("""
    given    | slippage                                   | -
    10:00:00 | quote DUST 0.00000003 x 9 / 0.00000003 x 9 | -
             | a: buy 9 DUST                              | a ACCEPTED
             |                                            | a FILLED 9 at 0.00000004
             | b: sell 5 DUST                             | b ACCEPTED
             |                                            | b FILLED 5 at 0.00000002 pnl -0.00555556
    10:00:01 | quote DUST 0.00000001 x 9 / 0.00000001 x 9 | -
             | c: sell 4 DUST                             | c ACCEPTED
             |                                            | c FILLED 4 at 0.00000001 pnl -0.00444444
    """)


def test_without_displayed_sizes_taking_more_than_is_shown_costs_the_worst() -> None:
    play("""
    given    | slippage, no sizes               | -
    10:00:00 | quote AAPL 100 x 200 / 100 x 200 | -
             | a: buy 400 AAPL                  | a ACCEPTED
             |                                  | a FILLED 400 at 100.02
             | b: sell 100 AAPL                 | b ACCEPTED
             |                                  | b FILLED 100 at 99.995 pnl -2.50
    10:00:01 | quote AAPL 100 x 0 / 100 x 0     | -
             | c: sell 100 AAPL                 | c ACCEPTED
             |                                  | c FILLED 100 at 99.98 pnl -4.00
    """)
