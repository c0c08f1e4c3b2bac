"""Stop-losses of short positions that trail: they buy, and follow the best ask down."""

from tests.domain.scenario import play


def test_a_short_bracket_whose_stop_follows_a_fall_buys_in_the_rise() -> None:
    """Sold for 9900.00 and bought back for 9500.00: 400.00 are won."""
    play("""
        given    | balance 10000.00, margin           | -
        10:00:00 | quote AAPL 99 x 500 / 100 x 500    | -
        10:00:01 | a: short 100 AAPL take 80 loss -5  | a ACCEPTED
                 |                                    | a.take ACCEPTED
                 |                                    | a.loss ACCEPTED
                 |                                    | a FILLED 100 at 99
                 |                                    | a.take RELEASED
                 |                                    | a.loss RELEASED
                 | show a.loss stop                   | stop 105
                 | show AAPL quantity held buys       | quantity -100, held 0, buys 100
        10:00:02 | quote AAPL 89 x 500 / 90 x 500     | -
                 | show a.loss stop                   | stop 95
        10:00:03 | quote AAPL 93 x 500 / 94 x 500     | -
                 | show a.loss stop                   | stop 95
        10:00:04 | quote AAPL 94 x 500 / 95 x 500     | a.loss TRIGGERED
                 |                                    | a.loss FILLED 100 at 95 pnl 400.00
                 |                                    | a.take CANCELLED SIBLING_FILLED
                 | show AAPL quantity held buys       | quantity 0, held 0, buys 0
                 | show account balance pnl live      | balance 10400.00, pnl 400.00, live 0
    """)


def test_a_gap_through_a_trail_of_a_short_fills_at_the_ask() -> None:
    """The jump from 90 to 120 is more than the trail allows: 100 x (99 - 120) are lost."""
    play("""
        given    | balance 10000.00, margin           | -
        10:00:00 | quote AAPL 99 x 500 / 100 x 500    | -
        10:00:01 | a: short 100 AAPL loss -10%        | a ACCEPTED
                 |                                    | a.loss ACCEPTED
                 |                                    | a FILLED 100 at 99
                 |                                    | a.loss RELEASED
                 | show a.loss stop                   | stop 110
        10:00:02 | quote AAPL 89 x 500 / 90 x 500     | -
                 | show a.loss stop                   | stop 99
        10:00:03 | quote AAPL 119 x 500 / 120 x 500   | a.loss TRIGGERED
                 |                                    | a.loss FILLED 100 at 120 pnl -2100.00
                 | show account balance live          | balance 7900.00, live 0
    """)


def test_the_least_percentage_triggers_at_the_next_rise_and_not_before() -> None:
    """The stop is rounded away from the market, so a quote that moves it never triggers it."""
    play("""
        given    | balance 10000.00, margin           | -
        10:00:00 | quote AAPL 99 x 500 / 100 x 500    | -
        10:00:01 | a: short 10 AAPL loss -0.00000001% | a ACCEPTED
                 |                                    | a.loss ACCEPTED
                 |                                    | a FILLED 10 at 99
                 |                                    | a.loss RELEASED
                 | show a.loss stop                   | stop 100.00000001
        10:00:02 | quote AAPL 89 x 500 / 90 x 500     | -
                 | show a.loss stop                   | stop 90.00000001
        10:00:03 | quote AAPL 89 x 500 / 90.01 x 500  | a.loss TRIGGERED
                 |                                    | a.loss FILLED 10 at 90.01 pnl 89.90
    """)


def test_a_cancelled_trail_of_a_short_buys_nothing() -> None:
    play("""
        given    | balance 10000.00, margin           | -
        10:00:00 | quote AAPL 99 x 500 / 100 x 500    | -
        10:00:01 | a: short 10 AAPL take 80 loss -99% | a ACCEPTED
                 |                                    | a.take ACCEPTED
                 |                                    | a.loss ACCEPTED
                 |                                    | a FILLED 10 at 99
                 |                                    | a.take RELEASED
                 |                                    | a.loss RELEASED
                 | show a.loss stop                   | stop 199
                 | cancel a.loss                      | a.loss CANCELLED REQUESTED
                 | show AAPL quantity held buys       | quantity -10, held 0, buys 10
        10:00:02 | quote AAPL 199 x 500 / 200 x 500   | -
                 | show AAPL quantity                 | quantity -10
    """)
