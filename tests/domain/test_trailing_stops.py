"""TRAILING_STOP orders: a stop that follows the market, and triggers once."""

import pytest

from tests.domain.scenario import play


def test_a_sell_trails_the_highest_bid_and_sells_when_the_market_falls_by_the_trail() -> None:
    """Bought for 1000.00, sold for 1049.00: 49.00 are won less the fees of 1.00 each."""
    play("""
    given    | fees                               | -
    10:00:00 | quote AAPL 99.90 x 500 / 100 x 500 | -
             | h: buy 10 AAPL                     | h ACCEPTED
             |                                    | h FILLED 10 at 100 fee 1.00
             | a: sell 10 AAPL trail 5            | a ACCEPTED
             | show a stop reserved               | stop 94.9, reserved 0.00
             | show AAPL held                     | held 10
    10:00:01 | quote AAPL 105 x 500 / 105.1 x 500 | -
             | show a stop                        | stop 100
    10:00:02 | quote AAPL 102 x 500 / 102.1 x 500 | -
             | show a stop                        | stop 100
    10:00:03 | quote AAPL 110 x 500 / 110.1 x 500 | -
             | show a stop                        | stop 105
    10:00:04 | quote AAPL 105.01 x 9 / 106 x 500  | -
    10:00:05 | quote AAPL 104.9 x 500 / 105 x 500 | a TRIGGERED
             |                                    | a FILLED 10 at 104.9 fee 1.00 pnl 47.00
             | show a stop triggered              | stop 105, triggered 10:00:05
             | show account balance               | balance 100047.00
    """)


def test_a_buy_trails_the_lowest_ask_and_buys_when_the_market_rises_by_the_trail() -> None:
    """It reserves 10 × 104 × 1.05, and once triggered no more than the ask needs."""
    play("""
    10:00:00 | quote AAPL 99 x 500 / 100 x 500    | -
             | a: buy 10 AAPL trail 4             | a ACCEPTED
             | show a stop reserved               | stop 104, reserved 1092.00
    10:00:01 | quote AAPL 89 x 500 / 90 x 500     | -
             | show a stop reserved               | stop 94, reserved 1092.00
    10:00:02 | quote AAPL 92 x 500 / 93.99 x 500  | -
             | show a stop                        | stop 94
    10:00:03 | quote AAPL 93 x 500 / 94 x 500     | a TRIGGERED
             |                                    | a FILLED 10 at 94
             | show account balance reserved      | balance 99060.00, reserved 0.00
    """)


def test_a_percentage_counts_from_the_best_price_and_is_rounded_away_from_it() -> None:
    """7 % of 33.33 is 2.3331; a third of a percent of 100 leaves more decimals than a price has."""
    play(
        """
    10:00:00 | quote DUST 33.33 x 500 / 33.40 x 500       | -
             | h: buy 30 DUST                             | h ACCEPTED
             |                                            | h FILLED 30 at 33.4
             | a: sell 10 DUST trail 7%                   | a ACCEPTED
             | show a stop                                | stop 30.9969
             | b: buy 10 DUST trail 0.33333333%           | b ACCEPTED
             | show b stop                                | stop 33.51133334
             | c: sell 10 DUST trail 0.33333333%          | c ACCEPTED
             | show c stop                                | stop 33.21890000
    """.replace("33.21890000", "33.2189")
    )


def test_a_trail_triggers_once_and_then_fills_as_a_market_order() -> None:
    """What is left waits for the next sizes, whatever the price does."""
    play("""
    10:00:00 | quote AAPL 99 x 500 / 100 x 500    | -
             | h: buy 10 AAPL                     | h ACCEPTED
             |                                    | h FILLED 10 at 100
             | a: sell 10 AAPL trail 1            | a ACCEPTED
    10:00:01 | quote AAPL 97 x 4 / 98 x 500       | a TRIGGERED
             |                                    | a PARTIALLY_FILLED 4 at 97 pnl -12.00
    10:00:02 | quote AAPL 120 x 4 / 121 x 500     | a PARTIALLY_FILLED 4 at 120 pnl 80.00
             | show a stop triggered              | stop 98, triggered 10:00:01
    10:00:03 | quote AAPL 90 x 4 / 91 x 500       | a FILLED 2 at 90 pnl -20.00
    """)


