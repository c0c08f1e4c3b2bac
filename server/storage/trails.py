"""Trails: the watermarks of all trailing orders, which the only writer knows without a query."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

from server.application.staging import Stage, Staged, StagedMap
from server.domain.invariants import BrokenInvariant
from server.domain.matching import Reach
from server.domain.order import Order, Side
from server.domain.resting import RestingPrices
from server.domain.trailing import better, moved
from server.domain.watermarks import Group, Reached, Watermarks
from server.storage import statements
from server.storage.session import Session

Line: TypeAlias = tuple[str, Side]
"""A symbol, and the side of the orders that trail."""


class Trails:
    """The watermarks by symbol and side, and which of them are not stored yet.

    They change with the commit, as all memory does. They are stored with the quotes, so a kill
    loses at most what came after the last stored quotes.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._marks = StagedMap(_loaded(session))
        self._unstored = Staged[frozenset[Line]](frozenset())
        self._resting: dict[str, tuple[RestingPrices, tuple[object, ...], RestingPrices]] = {}

    def follow(self, reach: Reach, stage: Stage) -> None:
        """Let the orders of a symbol see the prices of a quote of an open session."""
        for side, price in ((Side.SELL, reach.bid), (Side.BUY, reach.ask)):
            marks = self._marks.get((reach.symbol, side))
            if marks is not None:
                self._change((reach.symbol, side), marks.seeing(price), stage)

    def join(self, order: Order, number: int | None, stage: Stage) -> int:
        """Take note of an order that trails as it was decided; return its number."""
        line = (order.symbol, order.side)
        marks = self._marks.get(line) or Watermarks(side=order.side)
        if number is None:
            marks, number = marks.joined(order)
        else:
            marks = marks.holding(number, order.trail_amount, order.trail_percent)
        self._change(line, marks, stage)
        return number

    def leave(self, order: Order, stage: Stage) -> None:
        """Take note of an order that no longer trails."""
        line = (order.symbol, order.side)
        marks = self._marks.get(line)
        if marks is None:
            raise BrokenInvariant(f"order {order.id} trails and is not known")
        self._change(line, marks.left(), stage)

    def current(self, order: Order, number: int) -> Order:
        """Return an order with the stop that it has by now."""
        marks = self._marks.get((order.symbol, order.side))
        return order if marks is None else moved(order, marks.best(number))

    def reached(self, reach: Reach) -> Iterator[tuple[Line, Reached]]:
        """Yield the spans of orders that a quote may trigger."""
        for side, price in ((Side.SELL, reach.bid), (Side.BUY, reach.ask)):
            marks = self._marks.get((reach.symbol, side))
            if marks is not None:
                yield from (((reach.symbol, side), span) for span in marks.reached(price))

    def look_again(self, line: Line, span: Reached, stage: Stage) -> None:
        """Read the least distances of a span in which no order was found; all must be written."""
        span_of_line = {"after": span.after, "until": span.until}
        given = {"symbol": line[0], "side": line[1].value, **span_of_line}
        amount = self._session.all(statements.SELECT_LEAST_AMOUNT, given)
        percent = self._session.all(statements.SELECT_LEAST_PERCENT, given)
        marks = self._marks.get(line)
        if marks is not None:
            self._change(
                line,
                marks.looked_at(span.until, _only(amount), _only(percent)),
                stage,
            )

    def widen(self, symbol: str, prices: RestingPrices) -> RestingPrices:
        """Return resting prices that also say which quotes move or trigger trails."""
        lines = tuple(self._marks.get((symbol, side)) for side in Side)
        if lines == (None, None):
            return prices
        known = self._resting.get(symbol)
        if known is not None and known[0] is prices and all(map(_is, known[1], lines)):
            return known[2]
        widened = prices
        for marks in lines:
            if marks is not None:
                widened = marks.widen(widened)
        self._resting[symbol] = (prices, lines, widened)
        return widened

    def unstored(self) -> Mapping[Line, Watermarks]:
        """Return the watermarks that are not stored."""
        return {line: self._known(line) for line in self._unstored.value}

    def stored(self, stage: Stage) -> None:
        """Take note that all watermarks are stored."""
        if self._unstored.value:
            self._unstored.set(frozenset(), stage)

    def _known(self, line: Line) -> Watermarks:
        return self._marks.get(line) or Watermarks(side=line[1])

    def _change(self, line: Line, marks: Watermarks, stage: Stage) -> None:
        if marks is not self._marks.get(line):
            self._marks.set(line, marks, stage)
            self._unstored.set(self._unstored.value | {line}, stage)


def row_of(line: Line, marks: Watermarks) -> dict[str, str]:
    """Return the row of watermarks: numbers and best prices of their groups."""
    groups = json.dumps([[group.number, group.best] for group in marks.groups])
    return {"symbol": line[0], "side": line[1].value, "marks": groups}


def marks_from(side: Side, text: str) -> Watermarks:
    """Return the watermarks of a row, without what is known of their orders."""
    groups = tuple(Group(number=number, best=best) for number, best in json.loads(text))
    return Watermarks(side=side, groups=groups, last=groups[-1].number if groups else 0)


def _loaded(session: Session) -> Iterator[tuple[Line, Watermarks]]:
    """Yield the stored watermarks, with the distances of the live orders."""
    found: dict[Line, Watermarks] = {}
    for symbol, side, text in session.all(statements.SELECT_MARKS):
        found[symbol, Side(side)] = marks_from(Side(side), text)
    restored = {line: Watermarks(side=line[1], last=marks.last) for line, marks in found.items()}
    for symbol, name, number, low, high, amount, percent, count in session.all(
        statements.SELECT_TRAILING
    ):
        side = Side(name)
        marks = restored.get((symbol, side)) or Watermarks(side=side)
        stored = found.get((symbol, side)) or marks
        # What one order of a group had seen when it was decided, all of them had seen.
        best = better(side, stored.best(number), high if side is Side.SELL else low)
        group = Group(number=number, best=best, amount=amount, percent=percent)
        restored[symbol, side] = marks.restored(group, count)
    yield from restored.items()


def _only(found: list[tuple[Any, ...]]) -> Any:
    return found[0][0] if found else None


def _is(one: object, other: object) -> bool:
    return one is other
