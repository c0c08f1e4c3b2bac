"""Watermarks: groups of orders know the same best prices as each order by itself would."""

from dataclasses import dataclass, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.domain.order import Order, Side
from server.domain.resting import NOTHING_RESTS
from server.domain.trailing import moved, stop_behind
from server.domain.values import SCALE, Price
from server.domain.watermarks import Group, Watermarks
from tests.domain.asked import Wish
from tests.domain.book import Book, make_costs, make_quote

REPRODUCIBLE = settings(derandomize=True, database=None, deadline=None, max_examples=300)


def trailing_order(side: Side, amount: int | None, percent: int | None) -> Order:
    """Return an order that has seen no price yet."""
    book = Book(deposit=10**15, costs=make_costs())
    book.show(make_quote("DUST", "1", "9000", "1", "9000", time=book.now))
    book.place("held", Wish(symbol="DUST", side=Side.BUY, quantity=SCALE))
    book.is_open = False
    wish = Wish(symbol="DUST", side=side, quantity=1, trail_amount=amount, trail_percent=percent)
    book.place("order", wish)
    return book.orders["order"]


ORDERS = {
    (side, kind): trailing_order(
        side, 1 if kind == "amount" else None, 1 if kind == "percent" else None
    )
    for side in Side
    for kind in ("amount", "percent")
}


@dataclass
class Alone:
    """An order that follows all prices by itself, and its number."""

    order: Order
    number: int
    is_live: bool = True


@REPRODUCIBLE
@given(
    st.sampled_from(Side),
    st.lists(
        st.tuples(st.sampled_from(["price", "order", "end"]), st.integers(1, 30), st.booleans()),
        max_size=40,
    ),
)
def test_groups_know_what_each_order_by_itself_has_seen(
    side: Side, steps: list[tuple[str, int, bool]]
) -> None:
    marks, alone, newest = Watermarks(side=side), list[Alone](), None
    for kind, number, is_percent in steps:
        live = [each for each in alone if each.is_live]
        if kind == "price":
            newest = Price(number)
            resting = marks.widen(NOTHING_RESTS)
            bid, ask = (newest, Price(99)) if side is Side.SELL else (Price(1), newest)
            assert marks.misses(newest) is resting.misses(bid, ask)
            marks = marks.seeing(newest)
            spans = list(marks.reached(newest))
            for each in live:
                before, each.order = each.order, moved(each.order, newest)
                if _is_reached(each.order, newest):
                    assert any(_is_in(each, span) for span in spans), "a trigger is missed"
                if each.order != before or _is_reached(each.order, newest):
                    assert not resting.misses(bid, ask), "a price is passed by"
        elif kind == "order":
            order = ORDERS[side, "percent" if is_percent else "amount"]
            if is_percent:
                order = replace(order, trail_percent=number * SCALE)
            else:
                order = replace(order, trail_amount=Price(number))
            if newest is not None:
                order = moved(order, newest)
            marks, place = marks.joined(order)
            alone.append(Alone(order, place))
        elif live:
            live[number % len(live)].is_live = False
            marks = marks.left()
        for each in alone:
            if each.is_live:
                assert marks.best(each.number) == each.order.watermark


def _is_reached(order: Order, price: Price) -> bool:
    stop = None if order.watermark is None else stop_behind(order, order.watermark)
    if stop is None:
        return False
    return price <= stop if order.side is Side.SELL else price >= stop


def _is_in(each: Alone, span: object) -> bool:
    after, until, amount, percent = (
        getattr(span, name) for name in ("after", "until", "amount", "percent")
    )
    order = each.order
    near = order.trail_amount is not None and order.trail_amount <= amount
    near = near or (order.trail_percent is not None and order.trail_percent <= percent)
    return after < each.number <= until and near


def test_an_order_that_was_stored_after_the_watermarks_counts_with_what_it_had_seen() -> None:
    """A kill lost its group, which was in memory only; earlier orders saw its price, too."""
    marks = Watermarks(side=Side.SELL)
    for number, best, amount, orders in ((1, 10, 2, 3), (2, 12, 1, 1), (3, 11, 4, 1)):
        group = Group(number=number, best=Price(best), amount=Price(amount))
        marks = marks.restored(group, orders)

    assert [marks.best(number) for number in (1, 2, 3)] == [12, 12, 11]
    assert marks.orders == 5
    assert [(span.until, span.amount) for span in marks.reached(Price(11))] == [(2, 1)]


def test_a_look_at_a_group_without_orders_drops_it() -> None:
    groups = (Group(number=1, best=Price(10), amount=Price(1)), Group(number=2, best=Price(8)))
    marks = Watermarks(side=Side.SELL, groups=groups, orders=1)

    assert marks.looked_at(1, None, None).groups == groups[1:]
    assert marks.looked_at(2, None, None).groups == groups
    assert marks.left().groups == ()


@pytest.mark.parametrize("side", Side)
def test_no_number_is_given_twice(side: Side) -> None:
    """Not after all orders ended, and not after a restart without the order of the last number."""
    marks, first = Watermarks(side=side).joined(ORDERS[side, "amount"])
    marks, second = marks.left().joined(ORDERS[side, "percent"])
    restored = Watermarks(side=side, last=7).restored(Group(number=2, best=Price(5)), 1)
    _, third = restored.joined(ORDERS[side, "amount"])

    assert (first, second, third) == (1, 2, 8)
