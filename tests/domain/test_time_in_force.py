"""Time in force: how long an order may wait, and what its end releases."""

from tests.domain.scenario import play


def test_a_day_order_expires_when_the_day_ends() -> None:
    play("""
    given       | balance 1000                       | -
    10:00:00    | a: buy 10 AAPL limit 50 DAY        | a ACCEPTED
                | show a expires                     | expires 1d 00:00:00
    23:59:59    | expire                             | -
    1d 00:00:00 | expire                             | a CANCELLED EXPIRED_DAY
                | show account balance reserved live | balance 1000.00, reserved 0.00, live 0
    """)


def test_a_gtc_order_expires_after_ninety_days() -> None:
    play("""
    given        | balance 1000                       | -
    10:00:00     | a: buy 10 AAPL limit 50 GTC        | a ACCEPTED
                 | show a expires                     | expires 90d 10:00:00
    90d 09:59:59 | expire                             | -
    90d 10:00:00 | expire                             | a CANCELLED EXPIRED_GTC
                 | show account balance reserved live | balance 1000.00, reserved 0.00, live 0
    """)


def test_an_expired_sale_gives_its_position_back() -> None:
    play("""
    10:00:00    | quote AAPL 99 x 4 / 100 x 10 | -
                | a: buy 10 AAPL               | a ACCEPTED
                |                              | a FILLED 10 at 100
                | b: sell 10 AAPL limit 99 DAY | b ACCEPTED
                |                              | b PARTIALLY_FILLED 4 at 99 pnl -4.00
                | show AAPL quantity held      | quantity 6, held 6
    1d 00:00:00 | expire                       | b CANCELLED EXPIRED_DAY
                | show AAPL quantity held      | quantity 6, held 0
    """)


def test_an_order_whose_time_is_over_does_not_fill_though_nobody_expired_it() -> None:
    play("""
    given       | balance 1000                       | -
    23:59:59    | a: buy 10 AAPL limit 50 DAY        | a ACCEPTED
                | b: buy 10 AAPL limit 50 GTC        | b ACCEPTED
    1d 00:00:00 | quote AAPL 48 x 9 / 49 x 500       | a CANCELLED EXPIRED_DAY
                |                                    | b FILLED 10 at 49
                | show account balance reserved live | balance 510.00, reserved 0.00, live 0
    """)


def test_ioc_and_fok_orders_and_rejected_ones_have_no_time_to_expire() -> None:
    play("""
    10:00:00 | quote AAPL 99 x 300 / 100 x 4      | -
             | a: buy 10 AAPL limit 100 IOC       | a ACCEPTED
             |                                    | a PARTIALLY_FILLED 4 at 100
             |                                    | a CANCELLED IOC_REMAINDER
             | b: buy 10 AAPL limit 100 FOK       | b REJECTED FOK_NOT_FILLABLE
             | c: buy 9999 AAPL limit 100 DAY     | c REJECTED INSUFFICIENT_BUYING_POWER
             | show a expires                     | expires -
             | show b expires                     | expires -
             | show c expires                     | expires -
             | show account balance reserved live | balance 99600.00, reserved 0.00, live 0
    """)


def test_a_fok_order_fills_exactly_what_is_left_of_a_quote_or_nothing() -> None:
    play("""
    10:00:00 | quote AAPL 99 x 300 / 100 x 10       | -
             | a: buy 3 AAPL FOK                    | a ACCEPTED
             |                                      | a FILLED 3 at 100
             | b: buy 7.00000001 AAPL FOK           | b REJECTED FOK_NOT_FILLABLE
             | c: buy 7 AAPL FOK                    | c ACCEPTED
             |                                      | c FILLED 7 at 100
             | d: buy 0.00000001 AAPL limit 200 FOK | d REJECTED FOK_NOT_FILLABLE
    """)


def test_an_ioc_sale_gives_back_what_it_did_not_sell() -> None:
    play("""
    10:00:00 | quote AAPL 99 x 4 / 100 x 10 | -
             | a: buy 10 AAPL               | a ACCEPTED
             |                              | a FILLED 10 at 100
             | b: sell 10 AAPL IOC          | b ACCEPTED
             |                              | b PARTIALLY_FILLED 4 at 99 pnl -4.00
             |                              | b CANCELLED IOC_REMAINDER
             | c: sell 6 AAPL limit 98 IOC  | c ACCEPTED
             |                              | c CANCELLED IOC_REMAINDER
             | show AAPL quantity held      | quantity 6, held 0
    """)


def test_cancelling_releases_what_the_rest_of_an_order_holds() -> None:
    play("""
    given    | balance 2000                       | -
    10:00:00 | quote AAPL 99 x 300 / 100 x 4      | -
             | a: buy 10 AAPL limit 100           | a ACCEPTED
             |                                    | a PARTIALLY_FILLED 4 at 100
             | b: buy 1 AAPL limit 90             | b ACCEPTED
             | c: buy 5 AAPL                      | c ACCEPTED
             | show account balance reserved live | balance 1600.00, reserved 1215.00, live 3
             | cancel a                           | a CANCELLED REQUESTED
             | show account balance reserved live | balance 1600.00, reserved 615.00, live 2
             | cancel c                           | c CANCELLED REQUESTED
             | show account balance reserved live | balance 1600.00, reserved 90.00, live 1
             | show a status filled reserved      | status CANCELLED, filled 4, reserved 0.00
    """)
