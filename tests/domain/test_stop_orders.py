"""STOP and STOP_LIMIT orders: when they are triggered, and what they do from then on."""

from tests.domain.scenario import play


def test_a_stop_triggers_at_its_price_and_not_a_cent_before() -> None:
    play("""
    10:00:00 | quote AAPL 99.00 x 300 / 100.00 x 200  | -
             | a: buy 10 AAPL stop 101                | a ACCEPTED
             | b: buy 10 AAPL                         | b ACCEPTED
             |                                        | b FILLED 10 at 100
             | c: sell 10 AAPL stop 98                | c ACCEPTED
    10:00:01 | quote AAPL 98.01 x 300 / 100.99 x 200  | -
    10:00:02 | quote AAPL 98.01 x 300 / 101.00 x 200  | a TRIGGERED
             |                                        | a FILLED 10 at 101
    10:00:03 | quote AAPL 98.00 x 300 / 101.00 x 200  | c TRIGGERED
             |                                        | c FILLED 10 at 98 pnl -25.00
    """)


def test_a_stop_already_through_on_arrival_triggers_at_once() -> None:
    play("""
    10:00:00 | quote AAPL 99 x 300 / 100 x 200  | -
             | a: buy 10 AAPL stop 100          | a ACCEPTED
             |                                  | a TRIGGERED
             |                                  | a FILLED 10 at 100
             | b: sell 4 AAPL stop 99           | b ACCEPTED
             |                                  | b TRIGGERED
             |                                  | b FILLED 4 at 99 pnl -4.00
             | c: sell 6 AAPL stop 99.5 limit 99.2 | c ACCEPTED
             |                                  | c TRIGGERED
             | show c triggered                 | triggered 10:00:00
    10:00:01 | quote AAPL 99.3 x 300 / 100 x 9  | c FILLED 6 at 99.3 pnl -4.20
    """)


def test_a_triggered_stop_stays_triggered_when_the_price_comes_back() -> None:
    play("""
    10:00:00 | a: buy 10 AAPL stop 101           | a ACCEPTED
    10:00:01 | quote AAPL 100 x 5 / 101.00 x 4   | a TRIGGERED
             |                                   | a PARTIALLY_FILLED 4 at 101
    10:00:02 | quote AAPL 94 x 5 / 95.00 x 3     | a PARTIALLY_FILLED 3 at 95
    10:00:03 | quote AAPL 92 x 5 / 93.00 x 30    | a FILLED 3 at 93
             | show a triggered average          | triggered 10:00:01, average 96.8
    """)


def test_a_trigger_without_anything_displayed_waits_as_a_market_order() -> None:
    play("""
    given    | balance 2000                      | -
    10:00:00 | a: buy 10 AAPL stop 101           | a ACCEPTED
             | show a reserved                   | reserved 1060.50
    10:00:01 | quote AAPL 109 x 5 / 110.00 x 0   | a TRIGGERED
             | show a reserved                   | reserved 1155.00
    10:00:02 | quote AAPL 99 x 5 / 100.00 x 20   | a FILLED 10 at 100
             | show account balance reserved     | balance 1000.00, reserved 0.00
    """)


def test_a_gap_over_a_stop_limit_leaves_it_resting_at_its_limit() -> None:
    play("""
    10:00:00 | a: buy 10 AAPL stop 101 limit 102 | a ACCEPTED
             | show a reserved                   | reserved 1020.00
    10:00:01 | quote AAPL 104 x 50 / 105 x 40    | a TRIGGERED
             | show a reserved status            | reserved 1020.00, status OPEN
    10:00:02 | quote AAPL 102 x 50 / 102.01 x 40 | -
    10:00:03 | quote AAPL 101 x 50 / 101.50 x 40 | a FILLED 10 at 101.5
    """)


def test_a_gap_over_a_sell_stop_limit_leaves_it_resting_at_its_limit() -> None:
    play("""
    10:00:00 | quote AAPL 99 x 50 / 100 x 40     | -
             | a: buy 10 AAPL                    | a ACCEPTED
             |                                   | a FILLED 10 at 100
             | b: sell 10 AAPL stop 95 limit 94  | b ACCEPTED
    10:00:01 | quote AAPL 90 x 50 / 91 x 40      | b TRIGGERED
             | show AAPL held                    | held 10
    10:00:02 | quote AAPL 94 x 50 / 95 x 40      | b FILLED 10 at 94 pnl -60.00
    """)


