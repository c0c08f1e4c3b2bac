"""BRACKET orders: an entry with a take-profit and a stop-loss, in every event of their lives."""

import pytest

from server.domain.changes import changed
from server.domain.invariants import BrokenInvariant
from server.domain.trading import fill_resting
from server.domain.values import Price, parse_units
from tests.domain.book import make_quote
from tests.domain.scenario import Stage, play


def test_a_bracket_that_takes_profit() -> None:
    play("""
        10:00:00 | quote AAPL 99 x 500 / 100 x 500  | -
        10:00:01 | a: buy 10 AAPL take 110 loss 95  | a ACCEPTED
                 |                                  | a.take ACCEPTED
                 |                                  | a.loss ACCEPTED
                 |                                  | a FILLED 10 at 100
                 |                                  | a.take RELEASED
                 |                                  | a.loss RELEASED
                 | show AAPL quantity held          | quantity 10, held 10
                 | show account live                | live 2
        10:00:02 | quote AAPL 110 x 500 / 111 x 500 | a.take FILLED 10 at 110 pnl 100.00
                 |                                  | a.loss CANCELLED SIBLING_FILLED
                 | show AAPL quantity held          | quantity 0, held 0
                 | show account balance live        | balance 100100.00, live 0
    """)


def test_a_bracket_that_stops_out_on_a_gap() -> None:
    """The price jumps over the stop: the stop-loss sells at the bid that it finds."""
    play("""
        10:00:00 | quote AAPL 99 x 500 / 100 x 500 | -
        10:00:01 | a: buy 10 AAPL take 110 loss 95 | a ACCEPTED
                 |                                 | a.take ACCEPTED
                 |                                 | a.loss ACCEPTED
                 |                                 | a FILLED 10 at 100
                 |                                 | a.take RELEASED
                 |                                 | a.loss RELEASED
        10:00:02 | quote AAPL 80 x 500 / 81 x 500  | a.loss TRIGGERED
                 |                                 | a.loss FILLED 10 at 80 pnl -200.00
                 |                                 | a.take CANCELLED SIBLING_FILLED
                 | show AAPL quantity held         | quantity 0, held 0
    """)


def test_what_one_exit_sells_the_other_no_longer_sells() -> None:
    play("""
        10:00:00 | quote AAPL 99 x 500 / 100 x 500 | -
        10:00:01 | a: buy 10 AAPL take 110 loss 95 | a ACCEPTED
                 |                                 | a.take ACCEPTED
                 |                                 | a.loss ACCEPTED
                 |                                 | a FILLED 10 at 100
                 |                                 | a.take RELEASED
                 |                                 | a.loss RELEASED
        10:00:02 | quote AAPL 110 x 4 / 111 x 4    | a.take PARTIALLY_FILLED 4 at 110 pnl 40.00
                 |                                 | a.loss REPLACED
                 | show a.loss quantity            | quantity 6
                 | show AAPL quantity held         | quantity 6, held 6
        10:00:03 | quote AAPL 94 x 5 / 95 x 5      | a.loss TRIGGERED
                 |                                 | a.loss PARTIALLY_FILLED 5 at 94 pnl -30.00
                 |                                 | a.take REPLACED
                 | show a.take quantity filled     | quantity 5, filled 4
                 | show AAPL quantity held         | quantity 1, held 1
        10:00:04 | quote AAPL 90 x 5 / 91 x 5      | a.loss FILLED 1 at 90 pnl -10.00
                 |                                 | a.take CANCELLED SIBLING_FILLED
                 | show trades closed              | closed 2
    """)


