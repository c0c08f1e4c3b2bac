"""Previews: what placing an order would do, and every rule that rejects it."""

from collections.abc import Callable
from dataclasses import replace
from itertools import product

import pytest

from server.domain.account import GuardRails, TradingState
from server.domain.order import TimeInForce
from server.domain.risk import Guard
from server.domain.values import SECOND, parse_units
from tests.domain.book import Book
from tests.domain.scenario import play
from tests.domain.wishes import EXPOSED, book_holding, wanted


def test_a_preview_lists_every_rule_that_rejects_and_changes_nothing() -> None:
    book = play("""
    given    | balance 10                    | -
    10:00:00 | quote AAPL 99 x 10 / 100 x 10 | -
             | state REDUCING                | -
             | close                         | -
             | preview buy 20 AAPL FOK       | REJECTED 0 at - fees 0.00 left 10.00
             |                               | rejected TRADING_HALTED
             |                               | rejected INSUFFICIENT_BUYING_POWER
             |                               | rejected MARKET_CLOSED
             |                               | rejected FOK_NOT_FILLABLE
             | preview sell 20 AAPL FOK      | REJECTED 0 at - fees 0.00 left 10.00
             |                               | rejected INSUFFICIENT_POSITION
             |                               | rejected MARKET_CLOSED
             |                               | rejected FOK_NOT_FILLABLE
             | open                          | -
             | state ACTIVE                  | -
             | preview buy 1 SPY IOC         | REJECTED 0 at - fees 0.00 left 10.00
             |                               | rejected NO_QUOTE
             | preview buy 0.1 AAPL          | FILLED 0.1 at 100 fees 0.00 left 0.00
             | show account balance live     | balance 10.00, live 0
    """)
    assert (book.orders, book.account.sequence) == ({}, 0)


def test_a_preview_lists_the_guard_rails_in_their_order() -> None:
    book = book_holding("20")
    book.guard = Guard(order_notional_max=parse_units("1"), exposure=EXPOSED)
    book.account = replace(
        book.account,
        trading_state=TradingState.HALTED,
        guard_rails=GuardRails(position_share_max=1, daily_loss_max=parse_units("1")),
    )
    found = book.preview(wanted("buy 800000000 AAPL limit 200"))
    assert [rejection.reason.value for rejection in found.rejections] == [
        "TRADING_HALTED",
        "DAILY_LOSS_REACHED",
        "ORDER_TOO_LARGE",
        "ORDER_NOTIONAL_EXCEEDED",
        "POSITION_SHARE_EXCEEDED",
        "INSUFFICIENT_BUYING_POWER",
    ]
    assert found.order.rejection_reason is found.rejections[0].reason


def nothing(_: Book) -> None:
    """Leave the market as it is."""


def close_market(book: Book) -> None:
    book.is_open = False


def let_the_quote_get_stale(book: Book) -> None:
    book.is_open = True
    book.now += 60 * SECOND


CHANGES: tuple[Callable[[Book], None], ...] = (
    nothing,
    nothing,
    close_market,
    let_the_quote_get_stale,
)

PREVIEWED = [
    "buy 10 AAPL",
    "buy 7000 AAPL",
    "buy 9000 AAPL",
    "buy 4990 AAPL limit 100.001",
    "buy 3 AAPL limit 90",
    "buy 3 AAPL stop 110",
    "buy 3 AAPL stop 100 limit 100.001",
    "buy 6000 AAPL stop 95",
    "sell 10 AAPL",
    "sell 30 AAPL",
    "sell 20 AAPL stop 99",
    "sell 20 AAPL limit 98.99",
    "buy 7 CALL",
    "sell 20 CALL limit 99",
]


@pytest.mark.parametrize(("text", "time_in_force"), list(product(PREVIEWED, TimeInForce)))
def test_a_preview_is_what_placing_does_to_the_cent(text: str, time_in_force: TimeInForce) -> None:
    book = book_holding("20", slippage=True, fees=True)
    wish = wanted(text)
    if wish.stop_price is None:
        wish = replace(wish, time_in_force=time_in_force)
    for change in CHANGES:
        change(book)
        before = (book.account, dict(book.positions), dict(book.orders))
        found = book.preview(wish)
        assert (book.account, book.positions, book.orders) == before
        number = f"order {len(book.orders)}"
        book.place(number, wish)
        assert replace(found.order, id=number) == book.orders[number]
        assert found.account == book.account
        first = found.rejections[0].reason if found.rejections else None
        assert first is book.orders[number].rejection_reason


def test_a_preview_takes_what_a_new_quote_shows_though_the_last_was_taken() -> None:
    play("""
    10:00:00 | quote AAPL 99 x 10 / 100 x 10 | -
             | a: buy 10 AAPL                | a ACCEPTED
             |                               | a FILLED 10 at 100
             | preview buy 10 AAPL IOC       | CANCELLED 0 at - fees 0.00 left 99000.00
             | preview buy 10 AAPL FOK       | REJECTED 0 at - fees 0.00 left 99000.00
             |                               | rejected FOK_NOT_FILLABLE
    10:00:01 | quote AAPL 99 x 10 / 101 x 10 | -
             | preview buy 10 AAPL FOK       | FILLED 10 at 101 fees 0.00 left 97990.00
             | b: buy 10 AAPL FOK            | b ACCEPTED
             |                               | b FILLED 10 at 101
    """)
