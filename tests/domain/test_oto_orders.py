"""OTO orders: an entry with one exit, in every event of an order's life."""

from tests.domain.scenario import play


def test_an_exit_waits_for_its_entry_and_sells_what_it_bought() -> None:
    """The exit is accepted before the entry's fill, so nothing is held that it could sell yet."""
    play("""
        10:00:00 | quote AAPL 99.9 x 500 / 100 x 500  | -
        10:00:01 | a: buy 100 AAPL loss 95            | a ACCEPTED
                 |                                    | a.loss ACCEPTED
                 |                                    | a FILLED 100 at 100
                 |                                    | a.loss RELEASED
                 | show AAPL quantity held            | quantity 100, held 100
        10:00:02 | quote AAPL 95.1 x 500 / 95.2 x 500 | -
        10:00:03 | quote AAPL 94 x 500 / 94.1 x 500   | a.loss TRIGGERED
                 |                                    | a.loss FILLED 100 at 94 pnl -600.00
                 | show AAPL quantity held            | quantity 0, held 0
                 | show account balance live          | balance 99400.00, live 0
    """)


def test_a_held_exit_acts_on_no_quote_and_holds_back_nothing() -> None:
    play("""
        10:00:00 | quote AAPL 99.9 x 500 / 100 x 500  | -
        10:00:01 | b: buy 100 AAPL                    | b ACCEPTED
                 |                                    | b FILLED 100 at 100
        10:00:02 | a: buy 50 AAPL limit 90 take 99    | a ACCEPTED
                 |                                    | a.take ACCEPTED
                 | show a.take held quantity status   | held yes, quantity 50, status OPEN
        10:00:03 | quote AAPL 120 x 500 / 120.1 x 500 | -
                 | show AAPL quantity held            | quantity 100, held 0
        10:00:04 | s: sell 100 AAPL                   | s ACCEPTED
                 |                                    | s FILLED 100 at 120 pnl 2000.00
    """)


def test_an_exit_grows_with_the_entry_and_its_first_fill_ends_it() -> None:
    play("""
        10:00:00 | quote AAPL 100.9 x 500 / 101 x 500 | -
        10:00:01 | a: buy 100 AAPL limit 100 take 110 | a ACCEPTED
                 |                                    | a.take ACCEPTED
        10:00:02 | quote AAPL 99.9 x 30 / 100 x 30    | a PARTIALLY_FILLED 30 at 100
                 |                                    | a.take RELEASED
                 | show a.take held quantity          | held no, quantity 30
        10:00:03 | quote AAPL 99.9 x 30 / 100 x 30    | a PARTIALLY_FILLED 30 at 100
                 |                                    | a.take REPLACED
                 | show AAPL quantity held            | quantity 60, held 60
                 | show account reserved              | reserved 4000.00
        10:00:04 | quote AAPL 110 x 20 / 111 x 20     | a.take PARTIALLY_FILLED 20 at 110 pnl 200.00
                 |                                    | a CANCELLED EXIT_FILLED
                 | show AAPL quantity held            | quantity 40, held 40
                 | show account reserved live         | reserved 0.00, live 1
        10:00:05 | quote AAPL 111 x 90 / 111.1 x 90   | a.take FILLED 40 at 111 pnl 440.00
    """)


def test_an_entry_that_ends_unfilled_ends_its_exit() -> None:
    play("""
        10:00:00 | quote AAPL 100.9 x 500 / 101 x 500    | -
        10:00:01 | a: buy 100 AAPL limit 100 loss 95     | a ACCEPTED
                 |                                       | a.loss ACCEPTED
                 | cancel a                              | a CANCELLED REQUESTED
                 |                                       | a.loss CANCELLED ENTRY_ENDED
        10:00:02 | b: buy 100 AAPL limit 100 IOC loss 95 | b ACCEPTED
                 |                                       | b.loss ACCEPTED
                 |                                       | b CANCELLED IOC_REMAINDER
                 |                                       | b.loss CANCELLED ENTRY_ENDED
                 | show account reserved live            | reserved 0.00, live 0
    """)


def test_an_entry_that_ends_partly_filled_leaves_its_exit() -> None:
    play("""
        10:00:00 | quote AAPL 99.9 x 40 / 100 x 40  | -
        10:00:01 | a: buy 100 AAPL IOC take 110     | a ACCEPTED
                 |                                  | a.take ACCEPTED
                 |                                  | a PARTIALLY_FILLED 40 at 100
                 |                                  | a CANCELLED IOC_REMAINDER
                 |                                  | a.take RELEASED
                 | show a.take quantity held        | quantity 40, held no
        10:00:02 | b: buy 10 AAPL limit 99 take 110 | b ACCEPTED
                 |                                  | b.take ACCEPTED
        10:00:03 | quote AAPL 98.9 x 4 / 99 x 4     | b PARTIALLY_FILLED 4 at 99
                 |                                  | b.take RELEASED
                 | cancel b                         | b CANCELLED REQUESTED
                 | show AAPL quantity held          | quantity 44, held 44
    """)