def test_a_trigger_ends_the_entry_and_fixes_the_exits() -> None:
    """The triggered stop finds nobody to sell to: it waits as a MARKET order, before the other."""
    play("""
        10:00:00 | quote AAPL 99 x 500 / 100 x 6             | -
        10:00:01 | a: buy 10 AAPL limit 100 take 110 loss 95 | a ACCEPTED
                 |                                           | a.take ACCEPTED
                 |                                           | a.loss ACCEPTED
                 |                                           | a PARTIALLY_FILLED 6 at 100
                 |                                           | a.take RELEASED
                 |                                           | a.loss RELEASED
        10:00:02 | quote AAPL 94 x 0 / 101 x 500             | a.loss TRIGGERED
                 |                                           | a CANCELLED EXIT_FILLED
                 | show account reserved live                | reserved 0.00, live 2
        10:00:03 | quote AAPL 93 x 0 / 101 x 500             | -
        10:00:04 | quote AAPL 110 x 9 / 111 x 9              | a.loss FILLED 6 at 110 pnl 60.00
                 |                                           | a.take CANCELLED SIBLING_FILLED
    """)


def test_a_stop_loss_with_a_limit_waits_below_it() -> None:
    play("""
        10:00:00 | quote AAPL 99 x 500 / 100 x 500    | -
        10:00:01 | a: buy 10 AAPL take 110 loss 95/94 | a ACCEPTED
                 |                                    | a.take ACCEPTED
                 |                                    | a.loss ACCEPTED
                 |                                    | a FILLED 10 at 100
                 |                                    | a.take RELEASED
                 |                                    | a.loss RELEASED
        10:00:02 | quote AAPL 90 x 500 / 91 x 500     | a.loss TRIGGERED
        10:00:03 | quote AAPL 94 x 500 / 95 x 500     | a.loss FILLED 10 at 94 pnl -60.00
                 |                                    | a.take CANCELLED SIBLING_FILLED
    """)


def test_a_cancelled_exit_leaves_the_other_and_the_last_one_frees_the_position() -> None:
    play("""
        10:00:00 | quote AAPL 99 x 500 / 100 x 500 | -
        10:00:01 | a: buy 10 AAPL take 110 loss 95 | a ACCEPTED
                 |                                 | a.take ACCEPTED
                 |                                 | a.loss ACCEPTED
                 |                                 | a FILLED 10 at 100
                 |                                 | a.take RELEASED
                 |                                 | a.loss RELEASED
                 | cancel a.take                   | a.take CANCELLED REQUESTED
                 | show AAPL held                  | held 10
        10:00:02 | b: sell 1 AAPL                  | b REJECTED INSUFFICIENT_POSITION
                 | cancel a.loss                   | a.loss CANCELLED REQUESTED
                 | show AAPL held                  | held 0
        10:00:03 | c: sell 10 AAPL                 | c ACCEPTED
                 |                                 | c FILLED 10 at 99 pnl -10.00
    """)


def test_a_cancelled_entry_ends_held_exits_and_a_cancelled_held_exit_leaves_the_rest() -> None:
    play("""
        10:00:00 | quote AAPL 99 x 500 / 100 x 500          | -
        10:00:01 | a: buy 10 AAPL limit 90 take 110 loss 85 | a ACCEPTED
                 |                                          | a.take ACCEPTED
                 |                                          | a.loss ACCEPTED
                 | show account reserved live               | reserved 900.00, live 3
                 | cancel a.take                            | a.take CANCELLED REQUESTED
                 | cancel a                                 | a CANCELLED REQUESTED
                 |                                          | a.loss CANCELLED ENTRY_ENDED
                 | show account reserved live               | reserved 0.00, live 0
    """)


def test_exits_of_a_day_expire_and_leave_the_entry() -> None:
    play("""
        10:00:00    | quote AAPL 99 x 500 / 100 x 500                  | -
        10:00:01    | a: buy 10 AAPL limit 90 take 110:DAY loss 85:DAY | a ACCEPTED
                    |                                                  | a.take ACCEPTED
                    |                                                  | a.loss ACCEPTED
        1d 00:00:00 | expire                                           | a.take CANCELLED EXPIRED_DAY
                    |                                                  | a.loss CANCELLED EXPIRED_DAY
        1d 10:00:00 | quote AAPL 89 x 500 / 90 x 500                   | a FILLED 10 at 90
                    | show AAPL quantity held                          | quantity 10, held 0
    """)  # noqa: E501


