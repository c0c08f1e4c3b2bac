"""STOP and STOP_LIMIT orders: when they become active, and what they do from then on."""

from tests.domain.scenario import play


def test_a_buy_stop_triggers_at_its_price_and_not_one_unit_before() -> None:
    play("""
    10:00:00 | quote DUST 0.90 x 9 / 0.99 x 9             | -
             | a: buy 2 DUST stop 1                       | a ACCEPTED
             | b: buy 2 DUST stop 1 limit 1.10            | b ACCEPTED
    10:00:01 | quote DUST 0.99999998 x 9 / 0.99999999 x 9 | -
    10:00:02 | quote DUST 0.90 x 9 / 1 x 9                | a TRIGGERED
             |                                            | a FILLED 2 at 1
             |                                            | b TRIGGERED
             |                                            | b FILLED 2 at 1
             | show a triggered                           | triggered 10:00:02
    """)


def test_a_sell_stop_triggers_at_its_price_and_not_one_unit_before() -> None:
    play("""
    10:00:00 | quote DUST 1.10 x 9 / 1.20 x 9             | -
             | h: buy 4 DUST                              | h ACCEPTED
             |                                            | h FILLED 4 at 1.2
             | a: sell 2 DUST stop 1                      | a ACCEPTED
             | b: sell 2 DUST stop 1 limit 0.90           | b ACCEPTED
    10:00:01 | quote DUST 1.00000001 x 9 / 1.00000002 x 9 | -
    10:00:02 | quote DUST 1 x 9 / 1.20 x 9                | a TRIGGERED
             |                                            | a FILLED 2 at 1 pnl -0.40
             |                                            | b TRIGGERED
             |                                            | b FILLED 2 at 1 pnl -0.40
    """)


def test_a_stop_watches_the_side_it_fills_at() -> None:
    """A bid above a BUY stop is impossible below its ask; an ask below a SELL stop is not told."""
    play("""
    10:00:00 | quote AAPL 99 x 10 / 100 x 10  | -
             | h: buy 4 AAPL                  | h ACCEPTED
             |                                | h FILLED 4 at 100
             | a: sell 4 AAPL stop 95         | a ACCEPTED
             | b: buy 4 AAPL stop 105         | b ACCEPTED
    10:00:01 | quote AAPL 96 x 10 / 96 x 10   | -
    10:00:02 | quote AAPL 104 x 10 / 104 x 10 | -
    """)


def test_what_is_triggered_stays_active_though_the_price_comes_back() -> None:
    play("""
    10:00:00 | quote AAPL 99 x 10 / 100 x 10        | -
             | h: buy 10 AAPL                       | h ACCEPTED
             |                                      | h FILLED 10 at 100
             | a: buy 4 AAPL stop 105               | a ACCEPTED
             | b: buy 4 AAPL stop 105 limit 103     | b ACCEPTED
             | c: sell 4 AAPL stop 95               | c ACCEPTED
             | d: sell 4 AAPL stop 95 limit 97      | d ACCEPTED
    10:00:01 | quote AAPL 104 x 10 / 105 x 0        | a TRIGGERED
             |                                      | b TRIGGERED
    10:00:02 | quote AAPL 95 x 0 / 106 x 0          | c TRIGGERED
             |                                      | d TRIGGERED
    10:00:03 | quote AAPL 99 x 10 / 100 x 10        | a FILLED 4 at 100
             |                                      | b FILLED 4 at 100
             |                                      | c FILLED 4 at 99 pnl -4.00
             |                                      | d FILLED 4 at 99 pnl -4.00
             | show a triggered                     | triggered 10:00:01
             | show d triggered                     | triggered 10:00:02
    """)


def test_a_gap_through_the_stop_fills_at_the_price_behind_the_gap() -> None:
    play("""
    10:00:00 | quote AAPL 99 x 10 / 100 x 10  | -
             | h: buy 5 AAPL                  | h ACCEPTED
             |                                | h FILLED 5 at 100
             | a: buy 5 AAPL stop 101         | a ACCEPTED
             | b: sell 5 AAPL stop 98         | b ACCEPTED
    10:00:01 | quote AAPL 107 x 10 / 108 x 10 | a TRIGGERED
             |                                | a FILLED 5 at 108
    10:00:02 | quote AAPL 80 x 10 / 81 x 10   | b TRIGGERED
             |                                | b FILLED 5 at 80 pnl -120.00
    """)


