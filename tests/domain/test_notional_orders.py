"""Orders for a notional: the quantity that an amount of money buys or sells."""

from tests.domain.scenario import play


def test_a_notional_buys_the_largest_quantity_that_it_pays_for() -> None:
    """333.33 ÷ 7 is 47.61857142…; one step more would cost 333.34."""
    play("""
    10:00:00 | quote AAPL 99.90 x 500 / 100 x 500 | -
             | a: buy $1000 AAPL                  | a ACCEPTED
             |                                    | a FILLED 10 at 100
             | show a quantity notional           | quantity 10, notional 1000.00
             | show account balance               | balance 99000.00
    10:00:01 | quote AAPL 6.90 x 500 / 7 x 500    | -
             | b: buy $333.33 AAPL                | b ACCEPTED
             |                                    | b FILLED 47.61857142 at 7
             | show account balance               | balance 98666.67
    """)


def test_slippage_and_fee_are_paid_out_of_the_notional() -> None:
    """The worst price is 100.02, and the fee is 1.00: (1001 − 1) ÷ 100.02 = 9.99800039…"""
    play("""
    given    | fees, slippage                      | -
    10:00:00 | quote AAPL 99.90 x 9000 / 100 x 10  | -
             | a: buy $1001 AAPL IOC               | a ACCEPTED
             |                                     | a FILLED 9.99800039 at 100.00999801 fee 1.00
             | show account balance                | balance 98999.10
    """)


def test_a_fee_that_is_a_share_of_the_notional_is_paid_out_of_it() -> None:
    """1 at 1000 costs 1001 with the fee of 0.1 %."""
    play("""
    given    | fees                                | -
    10:00:00 | quote BTC-USD 999 x 9 / 1000 x 9    | -
             | a: buy $1001 BTC-USD                | a ACCEPTED
             |                                     | a FILLED 1 at 1000 fee 1.00
             | show account balance                | balance 98999.00
    """)


def test_a_limit_order_is_sized_at_its_limit() -> None:
    """It costs at most the notional, and less if the price is better."""
    play("""
    10:00:00 | a: buy $990 AAPL limit 99          | a ACCEPTED
             | show a quantity reserved           | quantity 10, reserved 990.00
    10:00:01 | quote AAPL 97 x 500 / 98 x 500     | a FILLED 10 at 98
             | show account balance               | balance 99020.00
    10:00:02 | b: buy $990 AAPL limit 99          | b ACCEPTED
             |                                    | b FILLED 10 at 98
             | show b quantity notional           | quantity 10, notional 990.00
    """)


def test_a_notional_sells_what_is_worth_that_much_at_the_bid() -> None:
    play("""
    given    | fees, slippage                      | -
    10:00:00 | quote AAPL 99.90 x 5 / 100 x 500    | -
             | h: buy 10 AAPL limit 100            | h ACCEPTED
             |                                     | h FILLED 10 at 100 fee 1.00
             | a: sell $499.50 AAPL                | a ACCEPTED
             |                                     | a FILLED 5 at 99.89001 fee 1.00 pnl -2.05
             | show a quantity notional            | quantity 5, notional 499.50
             | b: sell $499.51 AAPL                | b REJECTED INSUFFICIENT_POSITION
             | show b quantity                     | quantity 5.0001001
    """)


def test_a_notional_counts_the_multiplier_and_whole_steps() -> None:
    """A contract at 1.50 costs 150: 400 pays for two, and 149 for none."""
    play("""
    10:00:00 | quote CALL 1.40 x 50 / 1.50 x 50   | -
             | a: buy $400 CALL                   | a ACCEPTED
             |                                    | a FILLED 2 at 1.5
             | b: buy $149 CALL                   | refused NOTIONAL_TOO_SMALL
             | b: sell $139 CALL                  | refused NOTIONAL_TOO_SMALL
             | preview buy $149 CALL              | refused NOTIONAL_TOO_SMALL
             | b: sell $140 CALL                  | b ACCEPTED
             |                                    | b FILLED 1 at 1.4 pnl -10.00
    """)


def test_a_notional_that_only_pays_the_fee_is_refused() -> None:
    play("""
    given    | fees                               | -
    10:00:00 | quote AAPL 99.90 x 500 / 100 x 500 | -
             | a: buy $1.00 AAPL                  | refused NOTIONAL_TOO_SMALL
             | a: buy $1.01 AAPL                  | a ACCEPTED
             |                                    | a FILLED 0.0001 at 100 fee 1.00
    """)


def test_without_a_quote_an_order_for_a_notional_is_rejected() -> None:
    """The same outcome as that of a MARKET order for a quantity; a closed market adds nothing."""
    play("""
    10:00:00 | a: buy $1000 AAPL                  | a REJECTED NO_QUOTE
             | show a quantity notional           | quantity 0, notional 1000.00
             | b: sell $1000 AAPL                 | b REJECTED NO_QUOTE
             | close                              | -
             | c: buy $1000 AAPL                  | c REJECTED NO_QUOTE
    10:00:01 | quote AAPL 99.90 x 500 / 100 x 500 | -
    10:00:20 | open                               | -
             | d: buy $1000 AAPL                  | d REJECTED NO_QUOTE
    """)


def test_a_closed_market_sizes_at_the_last_quote_and_the_quantity_stays() -> None:
    play("""
    10:00:00 | quote AAPL 99.90 x 500 / 100 x 500 | -
             | close                              | -
             | a: buy $1000 AAPL                  | a ACCEPTED
             | show a quantity reserved           | quantity 10, reserved 1050.00
    10:00:30 | open                               | -
             | quote AAPL 101 x 500 / 102 x 500   | a FILLED 10 at 102
             | show a notional                    | notional 1000.00
    """)


def test_a_replaced_order_is_no_longer_for_a_notional() -> None:
    play("""
    10:00:00 | quote AAPL 99.90 x 500 / 100 x 500 | -
             | a: buy $990 AAPL limit 99          | a ACCEPTED
             | b: buy $990 AAPL limit 99          | b ACCEPTED
             | replace a limit 99                 | -
             | show a notional                    | notional 990.00
             | replace a quantity 11              | a REPLACED
             | replace b limit 98                 | b REPLACED
             | show a quantity notional           | quantity 11, notional -
             | show b quantity notional           | quantity 10, notional -
    """)


def test_a_preview_shows_the_quantity_for_a_notional() -> None:
    play("""
    given    | fees                               | -
    10:00:00 | quote AAPL 99.90 x 500 / 100 x 500 | -
             | preview buy $1001 AAPL             | FILLED 10 at 100 fees 1.00 left 98999.00
    """)


def test_a_notional_never_buys_more_than_an_order_can_name() -> None:
    play("""
    10:00:00 | quote DUST 0.00000001 x 500 / 0.00000001 x 500 | -
             | a: buy $200 DUST IOC                           | a ACCEPTED
             |                                                | a PARTIALLY_FILLED 500 at 0.00000001
             |                                                | a CANCELLED IOC_REMAINDER
             | show a quantity                                | quantity 9999999999.99999999
    """)