def test_an_entry_that_expires_partly_filled_leaves_its_exits() -> None:
    play("""
        10:00:00    | quote AAPL 99 x 4 / 100 x 4                   | -
        10:00:01    | a: buy 10 AAPL limit 100 DAY take 110 loss 95 | a ACCEPTED
                    |                                               | a.take ACCEPTED
                    |                                               | a.loss ACCEPTED
                    |                                               | a PARTIALLY_FILLED 4 at 100
                    |                                               | a.take RELEASED
                    |                                               | a.loss RELEASED
        1d 00:00:00 | expire                                        | a CANCELLED EXPIRED_DAY
                    | show a.loss quantity                          | quantity 4
                    | show AAPL quantity held                       | quantity 4, held 4
        1d 10:00:00 | quote AAPL 110 x 9 / 111 x 9                  | a.take FILLED 4 at 110 pnl 40.00
                    |                                               | a.loss CANCELLED SIBLING_FILLED
    """)  # noqa: E501


def test_replacing_an_entry_resizes_held_exits_and_replacing_an_exit_keeps_the_group() -> None:
    play("""
        10:00:00 | quote AAPL 99 x 500 / 100 x 500          | -
        10:00:01 | a: buy 10 AAPL limit 90 take 110 loss 85 | a ACCEPTED
                 |                                          | a.take ACCEPTED
                 |                                          | a.loss ACCEPTED
                 | replace a quantity 20                    | a REPLACED
                 |                                          | a.take REPLACED
                 |                                          | a.loss REPLACED
                 | show a.take quantity held                | quantity 20, held yes
                 | replace a.take limit 105                 | a.take REPLACED
                 | show a.take held                         | held yes
                 | replace a limit 100                      | a REPLACED
                 |                                          | a FILLED 20 at 100
                 |                                          | a.take RELEASED
                 |                                          | a.loss RELEASED
                 | replace a.loss stop 90                   | a.loss REPLACED
                 | show AAPL quantity held                  | quantity 20, held 20
        10:00:02 | quote AAPL 105 x 500 / 106 x 500         | a.take FILLED 20 at 105 pnl 100.00
                 |                                          | a.loss CANCELLED SIBLING_FILLED
    """)


def test_an_exit_that_is_replaced_into_the_quote_fills_at_once() -> None:
    play("""
        10:00:00 | quote AAPL 99 x 500 / 100 x 500 | -
        10:00:01 | a: buy 10 AAPL take 110 loss 95 | a ACCEPTED
                 |                                 | a.take ACCEPTED
                 |                                 | a.loss ACCEPTED
                 |                                 | a FILLED 10 at 100
                 |                                 | a.take RELEASED
                 |                                 | a.loss RELEASED
                 | replace a.take limit 99         | a.take REPLACED
                 |                                 | a.take FILLED 10 at 99 pnl -10.00
                 |                                 | a.loss CANCELLED SIBLING_FILLED
    """)


def test_a_close_takes_from_the_exits_what_it_needs_and_ends_the_entry() -> None:
    play("""
        10:00:00 | quote AAPL 99 x 500 / 100 x 6             | -
        10:00:01 | a: buy 10 AAPL limit 100 take 110 loss 95 | a ACCEPTED
                 |                                           | a.take ACCEPTED
                 |                                           | a.loss ACCEPTED
                 |                                           | a PARTIALLY_FILLED 6 at 100
                 |                                           | a.take RELEASED
                 |                                           | a.loss RELEASED
        10:00:02 | b: close 2 AAPL                           | a CANCELLED POSITION_CLOSED
                 |                                           | a.loss REPLACED
                 |                                           | a.take REPLACED
                 |                                           | b ACCEPTED
                 |                                           | b FILLED 2 at 99 pnl -2.00
                 | show AAPL quantity held                   | quantity 4, held 4
                 | show account reserved                     | reserved 0.00
        10:00:03 | c: close AAPL                             | a.loss CANCELLED POSITION_CLOSED
                 |                                           | a.take CANCELLED POSITION_CLOSED
                 |                                           | c ACCEPTED
                 |                                           | c FILLED 4 at 99 pnl -4.00
                 | show AAPL quantity held                   | quantity 0, held 0
    """)