def test_a_gap_beyond_the_reserve_fills_what_reserve_and_free_money_pay_for() -> None:
    """1 050.00 are reserved and 150.00 are free, which pay for 8 at 150; b keeps its 900.00."""
    play("""
    given    | balance 2100                     | -
    10:00:00 | quote AAPL 94 x 100 / 95 x 100   | -
             | a: buy 10 AAPL stop 100          | a ACCEPTED
             | b: buy 10 AAPL limit 90          | b ACCEPTED
             | show account reserved free       | reserved 1950.00, free 150.00
    10:00:01 | quote AAPL 149 x 100 / 150 x 100 | a TRIGGERED
             |                                  | a PARTIALLY_FILLED 8 at 150
             |                                  | a CANCELLED INSUFFICIENT_BUYING_POWER
             | show b status reserved           | status OPEN, reserved 900.00
             | show account balance free live   | balance 900.00, free 0.00, live 1
    """)


def test_a_gap_beyond_the_reserve_fills_whole_contracts_with_their_fee() -> None:
    """2 106.50 and 692.20 pay for 5 contracts at 500.65 each, not for a sixth."""
    play("""
    given    | balance 3000, fees               | -
    10:00:00 | quote CALL 1.40 x 99 / 1.50 x 99 | -
             | a: buy 10 CALL stop 2            | a ACCEPTED
             | b: buy 2 CALL limit 1            | b ACCEPTED
             | show a reserved                  | reserved 2106.50
             | show account reserved free       | reserved 2307.80, free 692.20
    10:00:01 | quote CALL 4 x 99 / 5 x 99       | a TRIGGERED
             |                                  | a PARTIALLY_FILLED 5 at 5 fee 3.25
             |                                  | a CANCELLED INSUFFICIENT_BUYING_POWER
             | show account balance reserved    | balance 496.75, reserved 201.30
    """)


def test_a_gap_that_leaves_money_for_nothing_cancels_the_whole_order() -> None:
    play("""
    given    | balance 250                      | -
    10:00:00 | quote CALL 1.40 x 99 / 1.50 x 99 | -
             | a: buy 1 CALL stop 2             | a ACCEPTED
    10:00:01 | quote CALL 4 x 99 / 5 x 99       | a TRIGGERED
             |                                  | a CANCELLED INSUFFICIENT_BUYING_POWER
             | show account balance free live   | balance 250.00, free 250.00, live 0
    """)


def test_a_gap_through_the_limit_leaves_the_order_resting_until_the_price_is_back() -> None:
    play("""
    10:00:00 | quote AAPL 99 x 10 / 100 x 10      | -
             | h: buy 4 AAPL                      | h ACCEPTED
             |                                    | h FILLED 4 at 100
             | a: buy 4 AAPL stop 101 limit 102   | a ACCEPTED
             | b: buy 4 AAPL stop 101 limit 104   | b ACCEPTED
             | c: sell 4 AAPL stop 98 limit 97    | c ACCEPTED
    10:00:01 | quote AAPL 104 x 10 / 105 x 10     | a TRIGGERED
             |                                    | b TRIGGERED
             | show a status reserved             | status OPEN, reserved 408.00
    10:00:02 | quote AAPL 103 x 10 / 104 x 10     | b FILLED 4 at 104
    10:00:03 | quote AAPL 100 x 10 / 102 x 10     | a FILLED 4 at 102
    10:00:04 | quote AAPL 96.99 x 10 / 100 x 10   | c TRIGGERED
    10:00:05 | quote AAPL 97.50 x 10 / 100 x 10   | c FILLED 4 at 97.5 pnl -18.00
    """)


