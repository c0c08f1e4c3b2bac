"""Orders on margin that only close: they never open a position, and end with it."""

from tests.domain.scenario import play


def test_a_short_position_is_closed_by_an_order_that_buys() -> None:
    play(
        """
        given    | balance 10000.00, margin           | -
        10:00:00 | quote AAPL 100 x 1000 / 100 x 30   | -
                 | a: sell 100 AAPL                   | a ACCEPTED
                 |                                    | a FILLED 100 at 100
                 | b: buy 80 AAPL limit 90            | b ACCEPTED
                 | c: buy 10 AAPL limit 90            | c ACCEPTED
                 | d: buy 10 AAPL limit 90            | d ACCEPTED
                 | e: close 200 AAPL                  | refused INSUFFICIENT_POSITION
                 | f: close 15 AAPL                   | d CANCELLED POSITION_CLOSED
                 |                                    | c CANCELLED POSITION_CLOSED
                 |                                    | f ACCEPTED
                 |                                    | f FILLED 15 at 100 pnl 0.00
                 | show AAPL quantity held buys       | quantity -85, held 0, buys 80
                 | g: close AAPL                      | b CANCELLED POSITION_CLOSED
                 |                                    | g ACCEPTED
                 |                                    | g PARTIALLY_FILLED 15 at 100 pnl 0.00
                 | h: close 50% AAPL                  | g CANCELLED POSITION_CLOSED
                 |                                    | h ACCEPTED
        10:00:01 | quote AAPL 100 x 1000 / 100 x 1000 | h FILLED 35 at 100 pnl 0.00
                 | i: close AAPL                      | i ACCEPTED
                 |                                    | i FILLED 35 at 100 pnl 0.00
                 | j: close AAPL                      | refused POSITION_NOT_FOUND
                 | show trades closed                 | closed 4
        """
    )


def test_closing_twice_is_closing_once() -> None:
    play(
        """
        given    | balance 10000.00, margin           | -
        10:00:00 | quote AAPL 100 x 1000 / 100 x 1000 | -
                 | a: sell 100 AAPL                   | a ACCEPTED
                 |                                    | a FILLED 100 at 100
                 | close                              | -
                 | b: close AAPL                      | b ACCEPTED
                 | c: close AAPL                      | replayed b
                 | open                               | -
        10:00:01 | quote AAPL 100 x 1000 / 100 x 1000 | b FILLED 100 at 100 pnl 0.00
                 | show AAPL quantity buys            | quantity 0, buys 0
        """
    )


def test_an_order_that_closes_never_opens_a_position() -> None:
    play(
        """
        given    | balance 10000.00, margin           | -
        10:00:00 | quote AAPL 100 x 1000 / 100 x 1000 | -
                 | a: sell 100 AAPL                   | a ACCEPTED
                 |                                    | a FILLED 100 at 100
        10:00:01 | quote AAPL 100 x 1000 / 100 x 10   | -
                 | b: close AAPL                      | b ACCEPTED
                 |                                    | b PARTIALLY_FILLED 10 at 100 pnl 0.00
                 | replace b quantity 101             | refused INSUFFICIENT_POSITION
                 | c: buy 50 AAPL limit 101           | c ACCEPTED
                 | show AAPL quantity buys            | quantity -90, buys 140
        10:00:02 | quote AAPL 100 x 1000 / 100 x 1    | b PARTIALLY_FILLED 1 at 100 pnl 0.00
                 | replace b quantity 12              | b REPLACED
                 | show AAPL quantity buys            | quantity -89, buys 51
                 | replace b quantity 100             | b REPLACED
        10:00:03 | quote AAPL 100 x 1000 / 100 x 60   | b PARTIALLY_FILLED 60 at 100 pnl 0.00
                 | show AAPL quantity buys            | quantity -29, buys 79
        10:00:04 | quote AAPL 100 x 1000 / 100 x 1000 | b FILLED 29 at 100 pnl 0.00
                 |                                    | c FILLED 50 at 100
                 | show AAPL quantity buys            | quantity 50, buys 0
        """
    )


