"""Market hours: what orders and quotes do while a market is closed, and when it opens again."""

from dataclasses import replace

import pytest

from server.domain.account import GuardRails
from server.domain.errors import Reason
from server.domain.market import Market
from server.domain.order import Side
from server.domain.risk import Exposure, Guard
from server.domain.trading import fill_resting
from server.domain.values import DAY, SCALE
from tests.domain.asked import Wish
from tests.domain.book import INSTRUMENTS, Book, make_costs, make_quote
from tests.domain.scenario import play


def test_orders_placed_while_closed_wait_and_fill_on_the_first_quote_after_opening() -> None:
    play("""
    10:00:00 | quote AAPL 99 x 100 / 100 x 100    | -
             | h: buy 20 AAPL                     | h ACCEPTED
             |                                    | h FILLED 20 at 100
             | close                              | -
             | a: buy 10 AAPL                     | a ACCEPTED
             | b: buy 10 AAPL limit 100 DAY       | b ACCEPTED
             | c: buy 10 AAPL stop 100            | c ACCEPTED
             | d: buy 10 AAPL stop 90 limit 110   | d ACCEPTED
             | e: sell 5 AAPL                     | e ACCEPTED
             | f: sell 5 AAPL limit 90            | f ACCEPTED
             | g: sell 5 AAPL stop 99             | g ACCEPTED
             | show account live                  | live 7
             | show AAPL held                     | held 15
    12:00:00 | open                               | -
    12:00:01 | quote AAPL 98 x 100 / 100 x 100    | a FILLED 10 at 100
             |                                    | b FILLED 10 at 100
             |                                    | e FILLED 5 at 98 pnl -10.00
             |                                    | f FILLED 5 at 98 pnl -10.00
             |                                    | d TRIGGERED
             |                                    | d FILLED 10 at 100
             |                                    | c TRIGGERED
             |                                    | c FILLED 10 at 100
             |                                    | g TRIGGERED
             |                                    | g FILLED 5 at 98 pnl -10.00
    """)


def test_quotes_of_a_closed_market_neither_fill_nor_trigger() -> None:
    play("""
    10:00:00 | quote AAPL 99 x 100 / 100 x 100    | -
             | h: buy 10 AAPL                     | h ACCEPTED
             |                                    | h FILLED 10 at 100
             | a: buy 10 AAPL limit 95            | a ACCEPTED
             | b: buy 10 AAPL stop 105            | b ACCEPTED
             | c: sell 5 AAPL limit 105           | c ACCEPTED
             | d: sell 5 AAPL stop 95 limit 94    | d ACCEPTED
             | close                              | -
    10:00:01 | quote AAPL 90 x 100 / 90 x 100     | -
    10:00:02 | quote AAPL 110 x 100 / 110 x 100   | -
             | open                               | -
    10:00:03 | quote AAPL 99 x 100 / 100 x 100    | -
             | show b status triggered            | status OPEN, triggered -
    10:00:04 | quote AAPL 94 x 100 / 94 x 100     | a FILLED 10 at 94
             |                                    | d TRIGGERED
             |                                    | d FILLED 5 at 94 pnl -15.00
    """)


def test_what_was_filled_in_part_at_the_close_goes_on_after_the_opening() -> None:
    play("""
    10:00:00 | quote AAPL 99 x 100 / 100 x 4     | -
             | a: buy 10 AAPL                    | a ACCEPTED
             |                                   | a PARTIALLY_FILLED 4 at 100
             | b: buy 10 AAPL stop 100           | b ACCEPTED
             |                                   | b TRIGGERED
             | close                             | -
    10:00:01 | quote AAPL 99 x 100 / 100 x 100   | -
             | show account live                 | live 2
             | open                              | -
    10:00:02 | quote AAPL 99 x 100 / 101 x 100   | a FILLED 6 at 101
             |                                   | b FILLED 10 at 101
    """)


def test_what_waited_for_the_opening_pays_no_slippage_but_a_stop_does() -> None:
    """All of 100 shares at 5 to 20 basis points: the stop takes the second half of them."""
    play("""
    given    | slippage                         | -
    10:00:00 | quote GME 99 x 100 / 100 x 100   | -
             | close                            | -
             | a: buy 50 GME                    | a ACCEPTED
             | b: buy 50 GME stop 100           | b ACCEPTED
             | open                             | -
    10:00:01 | quote GME 99 x 100 / 100 x 100   | a FILLED 50 at 100
             |                                  | b TRIGGERED
             |                                  | b FILLED 50 at 100.1625
    """)


