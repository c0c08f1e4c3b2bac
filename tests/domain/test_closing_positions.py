"""Closing positions: what is sold, which live orders are cancelled for it, and what is refused."""

import pytest

from server.domain.account import Position
from server.domain.closing import CloseTicket
from server.domain.values import Quantity, parse_units
from tests.domain.scenario import play


def test_a_close_sells_the_whole_position_at_the_market() -> None:
    play("""
    given    | fees                            | -
    10:00:00 | quote AAPL 99 x 300 / 100 x 200 | -
             | a: buy 10 AAPL                  | a ACCEPTED
             |                                 | a FILLED 10 at 100 fee 1.00
             | b: close AAPL                   | b ACCEPTED
             |                                 | b FILLED 10 at 99 fee 1.00 pnl -12.00
             | show AAPL quantity held basis   | quantity 0, held 0, basis 0.00
             | show account balance live       | balance 99988.00, live 0
             | show trades closed loss         | closed 1, loss 12.00
             | c: close AAPL                   | refused POSITION_NOT_FOUND
    """)


def test_a_part_is_a_quantity_or_a_percentage_rounded_down_to_the_step() -> None:
    play("""
    10:00:00 | quote AAPL 100 x 300 / 100 x 200 | -
             | quote CALL 1 x 30 / 1 x 20       | -
             | a: buy 10.5 AAPL                 | a ACCEPTED
             |                                  | a FILLED 10.5 at 100
             | b: close 4 AAPL                  | b ACCEPTED
             |                                  | b FILLED 4 at 100 pnl 0.00
             | c: close 50% AAPL                | c ACCEPTED
             |                                  | c FILLED 3.25 at 100 pnl 0.00
             | show AAPL quantity               | quantity 3.25
             | d: buy 7 CALL                    | d ACCEPTED
             |                                  | d FILLED 7 at 1
             | e: close 33.33333333% CALL       | e ACCEPTED
             |                                  | e FILLED 2 at 1 pnl 0.00
             | f: close 19.99999999% CALL       | refused QUANTITY_TOO_SMALL
             | g: close 100% CALL               | g ACCEPTED
             |                                  | g FILLED 5 at 1 pnl 0.00
             | h: close AAPL                    | h ACCEPTED
             |                                  | h FILLED 3.25 at 100 pnl 0.00
             | show AAPL quantity basis         | quantity 0, basis 0.00
    """)


def test_more_than_the_position_and_a_quantity_off_the_step_are_refused() -> None:
    play("""
    10:00:00 | quote CALL 1 x 30 / 1 x 20 | -
             | a: buy 7 CALL              | a ACCEPTED
             |                            | a FILLED 7 at 1
             | b: close 8 CALL            | refused INSUFFICIENT_POSITION
             | b: close 1.5 CALL          | refused QUANTITY_OFF_STEP
             | b: close 1.5 EUR-USD       | refused QUANTITY_OFF_STEP
             | b: close 1 EUR-USD         | refused POSITION_NOT_FOUND
             | show CALL quantity held    | quantity 7, held 0
             | show account live          | live 0
    """)


def test_live_sales_are_cancelled_newest_first_until_enough_is_free() -> None:
    """Purchases stay, and so does a protective stop that need not give way."""
    play("""
    10:00:00 | quote AAPL 100 x 300 / 100 x 200 | -
             | a: buy 10 AAPL                   | a ACCEPTED
             |                                  | a FILLED 10 at 100
             | b: sell 4 AAPL stop 90           | b ACCEPTED
             | c: sell 3 AAPL limit 110         | c ACCEPTED
             | d: buy 1 AAPL limit 80           | d ACCEPTED
             | e: sell 2 AAPL limit 120         | e ACCEPTED
             | f: close 1 AAPL                  | f ACCEPTED
             |                                  | f FILLED 1 at 100 pnl 0.00
             | g: close 3 AAPL                  | e CANCELLED POSITION_CLOSED
             |                                  | c CANCELLED POSITION_CLOSED
             |                                  | g ACCEPTED
             |                                  | g FILLED 3 at 100 pnl 0.00
             | show AAPL quantity held          | quantity 6, held 4
             | h: close AAPL                    | b CANCELLED POSITION_CLOSED
             |                                  | h ACCEPTED
             |                                  | h FILLED 6 at 100 pnl 0.00
             | show AAPL quantity held          | quantity 0, held 0
             | show d status                    | status OPEN
             | show account live reserved       | live 1, reserved 80.00
    """)


def test_a_close_gives_up_what_is_left_of_a_partly_filled_sale() -> None:
    play("""
    10:00:00 | quote AAPL 100 x 300 / 100 x 200 | -
             | a: buy 10 AAPL                   | a ACCEPTED
             |                                  | a FILLED 10 at 100
    10:00:01 | quote AAPL 100 x 4 / 100 x 200   | -
             | b: sell 9 AAPL limit 100         | b ACCEPTED
             |                                  | b PARTIALLY_FILLED 4 at 100 pnl 0.00
             | c: close AAPL                    | b CANCELLED POSITION_CLOSED
             |                                  | c ACCEPTED
             | show trades closed               | closed 1
    10:00:02 | quote AAPL 99 x 300 / 100 x 200  | c FILLED 6 at 99 pnl -6.00
             | show account live                | live 0
    """)


