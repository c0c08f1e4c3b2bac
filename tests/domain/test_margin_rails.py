"""Limits on margin: guard rails mean "towards zero", the venue keeps none, figures have ends."""

from dataclasses import replace

import pytest

from server.domain.account import Account, GuardRails, MarginMode, Position
from server.domain.invariants import BrokenInvariant
from server.domain.order import THE_VENUE, OrderStatus
from server.domain.posting import check_invariants
from server.domain.previews import preview
from server.domain.risk import Exposure, Guard
from server.domain.trading import place
from server.domain.values import SCALE, Quantity, parse_units
from tests.domain.book import Book
from tests.domain.scenario import Stage, play

POSITIONS = """
    given    | balance 10000.00, margin           | -
    10:00:00 | quote AAPL 100 x 1000 / 100 x 1000 | -
             | a: {} 40 AAPL                      | a ACCEPTED
             |                                    | a FILLED 40 at 100
"""


def book_with(side: str, rails: GuardRails) -> Book:
    """Return a book with 40 AAPL worth 4 000, long or short, that lost 500 today."""
    book = play(POSITIONS.format(side))
    exposure = Exposure(
        equity=10_000 * SCALE, equity_at_day_start=10_500 * SCALE, at_stake=4_000 * SCALE
    )
    book.guard = Guard(exposure=exposure)
    book.account = replace(book.account, guard_rails=rails)
    return book


def outcome(book: Book, order: str) -> tuple[str, str | None]:
    """Return the status and the message of an order."""
    stage = Stage({}, [])
    ticket, market = stage.ticket(order), book.market("AAPL")
    state = (book.account, book.position("AAPL"), market, lambda: "fill", book.guard)
    found = place(ticket, "order", *state, book=book.margin_book).orders["order"]
    reason = found.rejection_reason
    return reason.value if reason else found.status.value, found.rejection_message


@pytest.mark.parametrize(
    ("side", "order", "expected"),
    [
        ("buy", "buy 1 AAPL", "DAILY_LOSS_REACHED"),
        ("buy", "sell 40 AAPL", "FILLED"),
        ("buy", "sell 41 AAPL", "DAILY_LOSS_REACHED"),
        ("sell", "sell 1 AAPL", "DAILY_LOSS_REACHED"),
        ("sell", "buy 40 AAPL", "FILLED"),
        ("sell", "buy 41 AAPL", "DAILY_LOSS_REACHED"),
    ],
)
def test_after_the_largest_daily_loss_orders_may_only_go_towards_zero(
    side: str, order: str, expected: str
) -> None:
    book = book_with(side, GuardRails(daily_loss_max=500 * SCALE))

    found, message = outcome(book, order)

    assert found == expected
    if message is not None:
        assert message.endswith("accepts only orders that reduce a position.")


def test_a_reducing_account_takes_no_exits_that_free_another_order_to_open() -> None:
    # What a sells already is all there is: with exits beside it, a could open a short position.
    play("""
        given    | margin                                 | -
        10:00:00 | quote AAPL 100 x 1000 / 100 x 1000     | -
                 | p: buy 40 AAPL                         | p ACCEPTED
                 |                                        | p FILLED 40 at 100
                 | a: sell 30 AAPL limit 120              | a ACCEPTED
                 | state REDUCING                         | -
                 | b: sell 11 AAPL take 110 loss 90       | b REJECTED TRADING_HALTED
                 | c: sell 10 AAPL take 110 loss 90       | c ACCEPTED
                 |                                        | c.loss ACCEPTED
                 | replace c limit 111                    | c REPLACED
        10:00:01 | quote AAPL 120 x 1000 / 120 x 1000     | c FILLED 10 at 120 pnl 200.00
                 |                                        | c.loss CANCELLED SIBLING_FILLED
                 |                                        | a FILLED 30 at 120 pnl 600.00
    """)


@pytest.mark.parametrize(
    ("side", "order", "expected"),
    [
        ("buy", "buy 10 AAPL limit 90", "OPEN"),
        ("buy", "buy 10.1 AAPL limit 90", "POSITION_SHARE_EXCEEDED"),
        ("buy", "sell 90 AAPL", "FILLED"),
        ("buy", "sell 90.1 AAPL", "POSITION_SHARE_EXCEEDED"),
        ("sell", "sell 10 AAPL", "FILLED"),
        ("sell", "sell 10.1 AAPL", "POSITION_SHARE_EXCEEDED"),
        ("sell", "buy 90.1 AAPL", "POSITION_SHARE_EXCEEDED"),
        ("sell", "buy 40 AAPL", "FILLED"),
    ],
)
def test_the_largest_share_is_that_of_the_position_that_orders_can_make(
    side: str, order: str, expected: str
) -> None:
    """Half of the equity is 50 shares at the mark, long or short."""
    book = book_with(side, GuardRails(position_share_max=50 * SCALE))

    assert outcome(book, order)[0] == expected


def test_the_share_counts_what_other_live_orders_can_make() -> None:
    book = book_with("buy", GuardRails(position_share_max=50 * SCALE))
    position = replace(book.position("AAPL"), open_buy_quantity=Quantity(5 * SCALE))
    book.positions["AAPL"] = position

    assert outcome(book, "buy 5 AAPL limit 90")[0] == "OPEN"
    assert outcome(book, "buy 6 AAPL limit 90")[0] == "POSITION_SHARE_EXCEEDED"


