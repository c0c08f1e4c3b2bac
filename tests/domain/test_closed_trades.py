"""Closed trades: one for each SELL order that filled anything, booked when it ends."""

from server.domain.account import TradeStatistics
from tests.domain.scenario import play


def test_a_sale_in_many_fills_is_one_closed_trade_at_its_end() -> None:
    play("""
    10:00:00 | quote AAPL 90 x 300 / 100 x 40      | -
             | a: buy 30 AAPL                      | a ACCEPTED
             |                                     | a FILLED 30 at 100
             | b: sell 30 AAPL limit 99            | b ACCEPTED
    10:00:01 | quote AAPL 99 x 10 / 100 x 40       | b PARTIALLY_FILLED 10 at 99 pnl -10.00
             | show trades closed                  | closed 0
    10:00:02 | quote AAPL 105 x 20 / 106 x 40      | b FILLED 20 at 105 pnl 100.00
             | show trades closed wins profit loss | closed 1, wins 1, profit 90.00, loss 0.00
    """)


def test_a_sale_that_is_cancelled_after_a_fill_is_closed_too() -> None:
    play("""
    10:00:00    | quote AAPL 90 x 10 / 100 x 40       | -
                | a: buy 30 AAPL                      | a ACCEPTED
                |                                     | a FILLED 30 at 100
                | b: sell 15 AAPL IOC                 | b ACCEPTED
                |                                     | b PARTIALLY_FILLED 10 at 90 pnl -100.00
                |                                     | b CANCELLED IOC_REMAINDER
                | show trades closed wins profit loss | closed 1, wins 0, profit 0.00, loss 100.00
                | c: sell 20 AAPL limit 95            | c ACCEPTED
                | cancel c                            | c CANCELLED REQUESTED
                | d: sell 20 AAPL limit 95 DAY        | d ACCEPTED
    10:00:01    | quote AAPL 95 x 1 / 100 x 40        | d PARTIALLY_FILLED 1 at 95 pnl -5.00
    1d 00:00:00 | expire                              | d CANCELLED EXPIRED_DAY
                | show trades closed longest streaks  | closed 2, longest 0 2, streaks 0 2
    """)


def test_buying_and_rejections_close_no_trade() -> None:
    play("""
    10:00:00 | quote AAPL 90 x 10 / 100 x 40 | -
             | a: buy 1 AAPL                 | a ACCEPTED
             |                               | a FILLED 1 at 100
             | b: sell 2 AAPL                | b REJECTED INSUFFICIENT_POSITION
             | c: sell 1 AAPL limit 99 IOC   | c ACCEPTED
             |                               | c CANCELLED IOC_REMAINDER
             | show trades closed            | closed 0
    """)


def test_zero_is_neither_win_nor_loss_and_ends_both_streaks() -> None:
    statistics = TradeStatistics()
    seen = []
    for pnl in (1, 7, 0, 3, -2, -2, -2, 0, -1, 4):
        statistics = statistics.book(pnl)
        seen.append((statistics.win_streak, statistics.loss_streak))
    assert seen == [(1, 0), (2, 0), (0, 0), (1, 0), (0, 1), (0, 2), (0, 3), (0, 0), (0, 1), (1, 0)]
    assert statistics == TradeStatistics(
        trades=10,
        wins=4,
        gross_profit=15,
        gross_loss=7,
        win_streak=1,
        loss_streak=0,
        longest_win_streak=2,
        longest_loss_streak=3,
    )
