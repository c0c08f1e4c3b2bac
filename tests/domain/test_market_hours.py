"""Closed markets: what waits for the opening, and what cannot."""

import pytest

from tests.domain.scenario import play


def test_orders_wait_for_the_first_quote_of_the_session() -> None:
    play("""
    10:00:00 | quote AAPL 99 x 300 / 100 x 200      | -
             | a: buy 10 AAPL                       | a ACCEPTED
             |                                      | a FILLED 10 at 100
             | close                                | -
             | b: buy 10 AAPL                       | b ACCEPTED
             | c: buy 10 AAPL limit 120             | c ACCEPTED
             | d: sell 5 AAPL stop 150              | d ACCEPTED
             | e: sell 5 AAPL stop 95 limit 90 DAY  | e ACCEPTED
    10:00:01 | quote AAPL 94 x 300 / 95 x 200       | -
             | open                                 | -
    10:00:02 | quote AAPL 96 x 300 / 97 x 200       | b FILLED 10 at 97
             |                                      | c FILLED 10 at 97
             |                                      | d TRIGGERED
             |                                      | d FILLED 5 at 96 pnl -10.00
    """)


def test_a_market_order_of_the_night_reserves_by_the_last_quote_however_old() -> None:
    play("""
    10:00:00 | quote AAPL 99 x 300 / 100 x 200      | -
             | close                                | -
    11:00:00 | a: buy 10 AAPL                       | a ACCEPTED
             | show a reserved                      | reserved 1050.00
             | b: buy 10 SPY                        | b REJECTED NO_QUOTE
             | c: buy 10 SPY limit 9                | c ACCEPTED
             | d: buy 2000 AAPL                     | d REJECTED INSUFFICIENT_BUYING_POWER
    """)


@pytest.mark.parametrize("time_in_force", ["IOC", "FOK"])
def test_what_cannot_wait_is_rejected_while_closed_after_the_look_at_the_money(
    time_in_force: str,
) -> None:
    play(f"""
    10:00:00 | quote AAPL 99 x 300 / 100 x 200             | -
             | close                                       | -
             | a: buy 10 AAPL {time_in_force}              | a REJECTED MARKET_CLOSED
             | b: buy 10 AAPL limit 100 {time_in_force}    | b REJECTED MARKET_CLOSED
             | c: buy 9999 AAPL {time_in_force}            | c REJECTED INSUFFICIENT_BUYING_POWER
             | d: sell 1 AAPL limit 1 {time_in_force}      | d REJECTED INSUFFICIENT_POSITION
    """)


def test_an_order_can_be_replaced_and_cancelled_while_closed() -> None:
    play("""
    10:00:00 | quote AAPL 99 x 300 / 100 x 200      | -
             | close                                | -
             | a: buy 10 AAPL limit 90              | a ACCEPTED
             | replace a limit 105                  | a REPLACED
             | cancel a                             | a CANCELLED REQUESTED
    """)