def test_a_stop_that_is_already_through_triggers_on_arrival() -> None:
    play("""
    10:00:00 | quote AAPL 99 x 30 / 100 x 30    | -
             | a: buy 4 AAPL stop 100           | a ACCEPTED
             |                                  | a TRIGGERED
             |                                  | a FILLED 4 at 100
             | b: buy 4 AAPL stop 90 limit 101  | b ACCEPTED
             |                                  | b TRIGGERED
             |                                  | b FILLED 4 at 100
             | c: buy 4 AAPL stop 90 limit 99   | c ACCEPTED
             |                                  | c TRIGGERED
             | d: sell 4 AAPL stop 99           | d ACCEPTED
             |                                  | d TRIGGERED
             |                                  | d FILLED 4 at 99 pnl -4.00
             | e: sell 2 AAPL stop 120 limit 98 | e ACCEPTED
             |                                  | e TRIGGERED
             |                                  | e FILLED 2 at 99 pnl -2.00
             | f: sell 2 AAPL stop 120 limit 99 | f ACCEPTED
             |                                  | f TRIGGERED
             |                                  | f FILLED 2 at 99 pnl -2.00
             | show c status reserved           | status OPEN, reserved 396.00
    """)


def test_what_a_stop_takes_when_it_triggers_pays_slippage() -> None:
    play("""
    given    | slippage                         | -
    10:00:00 | quote AAPL 99 x 200 / 99 x 200   | -
             | h: buy 200 AAPL limit 99         | h ACCEPTED
             |                                  | h FILLED 200 at 99
             | a: buy 200 AAPL stop 100         | a ACCEPTED
             | b: sell 200 AAPL stop 98         | b ACCEPTED
    10:00:01 | quote AAPL 99 x 200 / 100 x 200  | a TRIGGERED
             |                                  | a FILLED 200 at 100.01
    10:00:02 | quote AAPL 98 x 200 / 100 x 200  | b TRIGGERED
             |                                  | b FILLED 200 at 97.9902 pnl -302.96
    """)


def test_the_slippage_of_a_triggered_stop_limit_ends_at_its_limit() -> None:
    play("""
    given    | slippage                                   | -
    10:00:00 | quote GME 99 x 200 / 99 x 200              | -
             | h: buy 200 GME limit 99                    | h ACCEPTED
             |                                            | h FILLED 200 at 99
             | a: buy 200 GME stop 100 limit 100.10       | a ACCEPTED
             | b: sell 200 GME stop 98 limit 97.90        | b ACCEPTED
    10:00:01 | quote GME 99 x 200 / 100 x 200             | a TRIGGERED
             |                                            | a FILLED 200 at 100.1
    10:00:02 | quote GME 98 x 200 / 100 x 200             | b TRIGGERED
             |                                            | b FILLED 200 at 97.9 pnl -330.00
    """)


def test_what_a_triggered_stop_waits_for_costs_no_slippage() -> None:
    play("""
    given    | slippage                                   | -
    10:00:00 | quote GME 98 x 100 / 99 x 100              | -
             | a: buy 150 GME stop 100                    | a ACCEPTED
             | b: buy 100 GME stop 100 limit 101          | b ACCEPTED
    10:00:01 | quote GME 99 x 100 / 100 x 100             | a TRIGGERED
             |                                            | a PARTIALLY_FILLED 100 at 100.125
             |                                            | b TRIGGERED
    10:00:02 | quote GME 99 x 100 / 100 x 150             | a FILLED 50 at 100
             |                                            | b FILLED 100 at 100
    """)


def test_a_trigger_that_finds_nothing_displayed_waits_for_the_next_quote() -> None:
    """From its trigger on it reserves the ask × 1.05, not the stop × 1.05."""
    play("""
    10:00:00 | quote AAPL 99 x 10 / 100 x 10 | -
             | a: buy 10 AAPL stop 105       | a ACCEPTED
             | show account reserved         | reserved 1102.50
    10:00:01 | quote AAPL 109 x 0 / 110 x 0  | a TRIGGERED
             | show a status filled reserved | status OPEN, filled 0, reserved 1155.00
             | show account reserved         | reserved 1155.00
    10:00:02 | quote AAPL 109 x 0 / 110 x 0  | -
    10:00:03 | quote AAPL 109 x 0 / 111 x 10 | a FILLED 10 at 111
             | show account reserved         | reserved 0.00
    """)


def test_a_buy_stop_reserves_its_price_with_margin_and_fee() -> None:
    play("""
    given    | balance 2312, fees            | -
    10:00:00 | quote AAPL 99 x 10 / 100 x 10 | -
             | a: buy 10 AAPL stop 110       | a ACCEPTED
             | show a reserved               | reserved 1156.00
             | b: buy 10.01 AAPL stop 110    | b REJECTED INSUFFICIENT_BUYING_POWER
             | c: buy 10 AAPL stop 110       | c ACCEPTED
             | show account free live        | free 0.00, live 2
             | cancel a                      | a CANCELLED REQUESTED
             | show account free live        | free 1156.00, live 1
    """)


