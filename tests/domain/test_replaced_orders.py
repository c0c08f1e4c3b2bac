"""Replaced orders: new values in one step, what is filled kept, and held back anew."""

from tests.domain.scenario import play


def test_a_replacement_keeps_what_is_filled_and_holds_back_anew() -> None:
    play("""
    10:00:00 | quote AAPL 99 x 300 / 100 x 4       | -
             | a: buy 10 AAPL limit 100            | a ACCEPTED
             |                                     | a PARTIALLY_FILLED 4 at 100
             | replace a quantity 20 limit 99.5    | a REPLACED
             | show a quantity filled reserved     | quantity 20, filled 4, reserved 1592.00
             | replace a quantity 5                | a REPLACED
             | show account reserved live          | reserved 99.50, live 1
    10:00:01 | quote AAPL 99 x 300 / 99.4 x 4      | a FILLED 1 at 99.4
             | show account balance reserved live  | balance 99500.60, reserved 0.00, live 0
    """)


def test_the_same_values_are_no_event_and_the_expiry_stays() -> None:
    play("""
    10:00:00 | a: buy 10 AAPL limit 100            | a ACCEPTED
    10:00:09 | replace a quantity 10 limit 100     | -
             | replace a limit 101                 | a REPLACED
             | show a expires                      | expires 90d 10:00:00
    """)


def test_an_order_replaced_into_the_market_fills_at_once_and_pays_slippage() -> None:
    """Otherwise an order placed far away and then moved would trade more cheaply."""
    play("""
    given    | slippage                            | -
    10:00:00 | quote GME 99 x 10 / 100 x 10        | -
             | a: buy 10 GME limit 90              | a ACCEPTED
             | replace a limit 101                 | a REPLACED
             |                                     | a FILLED 10 at 100.125
    """)


def test_what_was_taken_of_a_quote_is_not_there_for_a_replacement() -> None:
    play("""
    10:00:00 | quote AAPL 99 x 300 / 100 x 4       | -
             | a: buy 10 AAPL limit 100            | a ACCEPTED
             |                                     | a PARTIALLY_FILLED 4 at 100
             | replace a limit 105                 | a REPLACED
    10:00:01 | quote AAPL 99 x 300 / 100 x 6       | a FILLED 6 at 100
    """)


def test_a_stop_moved_through_the_market_triggers_and_a_triggered_one_keeps_its_limit() -> None:
    play("""
    10:00:00 | quote AAPL 99 x 300 / 100 x 40      | -
             | a: buy 10 AAPL stop 110             | a ACCEPTED
             | replace a stop 99                   | a REPLACED
             |                                     | a TRIGGERED
             |                                     | a FILLED 10 at 100
             | b: buy 5 AAPL stop 110 limit 111    | b ACCEPTED
             | replace b stop 100 limit 99.5       | b REPLACED
             |                                     | b TRIGGERED
             | replace b limit 100                 | b REPLACED
             |                                     | b FILLED 5 at 100
    """)


def test_a_sale_holds_back_its_new_quantity() -> None:
    play("""
    10:00:00 | quote AAPL 99 x 3 / 100 x 40        | -
             | a: buy 10 AAPL                      | a ACCEPTED
             |                                     | a FILLED 10 at 100
             | b: sell 8 AAPL limit 99             | b ACCEPTED
             |                                     | b PARTIALLY_FILLED 3 at 99 pnl -3.00
             | replace b quantity 11               | refused INSUFFICIENT_POSITION
             | replace b quantity 10               | b REPLACED
             | show AAPL quantity held             | quantity 7, held 7
             | replace b quantity 4 limit 98       | b REPLACED
             | show AAPL quantity held             | quantity 7, held 1
    """)


def test_a_refused_replacement_leaves_the_order_as_it_was() -> None:
    play("""
    given    | balance 1000                        | -
    10:00:00 | a: buy 10 AAPL limit 90             | a ACCEPTED
             | b: buy 1 AAPL limit 90              | b ACCEPTED
             | replace a limit 91.01               | refused INSUFFICIENT_BUYING_POWER
             | replace a quantity 9999999999       | refused ORDER_TOO_LARGE
             | show a reserved quantity            | reserved 900.00, quantity 10
             | show account reserved live          | reserved 990.00, live 2
             | replace a limit 91                  | a REPLACED
             | show account reserved               | reserved 1000.00
    """)


def test_what_fills_at_any_price_can_only_be_replaced_by_a_fresh_quote() -> None:
    play("""
    10:00:00 | quote AAPL 99 x 9 / 100 x 1         | -
             | a: buy 10 AAPL                      | a ACCEPTED
             |                                     | a PARTIALLY_FILLED 1 at 100
    10:00:16 | replace a quantity 20               | refused NO_QUOTE
    10:00:17 | quote AAPL 99 x 9 / 100 x 1         | a PARTIALLY_FILLED 1 at 100
             | replace a quantity 20               | a REPLACED
             | show a reserved                     | reserved 1890.00
    """)


def test_raising_the_quantity_begins_minimum_and_cap_of_the_fee_anew() -> None:
    """Lowering it does not: a's second fill is within the first minimum, its third is not."""
    play("""
    given    | fees                                | -
    10:00:00 | quote AAPL 9 x 9 / 10 x 1           | -
             | a: buy 5 AAPL limit 10              | a ACCEPTED
             |                                     | a PARTIALLY_FILLED 1 at 10 fee 1.00
             | replace a quantity 4                | a REPLACED
    10:00:01 | quote AAPL 9 x 9 / 10 x 1           | a PARTIALLY_FILLED 1 at 10
             | replace a quantity 9                | a REPLACED
             | show a reserved                     | reserved 71.00
    10:00:02 | quote AAPL 9 x 9 / 10 x 1           | a PARTIALLY_FILLED 1 at 10 fee 1.00
    10:00:03 | quote AAPL 9 x 9 / 10 x 9           | a FILLED 6 at 10
             | show a fees                         | fees 2.00
    """)