def test_a_close_leaves_held_exits_alone() -> None:
    play("""
        10:00:00 | quote AAPL 99 x 500 / 100 x 500          | -
        10:00:01 | b: buy 5 AAPL                            | b ACCEPTED
                 |                                          | b FILLED 5 at 100
                 | a: buy 10 AAPL limit 90 take 110 loss 85 | a ACCEPTED
                 |                                          | a.take ACCEPTED
                 |                                          | a.loss ACCEPTED
        10:00:02 | c: close AAPL                            | c ACCEPTED
                 |                                          | c FILLED 5 at 99 pnl -5.00
                 | show account live                        | live 3
    """)


def test_a_group_is_rejected_as_a_whole() -> None:
    play("""
        given    | balance 500                          | -
        10:00:00 | quote AAPL 99 x 500 / 100 x 500      | -
        10:00:01 | a: buy 10 AAPL take 110 loss 95      | a REJECTED INSUFFICIENT_BUYING_POWER
                 | show account live reserved           | live 0, reserved 0.00
                 | preview buy 10 AAPL take 110 loss 95 | REJECTED 0 at - fees 0.00 left 500.00
                 |                                      | rejected INSUFFICIENT_BUYING_POWER
                 | preview buy 1 AAPL take 110 loss 95  | FILLED 1 at 100 fees 0.00 left 400.00
    """)


def test_an_entry_waits_for_the_opening_and_its_exits_with_it() -> None:
    play("""
        10:00:00 | quote AAPL 99 x 500 / 100 x 500  | -
                 | close                            | -
                 | a: buy 10 AAPL take 110 loss 95  | a ACCEPTED
                 |                                  | a.take ACCEPTED
                 |                                  | a.loss ACCEPTED
                 | open                             | -
        10:00:01 | quote AAPL 119 x 500 / 120 x 500 | a FILLED 10 at 120
                 |                                  | a.take RELEASED
                 |                                  | a.loss RELEASED
        10:00:02 | quote AAPL 119 x 500 / 120 x 500 | a.take FILLED 10 at 119 pnl -10.00
                 |                                  | a.loss CANCELLED SIBLING_FILLED
    """)


@pytest.mark.parametrize(
    ("falls_to", "sells"),
    [(None, True), ("95.01", True), ("95", False), ("80", False)],
)
def test_in_a_bar_that_reaches_both_prices_the_stop_is_taken(
    falls_to: str | None, sells: bool
) -> None:
    stage = Stage({}, [])
    stage.do("quote AAPL 99 x 500 / 100 x 500")
    stage.do("a: buy 10 AAPL take 110 loss 95")
    quote = make_quote("AAPL", "111", "500", "112", "500", time=stage.book.now, sequence=1)
    lowest = None if falls_to is None else Price(parse_units(falls_to))

    events = stage.book.show(changed(quote, falls_to=lowest))

    assert isinstance(events, tuple)
    told = [(event.order.id, event.type.value) for event in events]
    assert told == ([("a.take", "FILLED"), ("a.loss", "CANCELLED")] if sells else [])


def test_a_held_exit_must_not_meet_a_quote() -> None:
    stage = Stage({}, [])
    stage.do("quote AAPL 99 x 500 / 100 x 500")
    stage.do("a: buy 10 AAPL limit 90 take 110 loss 85")
    book = stage.book
    with pytest.raises(BrokenInvariant, match="is held"):
        fill_resting(
            book.orders["a.take"],
            book.account,
            book.position("AAPL"),
            book.market("AAPL"),
            lambda: "",
        )
