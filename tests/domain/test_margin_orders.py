"""Orders on margin: positions of both signs, what live orders bind, and what is rejected."""

from tests.domain.scenario import play


def test_a_long_position_is_bought_with_borrowed_money() -> None:
    # 200 x 100 cost 20 000, half of it borrowed; half of the worth is bound.
    play(
        """
        given    | balance 10000.00, margin           | -
        10:00:00 | quote AAPL 100 x 1000 / 100 x 1000 | -
        10:00:01 | show margin equity free            | equity 10000.00, free 10000.00
                 | show margin power                  | power 20000.00
                 | a: buy 200.00000001 AAPL           | a REJECTED INSUFFICIENT_BUYING_POWER
                 | b: buy 200 AAPL                    | b ACCEPTED
                 |                                    | b FILLED 200 at 100
                 | show account balance reserved      | balance -10000.00, reserved 0.00
                 | show AAPL quantity held            | quantity 200, held 0
                 | show AAPL buys basis               | buys 0, basis 20000.00
                 | show margin equity margin          | equity 10000.00, margin 10000.00
                 | show margin maintenance            | maintenance 6000.00
                 | show margin free loan shorts       | free 0.00, loan 10000.00, shorts 0.00
        10:00:02 | quote AAPL 110 x 1000 / 110 x 1000 | -
                 | show margin equity margin          | equity 12000.00, margin 11000.00
                 | show margin free power             | free 1000.00, power 2000.00
                 | c: sell 50 AAPL                    | c ACCEPTED
                 |                                    | c FILLED 50 at 110 pnl 500.00
                 | show account balance pnl           | balance -4500.00, pnl 500.00
                 | show trades closed wins profit     | closed 1, wins 1, profit 500.00
        """
    )


def test_a_short_position_is_sold_and_bought_back() -> None:
    # 100 x 50 bring 5 000, which pay no loan; the market value of the short is negative.
    play(
        """
        given    | balance 10000.00, margin, fees   | -
        10:00:00 | quote AAPL 50 x 1000 / 50 x 1000 | -
                 | a: sell 100 AAPL                 | a ACCEPTED
                 |                                  | a FILLED 100 at 50 fee 1.00
                 | show AAPL quantity basis         | quantity -100, basis -5000.00
                 | show AAPL buy_fees average       | buy_fees 1.00, average 50
                 | show account balance fees pnl    | balance 14999.00, fees 1.00, pnl 0.00
                 | show margin equity margin        | equity 9999.00, margin 2500.00
                 | show margin maintenance          | maintenance 1500.00
                 | show margin loan shorts          | loan 0.00, shorts 5000.00
                 | show trades closed               | closed 0
        10:00:01 | quote AAPL 40 x 1000 / 40 x 1000 | -
                 | show margin equity margin        | equity 10999.00, margin 2000.00
                 | b: buy 40 AAPL                   | b ACCEPTED
                 |                                  | b FILLED 40 at 40 fee 1.00 pnl 398.60
                 | show AAPL quantity basis         | quantity -60, basis -3000.00
                 | show AAPL buy_fees average       | buy_fees 0.60, average 50
                 | show account balance pnl         | balance 13398.00, pnl 398.60
        10:00:02 | quote AAPL 60 x 1000 / 60 x 1000 | -
                 | c: buy 60 AAPL                   | c ACCEPTED
                 |                                  | c FILLED 60 at 60 fee 1.00 pnl -601.60
                 | show AAPL quantity basis         | quantity 0, basis 0.00
                 | show AAPL buy_fees average       | buy_fees 0.00, average 0
                 | show account balance pnl         | balance 9797.00, pnl -203.00
                 | show trades closed wins loss     | closed 2, wins 1, loss 601.60
        """
    )


def test_a_sale_through_zero_realises_only_the_closed_part() -> None:
    # Of the fee of 1.50, a third belongs to the 100 that close: 100 x 10 - 0.50 - 1.00.
    play(
        """
        given    | balance 100000.00, margin, fees    | -
        10:00:00 | quote AAPL 100 x 1000 / 100 x 1000 | -
                 | a: buy 100 AAPL                    | a ACCEPTED
                 |                                    | a FILLED 100 at 100 fee 1.00
        10:00:01 | quote AAPL 110 x 1000 / 110 x 1000 | -
                 | b: sell 300 AAPL                   | b ACCEPTED
                 |                                    | b FILLED 300 at 110 fee 1.50 pnl 998.50
                 | show AAPL quantity basis           | quantity -200, basis -22000.00
                 | show AAPL buy_fees average         | buy_fees 1.00, average 110
                 | show account balance pnl           | balance 122997.50, pnl 998.50
                 | show account fees                  | fees 2.50
                 | show b filled pnl                  | filled 300, pnl 998.50
                 | show trades closed profit          | closed 1, profit 998.50
                 | show margin equity margin          | equity 100997.50, margin 11000.00
        """
    )


