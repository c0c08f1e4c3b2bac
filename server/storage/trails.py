"""Trails: the watermarks of trailing orders, which the only writer knows without a query."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import repeat
from typing import Any, TypeAlias

from server.application.staging import Stage, Staged, StagedMap
from server.domain.changes import maker
from server.domain.invariants import BrokenInvariant
from server.domain.matching import Reach
from server.domain.order import Order, Side
from server.domain.resting import RestingPrices
from server.domain.trailing import better, moved
from server.domain.values import Price
from server.domain.watermarks import Group, Reached, Watermarks
from server.storage import statements
from server.storage.session import Session

Line: TypeAlias = tuple[str, Side]
"""A symbol, and the side of the orders that trail."""

MarksKey: TypeAlias = tuple[str, Line]
"""The id of marks that are followed together, and a line."""


@dataclass(frozen=True, slots=True)
class Both:
    """The watermarks of both sides of a symbol."""

    sells: Watermarks
    buys: Watermarks

    def of(self, side: Side) -> Watermarks:
        """Return the watermarks of a side."""
        return self.sells if side is Side.SELL else self.buys

    def with_(self, marks: Watermarks) -> "Both":
        """Return both with other watermarks of one side."""
        sells = marks.side is Side.SELL
        return _both(marks, self.buys) if sells else _both(self.sells, marks)


_both = maker(Both)
_NONE = Both(Watermarks(side=Side.SELL), Watermarks(side=Side.BUY))


class Trails:
    """The watermarks by symbol and side, and which of them are not stored yet.

    They change with the commit, as all memory does. They are stored with the quotes, so a kill
    loses at most what came after the last stored quotes. They are those of all orders, or with
    `shards` those of the orders of some shards, whose groups are numbered together.
    """

    def __init__(self, session: Session, marks_id: str = "", shards: str | None = None) -> None:
        self._session = session
        self._id = marks_id
        self._shards = {} if shards is None else {"shards": shards}
        # A symbol without an order that ever trailed is not in it: its quotes cost one look.
        self._marks = StagedMap(_loaded(session, marks_id, self._shards).items())
        self._unstored = Staged[frozenset[Line]](frozenset())

    def know(self, account_id: str, shard: int) -> None:
        """Take note of the shard of an account: all have the same trails."""

    def misses(self, symbol: str, bid: Price, ask: Price) -> bool:
        """Tell whether a quote moves and triggers no order."""
        both = self._marks.get(symbol)
        return both is None or (both.sells.misses(bid) and both.buys.misses(ask))

    def follow(self, reach: Reach, stage: Stage) -> "Sequence[tuple[Trails, Line, Reached]]":
        """Let the orders of a symbol see the prices of a quote of an open session.

        Returns the spans of orders that the quote may trigger, each with the trails that know it.
        """
        both = self._marks.get(reach.symbol)
        if both is None:
            return ()
        spans: list[tuple[Trails, Line, Reached]] = []
        for known, price in ((both.sells, reach.bid), (both.buys, reach.ask)):
            if not known.groups:
                continue
            marks = known.seeing(price)
            if marks is not known:
                both = self._change(both, reach.symbol, marks, stage)
            reached = marks.reached(price)
            if reached:
                spans += zip(repeat(self), repeat((reach.symbol, marks.side)), reached)
        return spans

    def join(self, order: Order, number: int | None, stage: Stage) -> int:
        """Take note of an order that trails as it was decided; return its number."""
        both = self._marks.get(order.symbol) or _NONE
        marks = both.of(order.side)
        if number is None:
            marks, number = marks.joined(order)
        else:
            marks = marks.holding(number, order.trail_amount, order.trail_percent)
        self._change(both, order.symbol, marks, stage)
        return number

    def leave(self, order: Order, stage: Stage) -> None:
        """Take note of an order that no longer trails."""
        both = self._marks.get(order.symbol)
        if both is None or not both.of(order.side).groups:
            raise BrokenInvariant(f"order {order.id} trails and is not known")
        self._change(both, order.symbol, both.of(order.side).left(), stage)

    def current(self, order: Order, number: int) -> Order:
        """Return an order with the stop that it has by now."""
        return moved(order, self._known((order.symbol, order.side)).best(number))

    def search(self, line: Line, span: Reached) -> Iterable[Any]:
        """Return the rows of the orders of a span that are near enough to be triggered."""
        given = {"symbol": line[0], "side": line[1].value, **asdict(span), **self._shards}
        return self._session.found(statements.SELECT_TRAILS_REACHED, given)

    def look_again(self, line: Line, span: Reached, stage: Stage) -> None:
        """Read the least distances of a span in which no order was found; all must be written."""
        span_of_line = {"after": span.after, "until": span.until}
        given = {"symbol": line[0], "side": line[1].value, **span_of_line, **self._shards}
        amount = self._session.all(statements.SELECT_LEAST_AMOUNT, given)
        percent = self._session.all(statements.SELECT_LEAST_PERCENT, given)
        both = self._marks.get(line[0])
        if both is not None and both.of(line[1]).groups:
            marks = both.of(line[1]).looked_at(span.until, _only(amount), _only(percent))
            self._change(both, line[0], marks, stage)

    def widen(self, symbol: str, prices: RestingPrices) -> RestingPrices:
        """Return resting prices that also say which quotes move or trigger trails."""
        both = self._marks.get(symbol)
        return prices if both is None else both.buys.widen(both.sells.widen(prices))

    def all(self) -> Mapping[Line, Watermarks]:
        """Return the watermarks of all lines."""
        return {
            (symbol, marks.side): marks
            for symbol, both in self._marks.all().items()
            for marks in (both.sells, both.buys)
        }

    def unstored(self) -> Mapping[MarksKey, Watermarks]:
        """Return the watermarks that are not stored."""
        return {(self._id, line): self._known(line) for line in self._unstored.value}

    def stored(self, stage: Stage) -> None:
        """Take note that all watermarks are stored."""
        if self._unstored.value:
            self._unstored.set(frozenset(), stage)

    def _known(self, line: Line) -> Watermarks:
        return (self._marks.get(line[0]) or _NONE).of(line[1])

    def _change(self, both: Both, symbol: str, marks: Watermarks, stage: Stage) -> Both:
        """Keep other watermarks of one side; return both with them."""
        both = both.with_(marks)
        self._marks.set(symbol, both, stage)
        line = (symbol, marks.side)
        if line not in self._unstored.value:
            self._unstored.set(self._unstored.value | {line}, stage)
        return both


def row_of(key: MarksKey, marks: Watermarks) -> dict[str, str]:
    """Return the row of watermarks: numbers and best prices of their groups."""
    marks_id, (symbol, side) = key
    groups = json.dumps([[group.number, group.best] for group in marks.groups])
    return {"marks_id": marks_id, "symbol": symbol, "side": side.value, "marks": groups}


def marks_from(side: Side, text: str) -> Watermarks:
    """Return the watermarks of a row, without what is known of their orders."""
    groups = tuple(Group(number=number, best=best) for number, best in json.loads(text))
    return Watermarks(side=side, groups=groups, last=groups[-1].number if groups else 0)


def _loaded(session: Session, marks_id: str, shards: Mapping[str, str]) -> dict[str, Both]:
    """Return the stored watermarks by symbol, with the distances of the live orders."""
    found: dict[Line, Watermarks] = {}
    for symbol, side, text in session.all(statements.SELECT_MARKS, {"marks_id": marks_id}):
        found[symbol, Side(side)] = marks_from(Side(side), text)
    restored: dict[str, Both] = {}
    for line, marks in found.items():
        # Without their groups: those of orders that have ended must come to no later order.
        both = restored.get(line[0], _NONE)
        restored[line[0]] = both.with_(Watermarks(side=line[1], last=marks.last))
    for symbol, name, number, low, high, amount, percent, count in session.all(
        statements.SELECT_TRAILING, shards
    ):
        side = Side(name)
        both = restored.get(symbol, _NONE)
        stored = found.get((symbol, side)) or both.of(side)
        # What one order of a group had seen when it was decided, all of them had seen.
        best = better(side, stored.best(number), high if side is Side.SELL else low)
        group = Group(number=number, best=best, amount=amount, percent=percent)
        restored[symbol] = both.with_(both.of(side).restored(group, count))
    return restored


def _only(found: list[tuple[Any, ...]]) -> Any:
    return found[0][0] if found else None