def test_an_order_that_cannot_wait_is_rejected_while_the_market_is_closed() -> None:
    play("""
    given    | balance 1100                     | -
    10:00:00 | quote AAPL 99 x 100 / 100 x 100  | -
             | h: buy 1 AAPL                    | h ACCEPTED
             |                                  | h FILLED 1 at 100
             | close                            | -
             | a: buy 10 AAPL IOC               | a REJECTED MARKET_CLOSED
             | b: buy 10 AAPL FOK               | b REJECTED MARKET_CLOSED
             | c: buy 10 AAPL limit 100 IOC     | c REJECTED MARKET_CLOSED
             | d: buy 10 AAPL limit 100 FOK     | d REJECTED MARKET_CLOSED
             | e: sell 1 AAPL IOC               | e REJECTED MARKET_CLOSED
             | f: sell 1 AAPL limit 90 FOK      | f REJECTED MARKET_CLOSED
             | g: buy 10 SPY IOC                | g REJECTED MARKET_CLOSED
             | show account balance live        | balance 1000.00, live 0
             | open                             | -
             | i: buy 10 AAPL IOC               | i ACCEPTED
             |                                  | i FILLED 10 at 100
    """)


def test_money_and_position_are_looked_at_before_the_hour() -> None:
    play("""
    given    | balance 999.99                   | -
    10:00:00 | quote AAPL 99 x 100 / 100 x 100  | -
             | close                            | -
             | a: buy 10 AAPL IOC               | a REJECTED INSUFFICIENT_BUYING_POWER
             | b: buy 10 AAPL limit 100 FOK     | b REJECTED INSUFFICIENT_BUYING_POWER
             | c: sell 1 AAPL IOC               | c REJECTED INSUFFICIENT_POSITION
             | d: sell 1 AAPL limit 100 FOK     | d REJECTED INSUFFICIENT_POSITION
             | e: buy 10 AAPL                   | e REJECTED INSUFFICIENT_BUYING_POWER
             | f: buy 9 AAPL FOK                | f REJECTED MARKET_CLOSED
    """)


def test_a_market_buy_reserves_the_newest_ask_with_margin_however_old_it_is() -> None:
    play("""
    given    | fees                             | -
    10:00:00 | quote AAPL 99 x 100 / 100 x 100  | -
             | close                            | -
    22:00:00 | a: buy 10 AAPL                   | a ACCEPTED
             | show a status reserved           | status OPEN, reserved 1051.00
             | quote AAPL 109 x 100 / 110 x 100 | -
             | show a reserved                  | reserved 1051.00
             | b: buy 10 AAPL                   | b ACCEPTED
             | show b reserved                  | reserved 1156.00
             | c: buy 10 AAPL stop 90           | c ACCEPTED
             | show c reserved triggered        | reserved 1156.00, triggered -
             | show account reserved live       | reserved 3363.00, live 3
             | cancel b                         | b CANCELLED REQUESTED
             | show account reserved live       | reserved 2207.00, live 2
    """)


def test_without_any_quote_orders_wait_for_the_opening_and_a_market_buy_holds_nothing() -> None:
    play("""
    10:00:00 | close                           | -
             | a: buy 10 AAPL                  | a ACCEPTED
             | b: buy 10 AAPL limit 100        | b ACCEPTED
             | c: buy 10 AAPL stop 100         | c ACCEPTED
             | d: buy 10 AAPL stop 90 limit 95 | d ACCEPTED
             | show account reserved           | reserved 3000.00
    """)


def test_a_market_order_before_the_first_quote_fills_at_the_opening_as_money_lasts() -> None:
    play("""
    given    | balance 1000                     | -
    10:00:00 | close                            | -
             | a: buy 6 AAPL                    | a ACCEPTED
             | b: buy 6 AAPL                    | b ACCEPTED
             | replace b quantity 5             | b REPLACED
             | c: buy 1 AAPL IOC                | c REJECTED MARKET_CLOSED
             | show a reserved                  | reserved 0.00
             | show account reserved free       | reserved 0.00, free 1000.00
             | open                             | -
    10:00:01 | quote AAPL 99 x 100 / 100 x 100  | a FILLED 6 at 100
             |                                  | b PARTIALLY_FILLED 4 at 100
             |                                  | b CANCELLED INSUFFICIENT_BUYING_POWER
             | show account balance reserved    | balance 0.00, reserved 0.00
    """)