def test_a_buy_stop_limit_reserves_its_limit_without_margin() -> None:
    play("""
    given    | balance 1111, fees                | -
    10:00:00 | quote AAPL 99 x 10 / 100 x 10     | -
             | a: buy 10 AAPL stop 105 limit 111 | a ACCEPTED
             | show a reserved                   | reserved 1111.00
             | b: buy 1 AAPL stop 105 limit 111  | b REJECTED INSUFFICIENT_BUYING_POWER
    """)


def test_a_buy_stop_behind_the_ask_reserves_the_ask_with_margin() -> None:
    play("""
    10:00:00 | quote AAPL 119 x 10 / 120 x 0 | -
             | a: buy 10 AAPL stop 110       | a ACCEPTED
             |                               | a TRIGGERED
             | show a reserved               | reserved 1260.00
             | close                         | -
             | b: buy 10 AAPL stop 110       | b ACCEPTED
             | show b reserved triggered     | reserved 1260.00, triggered -
             | c: buy 10 AAPL stop 130       | c ACCEPTED
             | show c reserved               | reserved 1365.00
    """)


def test_a_stop_that_cannot_pay_its_margin_is_rejected() -> None:
    play("""
    given    | balance 1049.99               | -
    10:00:00 | quote AAPL 99 x 10 / 100 x 10 | -
             | a: buy 10 AAPL stop 100       | a REJECTED INSUFFICIENT_BUYING_POWER
             | b: buy 10 AAPL stop 90        | b REJECTED INSUFFICIENT_BUYING_POWER
             | c: buy 10 AAPL                | c ACCEPTED
             |                               | c FILLED 10 at 100
    """)


def test_a_sell_stop_holds_its_position_until_it_ends() -> None:
    play("""
    10:00:00 | quote AAPL 99 x 10 / 100 x 10   | -
             | h: buy 10 AAPL                  | h ACCEPTED
             |                                 | h FILLED 10 at 100
             | a: sell 6 AAPL stop 90          | a ACCEPTED
             | b: sell 4 AAPL stop 95 limit 94 | b ACCEPTED
             | c: sell 1 AAPL                  | c REJECTED INSUFFICIENT_POSITION
             | d: sell 1 AAPL stop 50          | d REJECTED INSUFFICIENT_POSITION
             | show AAPL quantity held         | quantity 10, held 10
             | show account reserved           | reserved 0.00
             | cancel a                        | a CANCELLED REQUESTED
             | show AAPL quantity held         | quantity 10, held 4
    10:00:01 | quote AAPL 94 x 3 / 100 x 10    | b TRIGGERED
             |                                 | b PARTIALLY_FILLED 3 at 94 pnl -18.00
             | show AAPL quantity held         | quantity 7, held 1
             | cancel b                        | b CANCELLED REQUESTED
             | show AAPL quantity held         | quantity 7, held 0
    """)


def test_a_triggered_stop_fills_over_several_quotes_at_what_each_shows() -> None:
    play("""
    10:00:00 | quote AAPL 99 x 10 / 100 x 10   | -
             | a: buy 30 AAPL stop 105         | a ACCEPTED
    10:00:01 | quote AAPL 104 x 10 / 105 x 10  | a TRIGGERED
             |                                 | a PARTIALLY_FILLED 10 at 105
             | show a reserved                 | reserved 2205.00
    10:00:02 | quote AAPL 102 x 10 / 103 x 15  | a PARTIALLY_FILLED 15 at 103
             | show a reserved                 | reserved 540.75
    10:00:03 | quote AAPL 109 x 10 / 110 x 10  | a FILLED 5 at 110
             | show a average reserved         | average 104.83333333, reserved 0.00
    """)