def test_a_purchase_through_zero_realises_only_the_closed_part() -> None:
    # A fee of 1.50 for 300, of which 100 close: 0.50. The short opened with a fee of 1.00.
    play(
        """
        given    | balance 100000.00, margin, fees    | -
        10:00:00 | quote AAPL 100 x 1000 / 100 x 1000 | -
                 | a: sell 100 AAPL                   | a ACCEPTED
                 |                                    | a FILLED 100 at 100 fee 1.00
        10:00:01 | quote AAPL 110 x 1000 / 110 x 1000 | -
                 | b: buy 300 AAPL                    | b ACCEPTED
                 |                                    | b FILLED 300 at 110 fee 1.50 pnl -1001.50
                 | show AAPL quantity basis           | quantity 200, basis 22000.00
                 | show AAPL buy_fees average         | buy_fees 1.00, average 110
                 | show account balance pnl           | balance 76997.50, pnl -1001.50
                 | show trades closed loss            | closed 1, loss 1001.50
        """
    )


def test_shares_of_a_fill_through_zero_are_rounded_half_even() -> None:
    # Worth 3 x 0.33333333 = 0.99999999, received 0.99, lost 0.00999999. One of three closes:
    # 0.33333333 - 0.00333333 - basis 0.33333333 - lost at the purchase 0.00666667.
    play(
        """
        given    | balance 100.00, margin                       | -
        10:00:00 | quote AAPL 0.33333333 x 10 / 0.33333333 x 10 | -
                 | a: buy 1 AAPL                                | a ACCEPTED
                 |                                              | a FILLED 1 at 0.33333333
                 | show AAPL basis                              | basis 0.33333333
                 | show AAPL buy_fees                           | buy_fees 0.00666667
                 | b: sell 3 AAPL                               | b ACCEPTED
                 |                                              | b FILLED 3 at 0.33333333 pnl -0.01
                 | show AAPL quantity basis                     | quantity -2, basis -0.66666666
                 | show AAPL buy_fees                           | buy_fees 0.00666666
                 | show AAPL average                            | average 0.33333333
                 | show account balance                         | balance 100.65
        """
    )


def test_live_orders_bind_the_margin_of_the_larger_side() -> None:
    play(
        """
        given    | balance 10000.00, margin           | -
        10:00:00 | quote AAPL 100 x 1000 / 100 x 1000 | -
                 | a: buy 100 AAPL                    | a ACCEPTED
                 |                                    | a FILLED 100 at 100
                 | show margin margin free            | margin 5000.00, free 5000.00
                 | b: buy 50 AAPL limit 90            | b ACCEPTED
                 | show AAPL held buys                | held 0, buys 50
                 | show margin margin free            | margin 7500.00, free 2500.00
                 | c: sell 250 AAPL limit 110         | c ACCEPTED
                 | show AAPL held buys                | held 250, buys 50
                 | show margin margin                 | margin 7500.00
                 | d: sell 50 AAPL limit 110          | d ACCEPTED
                 | show margin margin free            | margin 10000.00, free 0.00
                 | e: sell 1 AAPL limit 110           | e REJECTED INSUFFICIENT_BUYING_POWER
                 | cancel c                           | c CANCELLED REQUESTED
                 | show AAPL held buys                | held 50, buys 50
                 | show margin margin                 | margin 7500.00
                 | cancel b                           | b CANCELLED REQUESTED
                 | show AAPL held buys                | held 50, buys 0
                 | show margin margin                 | margin 5000.00
        """
    )


def test_two_sales_that_close_the_same_long_are_not_both_free() -> None:
    # The first one only closes. The second one opens a short, which nothing pays for.
    play(
        """
        given    | balance 5000.00, margin            | -
        10:00:00 | quote AAPL 100 x 1000 / 100 x 1000 | -
                 | a: buy 100 AAPL                    | a ACCEPTED
                 |                                    | a FILLED 100 at 100
                 | b: sell 100 AAPL limit 120         | b ACCEPTED
                 | c: sell 100 AAPL limit 120         | c ACCEPTED
                 | d: sell 0.5 AAPL limit 120         | d REJECTED INSUFFICIENT_BUYING_POWER
        10:00:01 | quote AAPL 80 x 1000 / 80 x 1000   | -
                 | show margin equity margin          | equity 3000.00, margin 4000.00
                 | show margin free                   | free -1000.00
                 | cancel c                           | c CANCELLED REQUESTED
                 | cancel b                           | b CANCELLED REQUESTED
                 | e: buy 1 AAPL limit 80             | e REJECTED INSUFFICIENT_BUYING_POWER
                 | f: sell 100 AAPL limit 120         | f ACCEPTED
                 | g: sell 1 AAPL limit 120           | g REJECTED INSUFFICIENT_BUYING_POWER
                 | h: sell 50 AAPL                    | h REJECTED INSUFFICIENT_BUYING_POWER
                 | cancel f                           | f CANCELLED REQUESTED
                 | i: sell 50 AAPL                    | i ACCEPTED
                 |                                    | i FILLED 50 at 80 pnl -1000.00
        """
    )


