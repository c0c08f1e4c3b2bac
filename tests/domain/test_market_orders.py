"""MARKET orders: their fill prices, how they wait, and what they may cost."""

from tests.domain.scenario import play


def test_a_market_order_buys_at_the_ask_and_sells_at_the_bid() -> None:
    play("""
    10:00:00 | quote AAPL 99.90 x 300 / 100.10 x 200 | -
             | a: buy 10 AAPL                        | a ACCEPTED
             |                                       | a FILLED 10 at 100.1
             | b: sell 10 AAPL                       | b ACCEPTED
             |                                       | b FILLED 10 at 99.9 pnl -2.00
             | show account balance reserved         | balance 99998.00, reserved 0.00
             | show account live fills               | live 0, fills 2
    """)


def test_what_a_quote_does_not_fill_waits_for_the_next_ones() -> None:
    """The rest reserves 105 % of the ask and fills at the ask of each later quote."""
    play("""
    10:00:00 | quote AAPL 99 x 300 / 100 x 200 | -
             | a: buy 300 AAPL                 | a ACCEPTED
             |                                 | a PARTIALLY_FILLED 200 at 100
             | show account balance reserved   | balance 80000.00, reserved 10500.00
    10:00:01 | quote AAPL 100 x 300 / 101 x 60 | a PARTIALLY_FILLED 60 at 101
             | show account balance reserved   | balance 73940.00, reserved 4242.00
             | show a filled average           | filled 260, average 100.23076923
    10:00:02 | quote AAPL 98 x 300 / 99 x 500  | a FILLED 40 at 99
             | show account balance reserved   | balance 69980.00, reserved 0.00
    """)


def test_a_waiting_sale_fills_at_later_bids_and_holds_back_the_rest_of_the_position() -> None:
    play("""
    10:00:00 | quote AAPL 99 x 40 / 100 x 200 | -
             | a: buy 100 AAPL                | a ACCEPTED
             |                                | a FILLED 100 at 100
             | b: sell 90 AAPL                | b ACCEPTED
             |                                | b PARTIALLY_FILLED 40 at 99 pnl -40.00
             | show AAPL quantity held        | quantity 60, held 50
             | c: sell 11 AAPL limit 200      | c REJECTED INSUFFICIENT_POSITION
             | d: sell 10 AAPL limit 200      | d ACCEPTED
    10:00:01 | quote AAPL 101 x 49 / 102 x 1  | b PARTIALLY_FILLED 49 at 101 pnl 49.00
    10:00:02 | quote AAPL 103 x 5 / 104 x 1   | b FILLED 1 at 103 pnl 3.00
             | show AAPL quantity held basis  | quantity 10, held 10, basis 1000.00
             | show b pnl average             | pnl 12.00, average 100.13333333
    """)


def test_a_waiting_order_reserves_all_that_is_left_when_that_is_less() -> None:
    play("""
    given    | balance 1000                      | -
    10:00:00 | quote AAPL 9 x 1 / 10 x 40        | -
             | a: buy 100 AAPL                   | a ACCEPTED
             |                                   | a PARTIALLY_FILLED 40 at 10
             | show account reserved free        | reserved 600.00, free 0.00
             | b: buy 0.00000001 AAPL limit 0.01 | b REJECTED INSUFFICIENT_BUYING_POWER
    """)


def test_a_later_fill_takes_what_can_be_paid_and_the_rest_is_cancelled() -> None:
    """600.00 pay for 46.153846153… shares at 13.00; stocks trade in steps of 0.00000001."""
    play("""
    given    | balance 1000                | -
    10:00:00 | quote AAPL 9 x 1 / 10 x 40  | -
             | a: buy 100 AAPL             | a ACCEPTED
             |                             | a PARTIALLY_FILLED 40 at 10
    10:00:01 | quote AAPL 9 x 1 / 13 x 500 | a PARTIALLY_FILLED 46.15384615 at 13
             |                             | a CANCELLED INSUFFICIENT_BUYING_POWER
             | show account balance live   | balance 0.00, live 0
    """)