def test_one_quote_triggers_stops_in_the_order_their_price_was_reached() -> None:
    """Orders that were active before come first, though a stop has the better price."""
    play("""
    10:00:00 | quote AAPL 99 x 10 / 100 x 0      | -
             | a: buy 10 AAPL stop 103           | a ACCEPTED
             | b: buy 10 AAPL stop 101           | b ACCEPTED
             | c: buy 10 AAPL stop 102 limit 200 | c ACCEPTED
             | d: buy 10 AAPL stop 102           | d ACCEPTED
             | e: buy 10 AAPL limit 106          | e ACCEPTED
    10:00:01 | quote AAPL 104 x 10 / 105 x 35    | e FILLED 10 at 105
             |                                   | b TRIGGERED
             |                                   | b FILLED 10 at 105
             |                                   | c TRIGGERED
             |                                   | c FILLED 10 at 105
             |                                   | d TRIGGERED
             |                                   | d PARTIALLY_FILLED 5 at 105
             |                                   | a TRIGGERED
    10:00:02 | quote AAPL 104 x 10 / 105 x 35    | a FILLED 10 at 105
             |                                   | d FILLED 5 at 105
    """)


def test_one_quote_triggers_sell_stops_from_the_highest_down() -> None:
    play("""
    10:00:00 | quote AAPL 99 x 0 / 100 x 40      | -
             | h: buy 40 AAPL                    | h ACCEPTED
             |                                   | h FILLED 40 at 100
             | a: sell 10 AAPL stop 97           | a ACCEPTED
             | b: sell 10 AAPL stop 98           | b ACCEPTED
             | c: sell 10 AAPL stop 98 limit 1   | c ACCEPTED
             | d: sell 10 AAPL limit 90          | d ACCEPTED
    10:00:01 | quote AAPL 95 x 35 / 100 x 40     | d FILLED 10 at 95 pnl -50.00
             |                                   | b TRIGGERED
             |                                   | b FILLED 10 at 95 pnl -50.00
             |                                   | c TRIGGERED
             |                                   | c FILLED 10 at 95 pnl -50.00
             |                                   | a TRIGGERED
             |                                   | a PARTIALLY_FILLED 5 at 95 pnl -25.00
    """)


def test_a_stale_quote_triggers_nothing() -> None:
    """It does not count for the reserve either: 105 × 1.05 and not 120 × 1.05."""
    play("""
    10:00:00 | quote AAPL 119 x 10 / 120 x 10    | -
             | h: buy 4 AAPL                     | h ACCEPTED
             |                                   | h FILLED 4 at 120
    10:00:16 | a: buy 10 AAPL stop 105           | a ACCEPTED
             | b: buy 10 AAPL stop 105 limit 130 | b ACCEPTED
             | c: sell 4 AAPL stop 130           | c ACCEPTED
             | show a reserved triggered         | reserved 1102.50, triggered -
    10:00:17 | quote AAPL 120 x 10 / 121 x 20    | a TRIGGERED
             |                                   | a FILLED 10 at 121
             |                                   | b TRIGGERED
             |                                   | b FILLED 10 at 121
             |                                   | c TRIGGERED
             |                                   | c FILLED 4 at 120 pnl -3.33333333
    """)


def test_a_stop_without_any_quote_waits_for_the_first() -> None:
    play("""
    10:00:00 | a: buy 10 AAPL stop 105            | a ACCEPTED
             | b: buy 10 AAPL stop 105 limit 106  | b ACCEPTED
             | show account reserved              | reserved 2162.50
    10:00:01 | quote AAPL 104 x 10 / 104.99 x 20  | -
    10:00:02 | quote AAPL 104 x 10 / 105 x 20     | a TRIGGERED
             |                                    | a FILLED 10 at 105
             |                                    | b TRIGGERED
             |                                    | b FILLED 10 at 105
    """)


def test_a_day_stop_that_is_never_reached_ends_with_its_day() -> None:
    play("""
    10:00:00 | quote AAPL 99 x 10 / 100 x 10          | -
             | a: buy 10 AAPL stop 105 DAY            | a ACCEPTED
             | b: buy 10 AAPL stop 105 limit 106 DAY  | b ACCEPTED
             | c: buy 10 AAPL stop 105                | c ACCEPTED
    1d 00:00:00 | quote AAPL 104 x 10 / 105 x 50      | a CANCELLED EXPIRED_DAY
             |                                        | b CANCELLED EXPIRED_DAY
             |                                        | c TRIGGERED
             |                                        | c FILLED 10 at 105
             | show account reserved live             | reserved 0.00, live 0
    """)