def test_each_order_trails_from_its_own_acceptance() -> None:
    play("""
    10:00:00 | quote AAPL 110 x 500 / 111 x 500   | -
             | h: buy 20 AAPL                     | h ACCEPTED
             |                                    | h FILLED 20 at 111
             | a: sell 10 AAPL trail 8            | a ACCEPTED
    10:00:01 | quote AAPL 105 x 500 / 106 x 500   | -
             | b: sell 10 AAPL trail 8            | b ACCEPTED
             | show a stop                        | stop 102
             | show b stop                        | stop 97
    10:00:02 | quote AAPL 107 x 500 / 108 x 500   | -
             | show b stop                        | stop 99
    10:00:03 | quote AAPL 102 x 500 / 103 x 500   | a TRIGGERED
             |                                    | a FILLED 10 at 102 pnl -90.00
    10:00:04 | quote AAPL 99 x 500 / 100 x 500    | b TRIGGERED
             |                                    | b FILLED 10 at 99 pnl -120.00
    """)


def test_one_quote_triggers_trails_and_stops_from_the_highest_down() -> None:
    play("""
    10:00:00 | quote AAPL 100 x 500 / 101 x 500   | -
             | h: buy 30 AAPL                     | h ACCEPTED
             |                                    | h FILLED 30 at 101
             | a: sell 10 AAPL trail 4            | a ACCEPTED
             | b: sell 10 AAPL stop 97            | b ACCEPTED
             | c: sell 10 AAPL trail 2%           | c ACCEPTED
    10:00:01 | quote AAPL 95 x 25 / 96 x 500      | c TRIGGERED
             |                                    | c FILLED 10 at 95 pnl -60.00
             |                                    | b TRIGGERED
             |                                    | b FILLED 10 at 95 pnl -60.00
             |                                    | a TRIGGERED
             |                                    | a PARTIALLY_FILLED 5 at 95 pnl -30.00
    """)


def test_only_quotes_of_open_sessions_move_or_trigger_a_trail() -> None:
    """An order that comes while the market is closed trails from the first quote of the session."""
    play("""
    10:00:00 | quote AAPL 100 x 500 / 101 x 500   | -
             | h: buy 20 AAPL                     | h ACCEPTED
             |                                    | h FILLED 20 at 101
             | a: sell 10 AAPL trail 5            | a ACCEPTED
             | close                              | -
             | b: sell 10 AAPL trail 5            | b ACCEPTED
             | show b stop                        | stop -
    10:00:01 | quote AAPL 120 x 500 / 121 x 500   | -
    10:00:02 | quote AAPL 90 x 500 / 91 x 500     | -
             | show a stop triggered              | stop 95, triggered -
             | open                               | -
    10:00:03 | quote AAPL 96 x 500 / 97 x 500     | -
             | show b stop                        | stop 91
    10:00:04 | quote AAPL 94 x 500 / 95 x 500     | a TRIGGERED
             |                                    | a FILLED 10 at 94 pnl -70.00
    """)


def test_a_trail_needs_a_quote_to_start_from() -> None:
    play("""
    10:00:00 | a: buy 10 AAPL trail 5             | a REJECTED NO_QUOTE
    10:00:01 | quote AAPL 100 x 500 / 101 x 500   | -
    10:00:20 | b: buy 10 AAPL trail 5             | b REJECTED NO_QUOTE
             | close                              | -
             | c: buy 10 AAPL trail 5             | c ACCEPTED
             | show c stop reserved               | stop -, reserved 1113.00
    """)


def test_a_sell_that_trails_by_more_than_the_price_waits_for_a_higher_one() -> None:
    play("""
    10:00:00 | quote AAPL 4 x 500 / 5 x 500       | -
             | h: buy 10 AAPL                     | h ACCEPTED
             |                                    | h FILLED 10 at 5
             | a: sell 10 AAPL trail 4            | a ACCEPTED
             | show a stop                        | stop -
    10:00:01 | quote AAPL 0.00000001 x 9 / 1 x 9  | -
    10:00:02 | quote AAPL 4.5 x 500 / 5 x 500     | -
             | show a stop                        | stop 0.5
    """)