def test_slippage_and_fee_count_against_the_free_equity() -> None:
    # GME slips by at most 20 bps: 0.20 a share. 99.5 shares need 4 975.00 + 19.90 + 1.00.
    play(
        """
        given    | balance 4995.90, margin, fees, slippage | -
        10:00:00 | quote GME 100 x 1000 / 100 x 1000       | -
                 | a: buy 99.6 GME                         | a REJECTED INSUFFICIENT_BUYING_POWER
                 | b: sell 99.6 GME                        | b REJECTED INSUFFICIENT_BUYING_POWER
                 | c: sell 99.5 GME                        | c ACCEPTED
                 |                                         | c FILLED 99.5 at 99.9425375 fee 1.00
        """
    )


def test_a_waiting_stop_counts_what_it_slips_beyond_its_stop_price() -> None:
    # A stop may fill 5 % beyond: 105 x 1.05 - 105 = 5.25, and half of 100 is bound.
    play(
        """
        given    | balance 552.49, margin             | -
        10:00:00 | quote AAPL 100 x 1000 / 100 x 1000 | -
                 | a: buy 10 AAPL stop 105            | a REJECTED INSUFFICIENT_BUYING_POWER
                 | b: buy 9 AAPL stop 105             | b ACCEPTED
                 | show b reserved                    | reserved 0.00
                 | cancel b                           | b CANCELLED REQUESTED
                 | c: sell 11 AAPL stop 95            | c ACCEPTED
                 | show AAPL held                     | held 11
        10:00:01 | quote AAPL 94 x 5 / 94 x 1000      | c TRIGGERED
                 |                                    | c PARTIALLY_FILLED 5 at 94
                 | show AAPL quantity held            | quantity -5, held 6
        10:00:02 | quote AAPL 94 x 1000 / 94 x 1000   | c FILLED 6 at 94
                 | show AAPL quantity held            | quantity -11, held 0
        """
    )


def test_partial_fills_move_what_is_bound_from_the_order_to_the_position() -> None:
    play(
        """
        given    | balance 10000.00, margin       | -
        10:00:00 | quote AAPL 100 x 30 / 100 x 30 | -
                 | a: buy 100 AAPL                | a ACCEPTED
                 |                                | a PARTIALLY_FILLED 30 at 100
                 | show AAPL quantity buys        | quantity 30, buys 70
                 | show margin margin             | margin 5000.00
                 | replace a quantity 80          | a REPLACED
                 | show AAPL quantity buys        | quantity 30, buys 50
                 | replace a quantity 300         | refused INSUFFICIENT_BUYING_POWER
                 | show AAPL quantity buys        | quantity 30, buys 50
        10:00:01 | quote AAPL 100 x 30 / 100 x 30 | a PARTIALLY_FILLED 30 at 100
                 | show AAPL quantity buys        | quantity 60, buys 20
                 | cancel a                       | a CANCELLED REQUESTED
                 | show AAPL quantity buys        | quantity 60, buys 0
                 | show trades closed             | closed 0
        """
    )


def test_an_order_that_expires_binds_nothing_more() -> None:
    play(
        """
        given    | balance 10000.00, margin       | -
        10:00:00 | quote AAPL 100 x 30 / 100 x 30 | -
                 | a: sell 100 AAPL limit 120 DAY | a ACCEPTED
                 | b: buy 40 AAPL limit 80 DAY    | b ACCEPTED
                 | show margin margin             | margin 5000.00
        1d 00:00:00 | expire                         | a CANCELLED EXPIRED_DAY
                 |                                | b CANCELLED EXPIRED_DAY
                 | show AAPL held buys            | held 0, buys 0
                 | show margin margin             | margin 0.00
        """
    )


