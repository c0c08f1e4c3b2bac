"""Guard rails and previews: what stands before an order besides its account's money."""

from dataclasses import replace

import pytest

from server.domain.account import GuardRails, TradingState
from server.domain.order import Side
from server.domain.risk import Exposure, Guard
from server.domain.values import parse_units
from tests.domain.book import Book, Wish, make_costs, make_quote
from tests.domain.scenario import play

TEN = Wish(symbol="AAPL", side=Side.BUY, quantity=parse_units("10"))


def book_with(rails: GuardRails, guard: Guard | None = None) -> Book:
    book = Book(deposit=parse_units("10000"), costs=make_costs())
    book.account = replace(book.account, guard_rails=rails)
    book.show(make_quote("AAPL", "100", "90", "100", "90", time=book.now))
    book.guard = guard or Guard()
    return book


def reason(book: Book, wish: Wish = TEN) -> str:
    book.place("order", wish)
    found = book.orders["order"].rejection_reason
    return found.value if found is not None else "accepted"


def test_trading_states_let_through_what_they_say() -> None:
    play("""
    10:00:00 | quote AAPL 99 x 300 / 100 x 200 | -
             | a: buy 10 AAPL                  | a ACCEPTED
             |                                 | a FILLED 10 at 100
             | state REDUCING                  | -
             | b: buy 1 AAPL                   | b REJECTED TRADING_HALTED
             | c: sell 5 AAPL                  | c ACCEPTED
             |                                 | c FILLED 5 at 99 pnl -5.00
             | state HALTED                    | -
             | d: sell 5 AAPL                  | d REJECTED TRADING_HALTED
             | state ACTIVE                    | -
             | e: sell 5 AAPL                  | e ACCEPTED
             |                                 | e FILLED 5 at 99 pnl -5.00
    """)


@pytest.mark.parametrize(
    ("account", "key", "expected"),
    [
        ("1000", None, "accepted"),
        ("999.99", None, "ORDER_NOTIONAL_EXCEEDED"),
        (None, "1000", "accepted"),
        ("5000", "999.99", "ORDER_NOTIONAL_EXCEEDED"),
        ("999.99", "5000", "ORDER_NOTIONAL_EXCEEDED"),
    ],
)
def test_the_smaller_of_both_limits_on_an_orders_value_holds(
    account: str | None, key: str | None, expected: str
) -> None:
    rails = GuardRails(order_notional_max=parse_units(account) if account else None)
    guard = Guard(order_notional_max=parse_units(key) if key else None)
    assert reason(book_with(rails, guard)) == expected


@pytest.mark.parametrize(
    ("at_stake", "side", "expected"),
    [
        ("1500", Side.BUY, "accepted"),
        ("1500.01", Side.BUY, "POSITION_SHARE_EXCEEDED"),
        ("9000", Side.SELL, "INSUFFICIENT_POSITION"),
    ],
)
def test_a_position_may_become_its_share_and_no_more(
    at_stake: str, side: Side, expected: str
) -> None:
    exposure = Exposure(
        equity=parse_units("10000"), equity_at_day_start=parse_units("10000"),
        at_stake=parse_units(at_stake),
    )  # fmt: skip
    rails = GuardRails(position_share_max=parse_units("25"))
    assert reason(book_with(rails, Guard(exposure=exposure)), replace(TEN, side=side)) == expected


@pytest.mark.parametrize(
    ("equity", "side", "expected"),
    [
        ("9500.01", Side.BUY, "accepted"),
        ("9500", Side.BUY, "DAILY_LOSS_REACHED"),
        ("9000", Side.SELL, "INSUFFICIENT_POSITION"),
    ],
)
def test_at_the_days_loss_only_sales_pass(equity: str, side: Side, expected: str) -> None:
    exposure = Exposure(
        equity=parse_units(equity), equity_at_day_start=parse_units("10000"), at_stake=0
    )
    rails = GuardRails(daily_loss_max=parse_units("500"))
    assert reason(book_with(rails, Guard(exposure=exposure)), replace(TEN, side=side)) == expected


def test_without_a_price_no_limit_on_values_can_speak() -> None:
    rails = GuardRails(order_notional_max=1, position_share_max=1)
    book = book_with(rails)
    book.quotes.clear()
    assert reason(book) == "NO_QUOTE"


def test_a_preview_tells_every_rule_that_would_reject_and_changes_nothing() -> None:
    book = book_with(GuardRails(order_notional_max=parse_units("1")))
    book.account = replace(book.account, trading_state=TradingState.HALTED)
    before = book.account
    found = book.preview(replace(TEN, side=Side.SELL))

    assert [rejection.reason.value for rejection in found.rejections] == [
        "TRADING_HALTED", "ORDER_NOTIONAL_EXCEEDED", "INSUFFICIENT_POSITION",
    ]  # fmt: skip
    assert found.order.rejection_reason is found.rejections[0].reason
    assert (book.account, book.orders) == (before, {})


def test_a_preview_is_what_placing_does_to_the_cent() -> None:
    play("""
    given    | fees, slippage                        | -
    10:00:00 | preview buy 10 AAPL                    | REJECTED 0 at - fees 0.00 left 100000.00
             |                                       | rejected NO_QUOTE
             | quote AAPL 99 x 300 / 100 x 20         | -
             | preview buy 10 AAPL                    | FILLED 10 at 100.005 fees 1.00 left 98998.95
             | a: buy 10 AAPL                         | a ACCEPTED
             |                                       | a FILLED 10 at 100.005 fee 1.00
             | show account balance                    | balance 98998.95
             | preview sell 11 AAPL FOK                | REJECTED 0 at - fees 0.00 left 98998.95
             |                                       | rejected INSUFFICIENT_POSITION
             | preview sell 10 AAPL stop 90            | OPEN 0 at - fees 0.00 left 98998.95
    """)