def test_exits_of_a_short_shrink_with_it_and_end_with_it() -> None:
    # The exits of a group count once, and stay equal.
    play(
        """
        given    | balance 10000.00, margin           | -
        10:00:00 | quote AAPL 100 x 1000 / 100 x 1000 | -
                 | a: short 100 AAPL take 80 loss 120 | a ACCEPTED
                 |                                    | a.take ACCEPTED
                 |                                    | a.loss ACCEPTED
                 |                                    | a FILLED 100 at 100
                 |                                    | a.take RELEASED
                 |                                    | a.loss RELEASED
                 | show AAPL quantity held buys       | quantity -100, held 0, buys 100
                 | show margin margin                 | margin 5000.00
                 | b: buy 40 AAPL                     | b ACCEPTED
                 |                                    | b FILLED 40 at 100 pnl 0.00
                 |                                    | a.take REPLACED
                 |                                    | a.loss REPLACED
                 | show AAPL quantity buys            | quantity -60, buys 60
                 | show a.take quantity               | quantity 60
                 | c: cover 10 AAPL take 85 loss 115  | c ACCEPTED
                 |                                    | c.loss ACCEPTED
                 | show AAPL quantity buys            | quantity -60, buys 70
                 | d: cover 61 AAPL take 85 loss 115  | d REJECTED INSUFFICIENT_POSITION
        10:00:01 | quote AAPL 84 x 1000 / 84 x 4      | c PARTIALLY_FILLED 4 at 84 pnl 64.00
                 |                                    | c.loss REPLACED
                 |                                    | a.take REPLACED
                 |                                    | a.loss REPLACED
                 | show AAPL quantity buys            | quantity -56, buys 62
                 | e: buy 76 AAPL limit 90            | e ACCEPTED
        10:00:02 | quote AAPL 86 x 1000 / 86 x 1000   | e FILLED 76 at 86 pnl 784.00
                 |                                    | a.take CANCELLED POSITION_CLOSED
                 |                                    | a.loss CANCELLED POSITION_CLOSED
                 |                                    | c CANCELLED POSITION_CLOSED
                 |                                    | c.loss CANCELLED POSITION_CLOSED
                 | show AAPL quantity held buys       | quantity 20, held 0, buys 0
        """
    )


def test_an_entry_ends_when_its_exits_have_nothing_to_close() -> None:
    play(
        """
        given    | balance 10000.00, margin         | -
        10:00:00 | quote AAPL 100 x 1000 / 100 x 30 | -
                 | a: buy 100 AAPL take 120 loss 80 | a ACCEPTED
                 |                                  | a.take ACCEPTED
                 |                                  | a.loss ACCEPTED
                 |                                  | a PARTIALLY_FILLED 30 at 100
                 |                                  | a.take RELEASED
                 |                                  | a.loss RELEASED
                 | b: sell 10 AAPL                  | b ACCEPTED
                 |                                  | b FILLED 10 at 100 pnl 0.00
                 |                                  | a.take REPLACED
                 |                                  | a.loss REPLACED
        10:00:01 | quote AAPL 100 x 1000 / 100 x 5  | a PARTIALLY_FILLED 5 at 100
                 |                                  | a.take REPLACED
                 |                                  | a.loss REPLACED
                 | show AAPL quantity held buys     | quantity 25, held 25, buys 65
                 | c: sell 30 AAPL                  | c ACCEPTED
                 |                                  | c FILLED 30 at 100 pnl 0.00
                 |                                  | a CANCELLED POSITION_CLOSED
                 |                                  | a.take CANCELLED POSITION_CLOSED
                 |                                  | a.loss CANCELLED POSITION_CLOSED
                 | show AAPL quantity held buys     | quantity -5, held 0, buys 0
        """
    )


def test_what_is_paid_in_full_is_closed_as_in_a_cash_account() -> None:
    play(
        """
        given    | balance 10000.00, margin              | -
        10:00:00 | quote BTC-USD 100 x 1000 / 100 x 1000 | -
                 | a: buy 10 BTC-USD                     | a ACCEPTED
                 |                                       | a FILLED 10 at 100
                 | b: sell 10 BTC-USD take 120 loss 80   | b ACCEPTED
                 |                                       | b.loss ACCEPTED
                 | show BTC-USD held                     | held 10
                 | c: close 4 BTC-USD                    | b.loss REPLACED
                 |                                       | b REPLACED
                 |                                       | c ACCEPTED
                 |                                       | c FILLED 4 at 100 pnl 0.00
                 | show BTC-USD quantity held            | quantity 6, held 6
        """
    )