def test_what_is_not_on_margin_is_paid_in_full_beside_it() -> None:
    # Free equity pays for crypto; the margin of stocks is not to be spent on it.
    play(
        """
        given    | balance 10000.00, margin              | -
        10:00:00 | quote AAPL 100 x 1000 / 100 x 1000    | -
                 | quote BTC-USD 1000 x 100 / 1000 x 100 | -
                 | a: buy 100 AAPL                       | a ACCEPTED
                 |                                       | a FILLED 100 at 100
                 | b: buy 6 BTC-USD                      | b REJECTED INSUFFICIENT_BUYING_POWER
                 | c: sell 1 BTC-USD                     | c REJECTED INSUFFICIENT_POSITION
                 | d: buy 3 BTC-USD                      | d ACCEPTED
                 |                                       | d FILLED 3 at 1000
                 | show account balance                  | balance -3000.00
                 | show margin equity margin             | equity 10000.00, margin 8000.00
                 | show margin free                      | free 2000.00
                 | e: buy 2 BTC-USD limit 900            | e ACCEPTED
                 | show account reserved                 | reserved 1800.00
                 | show BTC-USD buys                     | buys 0
                 | show margin margin free               | margin 9800.00, free 200.00
                 | f: sell 3 BTC-USD limit 2000          | f ACCEPTED
                 | show BTC-USD held                     | held 3
                 | show margin margin maintenance        | margin 9800.00, maintenance 6000.00
                 | g: sell 1 BTC-USD limit 2000          | g REJECTED INSUFFICIENT_POSITION
        """
    )


def test_a_fill_that_is_paid_in_full_takes_no_more_than_the_free_equity() -> None:
    # Of the 3 600 that the order holds back, the fall of the stock leaves 1 000.
    play(
        """
        given    | balance 10000.00, margin              | -
        10:00:00 | quote AAPL 100 x 1000 / 100 x 1000    | -
                 | quote BTC-USD 1000 x 100 / 1000 x 100 | -
                 | a: buy 100 AAPL                       | a ACCEPTED
                 |                                       | a FILLED 100 at 100
                 | b: buy 4 BTC-USD limit 900            | b ACCEPTED
                 | show margin free                      | free 1400.00
        10:00:01 | quote AAPL 20 x 1000 / 20 x 1000      | -
                 | show margin equity margin             | equity 2000.00, margin 4600.00
                 | show margin free                      | free -2600.00
        10:00:02 | quote BTC-USD 900 x 100 / 900 x 100   | b PARTIALLY_FILLED 1.11111111 at 900
                 |                                       | b CANCELLED INSUFFICIENT_BUYING_POWER
                 | show account reserved                 | reserved 0.00
                 | show margin equity margin free        | equity 2000.00, margin 2000.00, free 0.00
        """
    )


def test_the_first_quote_can_come_after_the_order() -> None:
    # Without a quote, the limit is the mark.
    play(
        """
        given    | balance 1000.00, margin            | -
        10:00:00 | a: sell 21 AAPL limit 100          | a REJECTED INSUFFICIENT_BUYING_POWER
                 | b: sell 20 AAPL limit 100          | b ACCEPTED
                 | show margin margin free            | margin 1000.00, free 0.00
                 | c: buy 1 SPY limit 1               | c REJECTED INSUFFICIENT_BUYING_POWER
                 | close                              | -
                 | d: buy 1 SPY                       | d REJECTED NO_QUOTE
                 | open                               | -
        10:00:01 | quote AAPL 100 x 1000 / 101 x 1000 | b FILLED 20 at 100
                 | show AAPL quantity                 | quantity -20
        """
    )


def test_fok_and_ioc_orders_open_a_short() -> None:
    play(
        """
        given    | balance 10000.00, margin       | -
        10:00:00 | quote AAPL 100 x 50 / 100 x 50 | -
                 | a: sell 60 AAPL FOK            | a REJECTED FOK_NOT_FILLABLE
                 | b: sell 40 AAPL FOK            | b ACCEPTED
                 |                                | b FILLED 40 at 100
                 | c: sell 20 AAPL IOC            | c ACCEPTED
                 |                                | c PARTIALLY_FILLED 10 at 100
                 |                                | c CANCELLED IOC_REMAINDER
                 | show AAPL quantity held        | quantity -50, held 0
        """
    )


def test_a_halted_or_reducing_account_means_towards_zero() -> None:
    play(
        """
        given    | balance 10000.00, margin           | -
        10:00:00 | quote AAPL 100 x 1000 / 100 x 1000 | -
                 | a: sell 50 AAPL                    | a ACCEPTED
                 |                                    | a FILLED 50 at 100
                 | state REDUCING                     | -
                 | b: sell 1 AAPL                     | b REJECTED TRADING_HALTED
                 | c: buy 51 AAPL                     | c REJECTED TRADING_HALTED
                 | d: buy 30 AAPL limit 90            | d ACCEPTED
                 | e: buy 21 AAPL                     | e REJECTED TRADING_HALTED
                 | f: buy 20 AAPL                     | f ACCEPTED
                 |                                    | f FILLED 20 at 100 pnl 0.00
                 | state HALTED                       | -
                 | g: buy 1 AAPL                      | g REJECTED TRADING_HALTED
        """
    )
