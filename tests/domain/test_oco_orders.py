"""OCO orders: two exits of a position that is held."""

from tests.domain.scenario import play


def test_two_exits_reserve_a_position_once_and_one_cancels_the_other() -> None:
    play("""
        10:00:00 | quote AAPL 99 x 500 / 100 x 500  | -
        10:00:01 | b: buy 10 AAPL                   | b ACCEPTED
                 |                                  | b FILLED 10 at 100
                 | a: sell 10 AAPL take 110 loss 95 | a ACCEPTED
                 |                                  | a.loss ACCEPTED
                 | show AAPL quantity held          | quantity 10, held 10
                 | show a.loss held                 | held no
                 | c: sell 1 AAPL                   | c REJECTED INSUFFICIENT_POSITION
        10:00:02 | quote AAPL 95 x 4 / 96 x 4       | a.loss TRIGGERED
                 |                                  | a.loss PARTIALLY_FILLED 4 at 95 pnl -20.00
                 |                                  | a REPLACED
                 | show AAPL quantity held          | quantity 6, held 6
        10:00:03 | quote AAPL 110 x 9 / 111 x 9     | a.loss FILLED 6 at 110 pnl 60.00
                 |                                  | a CANCELLED SIBLING_FILLED
                 | show AAPL quantity held          | quantity 0, held 0
    """)


def test_an_oco_needs_the_position_that_it_sells() -> None:
    play("""
        10:00:00 | quote AAPL 99 x 500 / 100 x 500  | -
        10:00:01 | b: buy 10 AAPL                   | b ACCEPTED
                 |                                  | b FILLED 10 at 100
                 | a: sell 11 AAPL take 110 loss 95 | a REJECTED INSUFFICIENT_POSITION
                 | show AAPL held                   | held 0
                 | show account live                | live 0
    """)


def test_a_cancelled_parent_leaves_its_leg() -> None:
    play("""
        10:00:00 | quote AAPL 99 x 500 / 100 x 500  | -
        10:00:01 | b: buy 10 AAPL                   | b ACCEPTED
                 |                                  | b FILLED 10 at 100
                 | a: sell 10 AAPL take 110 loss 95 | a ACCEPTED
                 |                                  | a.loss ACCEPTED
                 | cancel a                         | a CANCELLED REQUESTED
                 | show AAPL held                   | held 10
        10:00:02 | quote AAPL 94 x 500 / 95 x 500   | a.loss TRIGGERED
                 |                                  | a.loss FILLED 10 at 94 pnl -60.00
                 | show AAPL quantity held          | quantity 0, held 0
    """)


def test_both_exits_expire_in_turn_and_free_the_position() -> None:
    play("""
        10:00:00     | quote AAPL 99 x 500 / 100 x 500      | -
        10:00:01     | b: buy 10 AAPL                       | b ACCEPTED
                     |                                      | b FILLED 10 at 100
                     | a: sell 10 AAPL take 110:DAY loss 95 | a ACCEPTED
                     |                                      | a.loss ACCEPTED
        1d 00:00:00  | expire                               | a CANCELLED EXPIRED_DAY
                     | show AAPL held                       | held 10
        90d 10:00:01 | expire                               | a.loss CANCELLED EXPIRED_GTC
                     | show AAPL held                       | held 0
    """)


def test_a_replaced_exit_keeps_its_reservation_and_its_group() -> None:
    play("""
        10:00:00 | quote AAPL 99 x 500 / 100 x 500  | -
        10:00:01 | b: buy 10 AAPL                   | b ACCEPTED
                 |                                  | b FILLED 10 at 100
                 | a: sell 10 AAPL take 110 loss 95 | a ACCEPTED
                 |                                  | a.loss ACCEPTED
                 | replace a limit 105              | a REPLACED
                 | replace a.loss stop 98           | a.loss REPLACED
                 | show AAPL held                   | held 10
        10:00:02 | quote AAPL 105 x 500 / 106 x 500 | a FILLED 10 at 105 pnl 50.00
                 |                                  | a.loss CANCELLED SIBLING_FILLED
    """)