def test_what_can_be_paid_is_floored_to_whole_contracts() -> None:
    """600.00 pay for two contracts of 100 at 2.50, not for a third."""
    play("""
    given    | balance 1000                    | -
    10:00:00 | quote CALL 0.90 x 1 / 1.00 x 4  | -
             | a: buy 9 CALL                   | a ACCEPTED
             |                                 | a PARTIALLY_FILLED 4 at 1
             | show account balance reserved   | balance 600.00, reserved 525.00
    10:00:01 | quote CALL 2.40 x 1 / 2.50 x 10 | a PARTIALLY_FILLED 2 at 2.5
             |                                 | a CANCELLED INSUFFICIENT_BUYING_POWER
             | show account balance reserved   | balance 100.00, reserved 0.00
             | show CALL quantity basis        | quantity 6, basis 900.00
    """)


def test_what_cannot_be_paid_at_all_is_cancelled_without_a_fill() -> None:
    play("""
    given    | balance 1000                    | -
    10:00:00 | quote CALL 0.90 x 1 / 1.00 x 4  | -
             | a: buy 9 CALL                   | a ACCEPTED
             |                                 | a PARTIALLY_FILLED 4 at 1
    10:00:01 | quote CALL 6.00 x 1 / 6.01 x 10 | a CANCELLED INSUFFICIENT_BUYING_POWER
             | show account balance reserved   | balance 600.00, reserved 0.00
    """)


def test_a_later_fill_pays_its_fee_out_of_the_same_money() -> None:
    """Two contracts would cost 599.30 and bring the order's fee from 2.60 to 3.90, 1.30 more."""
    play("""
    given    | balance 1002.60, fees             | -
    10:00:00 | quote CALL 0.90 x 1 / 1.00 x 4    | -
             | a: buy 9 CALL                     | a ACCEPTED
             |                                   | a PARTIALLY_FILLED 4 at 1 fee 2.60
             | show account balance              | balance 600.00
    10:00:01 | quote CALL 2.40 x 1 / 2.9965 x 10 | a PARTIALLY_FILLED 1 at 2.9965 fee 0.65
             |                                   | a CANCELLED INSUFFICIENT_BUYING_POWER
             | show account balance              | balance 299.70
    """)


def test_a_later_fill_never_takes_what_other_orders_hold() -> None:
    """330.00 of 600.00 are not held by the LIMIT order: they pay for 16.5 shares."""
    play("""
    given    | balance 1000                  | -
    10:00:00 | quote AAPL 9 x 1 / 10 x 40    | -
             | b: buy 30 AAPL limit 9        | b ACCEPTED
             | a: buy 60 AAPL                | a ACCEPTED
             |                               | a PARTIALLY_FILLED 40 at 10
             | show account balance reserved | balance 600.00, reserved 480.00
    10:00:01 | quote AAPL 9 x 1 / 20 x 100   | a PARTIALLY_FILLED 16.5 at 20
             |                               | a CANCELLED INSUFFICIENT_BUYING_POWER
             | show account balance reserved | balance 270.00, reserved 270.00
    """)


def test_a_later_fill_takes_free_money_beyond_its_reservation() -> None:
    play("""
    given    | balance 1000                  | -
    10:00:00 | quote AAPL 9 x 1 / 10 x 0     | -
             | a: buy 10 AAPL                | a ACCEPTED
             | show a status reserved        | status OPEN, reserved 105.00
    10:00:01 | quote AAPL 9 x 1 / 50 x 10    | a FILLED 10 at 50
             | show account balance reserved | balance 500.00, reserved 0.00
    """)


def test_a_market_order_must_be_able_to_pay_the_worst_slippage_and_the_fee() -> None:
    """10 × 100.02 (2 basis points) and a fee of 1.00 may be needed, though less is paid."""
    play("""
    given    | balance 1001.19, fees, slippage | -
    10:00:00 | quote AAPL 99 x 300 / 100 x 100 | -
             | a: buy 10 AAPL                  | a REJECTED INSUFFICIENT_BUYING_POWER
    """)
    play("""
    given    | balance 1001.20, fees, slippage | -
    10:00:00 | quote AAPL 99 x 300 / 100 x 100 | -
             | a: buy 10 AAPL                  | a ACCEPTED
             |                                 | a FILLED 10 at 100.001 fee 1.00
             | show account balance            | balance 0.19
    """)


def test_a_market_order_without_displayed_sizes_fills_whole() -> None:
    play("""
    given    | no sizes                    | -
    10:00:00 | quote AAPL 99 x 0 / 100 x 0 | -
             | a: buy 500 AAPL FOK         | a ACCEPTED
             |                             | a FILLED 500 at 100
             | b: sell 500 AAPL IOC        | b ACCEPTED
             |                             | b FILLED 500 at 99 pnl -500.00
    """)
