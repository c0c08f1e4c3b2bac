"""Decisions: one may be about several orders, and its events describe all that is stored."""

from dataclasses import replace

import pytest

from server.domain.invariants import BrokenInvariant
from server.domain.market import Market
from server.domain.order import OrderStatus, OrderUpdateType, StatusReason
from server.domain.posting import Decision, check, end, hold, release
from server.domain.values import DAY
from tests.domain.book import INSTRUMENTS, Book, make_costs
from tests.domain.scenario import play


def book_with_two_orders() -> Book:
    return play("""
    10:00:00 | a: buy 10 AAPL limit 100    | a ACCEPTED
             | b: buy 5 AAPL limit 100     | b ACCEPTED
    """)


def about_both(book: Book) -> Decision:
    """Return what is known before something is decided about both orders."""
    return Decision(
        account=book.account, positions={"AAPL": book.position("AAPL")}, orders=book.orders
    )


def both_ended() -> Decision:
    decision = end(about_both(book_with_two_orders()), "a", StatusReason.REQUESTED, 0)
    return end(decision, "b", StatusReason.REQUESTED, 0)


def test_one_decision_changes_several_orders_and_tells_them_in_order() -> None:
    book = book_with_two_orders()
    market = Market(
        instrument=INSTRUMENTS["AAPL"],
        quote=None,
        costs=make_costs(),
        now=book.now,
        day_end=DAY,
        is_open=True,
    )
    cancelled = end(about_both(book), "a", StatusReason.REQUESTED, book.now)
    decision = check(hold(release(cancelled, "b"), "b", OrderUpdateType.REPLACED, market))

    assert [event.sequence for event in decision.events] == [3, 4]
    assert decision.orders["a"].status is OrderStatus.CANCELLED
    assert decision.orders["b"] == book.orders["b"]
    assert decision.account.reserved == book.orders["b"].reserved
    assert decision.account.live_orders == 1


def test_an_order_that_no_event_tells_is_not_stored() -> None:
    decision = end(about_both(book_with_two_orders()), "a", StatusReason.REQUESTED, 0)
    with pytest.raises(BrokenInvariant, match="orders and events"):
        check(decision)


def test_a_new_order_is_one_of_those_that_are_stored() -> None:
    decision = both_ended()
    check(decision)
    with pytest.raises(BrokenInvariant, match="orders and events"):
        check(replace(decision, new_orders=frozenset("c")))


def test_events_go_on_to_the_end_of_the_log_without_a_gap() -> None:
    decision = both_ended()
    later = replace(decision.account, sequence=decision.account.sequence + 1)
    with pytest.raises(BrokenInvariant, match="the log"):
        check(replace(decision, account=later))
    with pytest.raises(BrokenInvariant, match="the log"):
        check(replace(decision, events=decision.events[::-1]))