def test_a_gap_costs_more_than_was_reserved_and_takes_what_is_free_only() -> None:
    """What other orders hold back is never spent: b keeps its 500.00."""
    play("""
    given    | balance 2000                      | -
    10:00:00 | a: buy 10 AAPL stop 100           | a ACCEPTED
             | b: buy 5 SPY limit 100            | b ACCEPTED
             | show account free                 | free 450.00
    10:00:01 | quote AAPL 199 x 50 / 200 x 40    | a TRIGGERED
             |                                   | a PARTIALLY_FILLED 7.5 at 200
             |                                   | a CANCELLED INSUFFICIENT_BUYING_POWER
             | show account balance reserved     | balance 500.00, reserved 500.00
    """)


def test_a_stop_that_may_cost_too_much_is_rejected_by_its_reservation() -> None:
    play("""
    given    | balance 1050, fees                | -
    10:00:00 | a: buy 10 AAPL stop 100           | a REJECTED INSUFFICIENT_BUYING_POWER
             | b: buy 9 AAPL stop 100            | b ACCEPTED
             | show b reserved                   | reserved 946.00
             | cancel b                          | b CANCELLED REQUESTED
    10:00:01 | quote AAPL 109 x 9 / 110 x 0      | -
             | c: buy 9 AAPL stop 100            | c ACCEPTED
             |                                   | c TRIGGERED
             | show c reserved                   | reserved 1040.50
             | d: sell 1 AAPL stop 1             | d REJECTED INSUFFICIENT_POSITION
    """)


def test_a_trigger_pays_slippage_capped_by_its_limit_and_later_fills_pay_none() -> None:
    """All of the displayed size costs the mean of 5 and 20 basis points on a thin market."""
    play("""
    given    | slippage, balance 100000                    | -
    10:00:00 | a: buy 20 GME stop 100                      | a ACCEPTED
             | b: buy 10 GME stop 100 limit 100.1          | b ACCEPTED
    10:00:01 | quote GME 99 x 10 / 100 x 10                | a TRIGGERED
             |                                             | a PARTIALLY_FILLED 10 at 100.125
             |                                             | b TRIGGERED
    10:00:02 | quote GME 99 x 10 / 100 x 10                | a FILLED 10 at 100
    10:00:03 | quote GME 99 x 10 / 100 x 10                | b FILLED 10 at 100
             | c: buy 10 GME stop 99 limit 100.06          | c ACCEPTED
             |                                             | c TRIGGERED
    10:00:04 | quote GME 99 x 10 / 100 x 5                 | c PARTIALLY_FILLED 5 at 100
             | d: buy 1 GME stop 99 limit 100.01           | d ACCEPTED
             |                                             | d TRIGGERED
    """)


def test_one_quote_shows_active_orders_first_and_then_stops_as_they_were_reached() -> None:
    play("""
    10:00:00 | quote AAPL 99 x 0 / 100 x 0       | -
             | a: buy 1 AAPL stop 103            | a ACCEPTED
             | b: buy 1 AAPL stop 102            | b ACCEPTED
             | c: buy 1 AAPL limit 110           | c ACCEPTED
             | d: buy 1 AAPL                     | d ACCEPTED
             | e: buy 1 AAPL stop 102            | e ACCEPTED
    10:00:01 | quote AAPL 104 x 9 / 105 x 4      | d FILLED 1 at 105
             |                                   | c FILLED 1 at 105
             |                                   | b TRIGGERED
             |                                   | b FILLED 1 at 105
             |                                   | e TRIGGERED
             |                                   | e FILLED 1 at 105
             |                                   | a TRIGGERED
    """)


def test_a_stale_quote_triggers_nothing_and_a_stop_expires_like_any_order() -> None:
    play("""
    10:00:00 | quote AAPL 99 x 9 / 100 x 9       | -
    10:00:16 | a: buy 1 AAPL stop 100 DAY        | a ACCEPTED
             | show a triggered expires          | triggered -, expires 1d 00:00:00
    1d 00:00:00 | quote AAPL 99 x 9 / 100 x 9    | a CANCELLED EXPIRED_DAY
    """)