@pytest.mark.parametrize("limited", ["key", "account", "share", "nothing"])
def test_before_the_first_quote_a_market_order_waits_where_no_limit_needs_its_price(
    limited: str,
) -> None:
    book = Book(deposit=SCALE, costs=make_costs())
    exposure = Exposure(equity=SCALE, equity_at_day_start=SCALE, at_stake=0)
    book.guard = Guard(order_notional_max=1 if limited == "key" else None, exposure=exposure)
    rails = GuardRails(
        order_notional_max=1 if limited == "account" else None,
        position_share_max=1 if limited == "share" else None,
    )
    book.account = replace(book.account, guard_rails=rails)
    book.is_open = False
    book.place("order", Wish(symbol="SPY", side=Side.BUY, quantity=SCALE))
    expected = None if limited == "nothing" else Reason.NO_QUOTE
    assert book.orders["order"].rejection_reason is expected


def test_a_market_buy_that_can_just_pay_the_ask_reserves_all_there_is() -> None:
    """The market opens at 110.00, of which 1 000.00 pay for 9.09090909."""
    play("""
    given    | balance 1000                     | -
    10:00:00 | quote AAPL 99 x 100 / 100 x 100  | -
             | close                            | -
             | a: buy 10 AAPL                   | a ACCEPTED
             | show account reserved free       | reserved 1000.00, free 0.00
             | open                             | -
    10:00:01 | quote AAPL 109 x 100 / 110 x 100 | a PARTIALLY_FILLED 9.09090909 at 110
             |                                  | a CANCELLED INSUFFICIENT_BUYING_POWER
             | show account balance reserved    | balance 0.00, reserved 0.00
    """)


def test_an_order_whose_day_ends_while_closed_is_not_filled_at_the_opening() -> None:
    play("""
    20:00:00    | quote AAPL 99 x 100 / 100 x 100  | -
                | close                            | -
                | a: buy 10 AAPL DAY               | a ACCEPTED
                | b: buy 10 AAPL limit 100 DAY     | b ACCEPTED
                | c: buy 10 AAPL stop 100 DAY      | c ACCEPTED
                | d: buy 10 AAPL                   | d ACCEPTED
                | show a expires                   | expires 1d 00:00:00
                | show d expires                   | expires 90d 20:00:00
    1d 09:30:00 | open                             | -
    1d 09:30:01 | quote AAPL 99 x 100 / 100 x 100  | a CANCELLED EXPIRED_DAY
                |                                  | d FILLED 10 at 100
                |                                  | b CANCELLED EXPIRED_DAY
                |                                  | c CANCELLED EXPIRED_DAY
                | show account reserved live       | reserved 0.00, live 0
    """)


def test_an_order_is_replaced_while_closed_and_waits_for_the_opening() -> None:
    play("""
    10:00:00 | quote AAPL 99 x 100 / 100 x 100   | -
             | close                             | -
             | a: buy 10 AAPL limit 90           | a ACCEPTED
             | b: buy 10 AAPL stop 110           | b ACCEPTED
             | c: buy 10 AAPL                    | c ACCEPTED
    20:00:00 | replace a limit 101               | a REPLACED
             | replace b stop 95                 | b REPLACED
             | replace c quantity 20             | c REPLACED
             | show a reserved                   | reserved 1010.00
             | show b reserved triggered         | reserved 1050.00, triggered -
             | show c reserved                   | reserved 2100.00
             | d: buy 1 AAPL limit 90            | d ACCEPTED
             | cancel d                          | d CANCELLED REQUESTED
             | open                              | -
             | quote AAPL 99 x 100 / 100 x 100   | c FILLED 20 at 100
             |                                   | a FILLED 10 at 100
             |                                   | b TRIGGERED
             |                                   | b FILLED 10 at 100
    """)


def test_a_quote_shown_to_an_order_of_a_closed_market_does_nothing() -> None:
    book = play("""
    10:00:00 | close                       | -
             | a: buy 10 AAPL limit 100    | a ACCEPTED
             | b: buy 10 AAPL stop 90      | b ACCEPTED
    """)
    quote = make_quote("AAPL", "94", "50", "95", "50", time=book.now)
    market = Market(
        instrument=INSTRUMENTS["AAPL"],
        quote=quote,
        costs=make_costs(),
        now=book.now,
        day_end=DAY,
        is_open=False,
    )
    for order in book.live_orders:
        assert fill_resting(order, book.account, book.position("AAPL"), market, str) is None