def test_what_the_quote_does_not_fill_waits_and_a_repeated_close_is_the_same_order() -> None:
    """A part that is closed meanwhile takes the place of the waiting order."""
    play("""
    10:00:00 | quote AAPL 100 x 4 / 100 x 200  | -
             | a: buy 10 AAPL                  | a ACCEPTED
             |                                 | a FILLED 10 at 100
             | b: close AAPL                   | b ACCEPTED
             |                                 | b PARTIALLY_FILLED 4 at 100 pnl 0.00
             | c: close AAPL                   | replayed b
             | c: close 6 AAPL                 | replayed b
             | c: close 5 AAPL                 | b CANCELLED POSITION_CLOSED
             |                                 | c ACCEPTED
             | d: close AAPL                   | c CANCELLED POSITION_CLOSED
             |                                 | d ACCEPTED
             | show AAPL quantity held         | quantity 6, held 6
    10:00:01 | quote AAPL 101 x 50 / 102 x 200 | d FILLED 6 at 101 pnl 6.00
    """)


def test_a_repeated_close_does_not_sell_again_what_was_bought_since() -> None:
    play("""
    10:00:00 | quote AAPL 100 x 4 / 100 x 200  | -
             | a: buy 10 AAPL                  | a ACCEPTED
             |                                 | a FILLED 10 at 100
             | b: close AAPL                   | b ACCEPTED
             |                                 | b PARTIALLY_FILLED 4 at 100 pnl 0.00
             | c: buy 3 AAPL                   | c ACCEPTED
             |                                 | c FILLED 3 at 100
             | d: close 6 AAPL                 | b CANCELLED POSITION_CLOSED
             |                                 | d ACCEPTED
             | show AAPL quantity held         | quantity 9, held 6
    10:00:01 | quote AAPL 101 x 50 / 102 x 200 | d FILLED 6 at 101 pnl 6.00
             | show AAPL quantity held         | quantity 3, held 0
    """)


def test_a_close_waits_for_the_opening_like_any_market_order() -> None:
    play("""
    10:00:00 | quote AAPL 100 x 40 / 100 x 200 | -
             | a: buy 10 AAPL                  | a ACCEPTED
             |                                 | a FILLED 10 at 100
             | b: sell 10 AAPL stop 90         | b ACCEPTED
             | close                           | -
    12:00:00 | c: close AAPL                   | b CANCELLED POSITION_CLOSED
             |                                 | c ACCEPTED
             | d: close AAPL                   | replayed c
    13:00:00 | open                            | -
             | quote AAPL 95 x 40 / 96 x 200   | c FILLED 10 at 95 pnl -50.00
    """)


def test_a_rejected_close_leaves_live_sales_as_they_are() -> None:
    """Otherwise a failed close would take a position's protection away."""
    play("""
    10:00:00 | quote AAPL 100 x 40 / 100 x 200 | -
             | a: buy 10 AAPL                  | a ACCEPTED
             |                                 | a FILLED 10 at 100
             | b: sell 10 AAPL stop 90         | b ACCEPTED
    10:01:00 | c: close AAPL                   | c REJECTED NO_QUOTE
             | state HALTED                    | -
             | quote AAPL 100 x 40 / 100 x 200 | -
             | d: close AAPL                   | d REJECTED TRADING_HALTED
             | show AAPL quantity held         | quantity 10, held 10
             | show b status                   | status OPEN
             | show account live               | live 1
             | state REDUCING                  | -
             | e: close AAPL                   | b CANCELLED POSITION_CLOSED
             |                                 | e ACCEPTED
             |                                 | e FILLED 10 at 100 pnl 0.00
    """)


def test_a_sale_whose_time_is_over_expires_instead() -> None:
    play("""
        10:00:00 | quote AAPL 100 x 40 / 100 x 200 | -
                 | a: buy 10 AAPL                  | a ACCEPTED
                 |                                 | a FILLED 10 at 100
                 | b: sell 6 AAPL limit 120        | b ACCEPTED
    89d 23:59:55 | quote AAPL 100 x 40 / 100 x 200 | -
                 | c: sell 4 AAPL limit 110 DAY    | c ACCEPTED
    90d 00:00:00 | d: close 4 AAPL                 | c CANCELLED EXPIRED_DAY
                 |                                 | d ACCEPTED
                 |                                 | d FILLED 4 at 100 pnl 0.00
    90d 09:59:55 | quote AAPL 100 x 40 / 100 x 200 | -
    90d 10:00:00 | e: close AAPL                   | b CANCELLED EXPIRED_GTC
                 |                                 | e ACCEPTED
                 |                                 | e FILLED 6 at 100 pnl 0.00
    """)


def asked(
    symbol: str = "AAPL", quantity: str | None = None, percentage: str | None = None
) -> CloseTicket:
    return CloseTicket(
        account_id="account",
        bot_key_id="key",
        symbol=symbol,
        quantity=None if quantity is None else Quantity(parse_units(quantity)),
        percentage=None if percentage is None else parse_units(percentage),
    )


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        (asked(), asked(percentage="100"), True),
        (asked(), asked(percentage="99.99999999"), False),
        (asked(), asked(quantity="100"), False),
        (asked(quantity="50"), asked(quantity="50.0"), True),
        (asked(quantity="50"), asked(percentage="50"), False),
        (asked(), asked(symbol="MSFT"), False),
    ],
)
def test_requests_are_compared_by_what_they_ask_for(
    first: CloseTicket, second: CloseTicket, same: bool
) -> None:
    order = first.order(Quantity(parse_units("50")), Position(account_id="account", symbol="AAPL"))

    assert (first.fingerprint == second.fingerprint) is same
    assert (order.fingerprint == second.fingerprint) is same
