"""Mistakes of a caller of the domain: each is a broken invariant, never a guess."""

from dataclasses import replace

import pytest

from server.domain.account import GuardRails
from server.domain.account_changes import set_guard_rails
from server.domain.invariants import BrokenInvariant
from server.domain.market import Market
from server.domain.order import OrderType
from server.domain.order_types import RULES
from server.domain.risk import Guard, Situation, rejections
from server.domain.trading import Replacement, fill_resting
from server.domain.trading import replace as replace_order
from server.domain.values import DAY, SCALE, Quantity
from tests.domain.book import INSTRUMENTS, Book, make_costs, make_quote
from tests.domain.scenario import play

QUOTE = make_quote("AAPL", "100", "10", "100", "10", time=0)


def book_with_an_order() -> Book:
    return play("10:00:00 | a: buy 10 AAPL limit 90 | a ACCEPTED")


def market(book: Book) -> Market:
    return Market(
        instrument=INSTRUMENTS["AAPL"],
        quote=QUOTE,
        costs=make_costs(),
        now=book.now,
        day_end=DAY,
        is_open=True,
    )


@pytest.mark.parametrize(
    "rails", [GuardRails(daily_loss_max=SCALE), GuardRails(position_share_max=SCALE)]
)
def test_guard_rails_that_need_the_exposure_are_not_checked_without_it(rails: GuardRails) -> None:
    book = book_with_an_order()
    situation = Situation(
        account=set_guard_rails(book.account, rails).account,
        position=book.position("AAPL"),
        order=replace(book.orders["a"], reserved=0),
        market=market(book),
        guard=Guard(),
    )
    with pytest.raises(BrokenInvariant, match="the guard rails need the exposure"):
        list(rejections(situation))


@pytest.mark.parametrize(
    ("order_type", "kind"),
    [(OrderType.LIMIT, "LIMIT orders have a limit"), (OrderType.STOP, "STOP orders have a stop")],
)
def test_an_order_without_a_price_of_its_type_watches_nothing(
    order_type: OrderType, kind: str
) -> None:
    order = replace(book_with_an_order().orders["a"], order_type=order_type, limit_price=None)
    rules = RULES[order_type]
    with pytest.raises(BrokenInvariant, match=kind):
        (rules.waiting or rules.active).watch(order)


def test_a_quantity_that_is_filled_cannot_be_taken_back() -> None:
    book = book_with_an_order()
    order = replace(book.orders["a"], filled_quantity=Quantity(5 * SCALE))
    with pytest.raises(BrokenInvariant, match="what is filled cannot be taken back"):
        replace_order(
            order,
            Replacement(quantity=Quantity(5 * SCALE)),
            book.account,
            book.position("AAPL"),
            market(book),
            lambda: "fill",
        )


def test_a_resting_order_fills_at_a_quote_only() -> None:
    book = book_with_an_order()
    unquoted = replace(market(book), quote=None)
    with pytest.raises(BrokenInvariant, match="only a quote fills an order"):
        fill_resting(
            book.orders["a"], book.account, book.position("AAPL"), unquoted, lambda: "fill"
        )