def test_a_quote_without_sizes_moves_and_triggers_a_trail() -> None:
    """A trigger takes no size; the order then waits for one."""
    play("""
    10:00:00 | quote AAPL 100 x 500 / 101 x 500   | -
             | h: buy 10 AAPL                     | h ACCEPTED
             |                                    | h FILLED 10 at 101
             | a: sell 10 AAPL trail 5            | a ACCEPTED
    10:00:01 | quote AAPL 110 x 0 / 111 x 0       | -
             | show a stop                        | stop 105
    10:00:02 | quote AAPL 105 x 0 / 106 x 0       | a TRIGGERED
    10:00:03 | quote AAPL 101 x 500 / 102 x 500   | a FILLED 10 at 101 pnl 0.00
    """)


def test_a_replaced_trail_counts_from_the_best_price_so_far() -> None:
    """A narrower one may be reached at once; a wider one lowers the stop, because it was asked."""
    play("""
    10:00:00 | quote AAPL 100 x 500 / 101 x 500   | -
             | h: buy 10 AAPL                     | h ACCEPTED
             |                                    | h FILLED 10 at 101
             | a: sell 10 AAPL trail 5            | a ACCEPTED
    10:00:01 | quote AAPL 110 x 500 / 111 x 500   | -
    10:00:02 | quote AAPL 107 x 500 / 108 x 500   | -
             | replace a trail 5                  | -
             | replace a trail 6                  | a REPLACED
             | show a stop                        | stop 104
             | replace a quantity 9               | a REPLACED
             | show a stop                        | stop 104
             | replace a trail 10%                | a REPLACED
             | show a stop                        | stop 99
             | replace a trail 2.5                | a REPLACED
             |                                    | a TRIGGERED
             |                                    | a FILLED 9 at 107 pnl 54.00
             | show a stop                        | stop 107.5
    """)


@pytest.mark.parametrize(
    ("step", "outcome"),
    [("cancel a", "a CANCELLED REQUESTED"), ("expire", "a CANCELLED EXPIRED_DAY")],
)
def test_an_ended_trail_keeps_the_stop_that_it_had(step: str, outcome: str) -> None:
    play(
        f"""
    10:00:00 | quote AAPL 100 x 500 / 101 x 500   | -
             | h: buy 10 AAPL                     | h ACCEPTED
             |                                    | h FILLED 10 at 101
             | a: sell 10 AAPL trail 5 DAY        | a ACCEPTED
    10:00:01 | quote AAPL 110 x 500 / 111 x 500   | -
    1d 00:00:00 | {step}                          | {outcome}
             | show a stop                        | stop 105
             | show AAPL held                     | held 0
             | quote AAPL 50 x 500 / 51 x 500     | -
    """.replace("1d 00:00:00 | cancel", "10:00:02 | cancel")
    )


def test_a_closed_position_cancels_the_trail_that_holds_it() -> None:
    play("""
    10:00:00 | quote AAPL 100 x 500 / 101 x 500   | -
             | h: buy 10 AAPL                     | h ACCEPTED
             |                                    | h FILLED 10 at 101
             | a: sell 10 AAPL trail 5            | a ACCEPTED
             | b: close AAPL                      | a CANCELLED POSITION_CLOSED
             |                                    | b ACCEPTED
             |                                    | b FILLED 10 at 100 pnl -10.00
    """)


def test_a_preview_of_a_trail_reserves_what_placing_it_does() -> None:
    play("""
    10:00:00 | quote AAPL 99 x 500 / 100 x 500    | -
             | preview buy 10 AAPL trail 4%       | OPEN 0 at - fees 0.00 left 98908.00
             | preview sell 10 AAPL trail 4       | REJECTED 0 at - fees 0.00 left 100000.00
             |                                    | rejected INSUFFICIENT_POSITION
    """)