def test_a_rejection_names_the_margin() -> None:
    book = play(POSITIONS.format("buy"))

    _, margin = outcome(book, "buy 161 AAPL")
    crypto = Stage({}, []).ticket("buy 1 BTC-USD limit 9000")
    state = (book.account, book.position("BTC-USD"), book.market("BTC-USD"), lambda: "fill")
    paid = place(crypto, "order", *state, book=book.margin_book).orders["order"]

    assert margin == (
        "The order needs 8050.00 USD for margin, slippage and fee, and the free equity is"
        " 8000.00 USD: lower the quantity."
    )
    assert paid.rejection_message == (
        "The order may cost 9000.00 USD and the free equity is 8000.00 USD: lower the quantity."
    )


def test_a_closing_order_that_is_too_large_says_what_can_be_bought() -> None:
    book = play(POSITIONS.format("sell"))
    ticket = replace(Stage({}, []).ticket("buy 41 AAPL"), reduce_only=True)
    state = (book.account, book.position("AAPL"), book.market("AAPL"), lambda: "fill")

    found = place(ticket, "order", *state, book=book.margin_book).orders["order"]

    assert found.rejection_message == (
        "The order buys 41.00000000 AAPL and 40.00000000 can be bought: lower the quantity."
    )


def test_the_orders_of_the_venue_keep_no_rule() -> None:
    rails = GuardRails(order_notional_max=SCALE, daily_loss_max=SCALE, position_share_max=SCALE)
    book = book_with("buy", rails)
    ticket = replace(Stage({}, []).ticket("sell 40 AAPL"), bot_key_id=THE_VENUE, reduce_only=True)
    state = (book.account, book.position("AAPL"), book.market("AAPL"), lambda: "fill", book.guard)

    found = place(ticket, "order", *state, book=book.margin_book).orders["order"]

    assert found.status is OrderStatus.FILLED
    assert found.reduce_only


@pytest.mark.parametrize("order", ["buy 1 AAPL", "buy 1 BTC-USD limit 10"])
def test_a_margin_account_decides_nothing_without_its_book(order: str) -> None:
    book = play(POSITIONS.format("buy"))
    ticket = Stage({}, []).ticket(order)
    market = book.market(ticket.symbol)

    with pytest.raises(BrokenInvariant, match="its margin book is missing"):
        place(ticket, "order", book.account, book.position(ticket.symbol), market, lambda: "fill")


def test_a_preview_shows_the_margin_after_the_order() -> None:
    stage = Stage({"margin": ""}, [])
    stage.do("quote AAPL 100 x 1000 / 100 x 1000")
    wish = Stage({}, []).ticket("sell 100 AAPL")
    book = stage.book

    state = (book.account, book.position("AAPL"), book.market("AAPL"))
    found = preview(wish, *state, book=book.margin_book)

    assert found.book is not None
    assert found.book.margin(found.account) == 5_000 * SCALE
    assert found.book.free(found.account) == 95_000 * SCALE


def test_no_absurd_quote_makes_figures_that_cannot_be_stored() -> None:
    # 10 x 9 000 000 000 are more than an account may have, or owe.
    play(
        """
        given    | margin                                           | -
        10:00:00 | quote AAPL 100 x 1000 / 100 x 1000               | -
                 | a: sell 10 AAPL                                  | a ACCEPTED
                 |                                                  | a FILLED 10 at 100
                 | b: sell 10 AAPL limit 200                        | b ACCEPTED
                 | c: buy 15 AAPL stop 200                          | c ACCEPTED
        10:00:01 | quote AAPL 9000000000 x 1000 / 9000000000 x 1000 | c TRIGGERED
                 | show AAPL quantity held buys                     | quantity -10, held 10, buys 15
        10:00:02 | quote AAPL 100 x 1000 / 100 x 1000               | c FILLED 15 at 100 pnl 0.00
        """
    )


MARGIN = Account(
    id="account",
    user_id="user",
    created_at=0,
    deposits=0,
    balance=-5 * SCALE,
    reserved=parse_units("7"),
    margin_mode=MarginMode.MARGIN,
)
SHORT = Position(
    account_id="account",
    symbol="AAPL",
    quantity=Quantity(-3 * SCALE),
    cost_basis=-300 * SCALE,
    reserved_quantity=Quantity(SCALE),
    open_buy_quantity=Quantity(9 * SCALE),
)


def test_on_margin_money_and_quantity_may_be_negative() -> None:
    check_invariants(MARGIN, SHORT, on_margin=True)


@pytest.mark.parametrize(
    ("account", "position", "on_margin"),
    [
        (replace(MARGIN, reserved=-1), SHORT, True),
        (replace(MARGIN, balance=-(2**63)), SHORT, True),
        (replace(MARGIN, margin_mode=MarginMode.CASH), SHORT, True),
        (MARGIN, replace(SHORT, open_buy_quantity=Quantity(-1)), True),
        (MARGIN, replace(SHORT, reserved_quantity=Quantity(-1)), True),
        (MARGIN, replace(SHORT, quantity=Quantity(-(2**63))), True),
        (MARGIN, replace(SHORT, cost_basis=-(2**63)), True),
        (MARGIN, replace(SHORT, open_buy_quantity=Quantity(0)), False),
        (MARGIN, replace(SHORT, quantity=Quantity(SCALE)), False),
    ],
)
def test_a_state_out_of_order_does_not_pass(
    account: Account, position: Position, on_margin: bool
) -> None:
    with pytest.raises(BrokenInvariant, match="account account"):
        check_invariants(account, position, on_margin=on_margin)
