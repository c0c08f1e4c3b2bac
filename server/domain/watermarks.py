"""Watermarks: the best prices that the trailing orders of a symbol and side have seen.

All orders of a symbol and side see the same prices from their acceptance on. So an earlier order
has seen at least as good a price as a later one, and all that were accepted before the newest best
price share it. Orders with the same best price are a group; a new best price joins groups.
"""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import TypeVar

from server.domain.changes import changed, maker
from server.domain.order import Order, Side
from server.domain.order_types import ANY_ASK, ANY_BID, Watch
from server.domain.resting import RestingPrices
from server.domain.trailing import WHOLE, better
from server.domain.values import Price, Units, divide_up

Distance = TypeVar("Distance", bound=Units)

_BY_NUMBER = attrgetter("number")


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Orders with the same best price, and the least distances of their stops.

    It holds the orders with numbers up to `number` that no earlier group holds. The price is None
    until the first quote of an open session. A distance is None if no order trails in that way.
    `first` is the first stop that the market reaches, of this group and of all earlier ones.
    """

    number: int
    best: Price | None
    amount: Price | None = None
    percent: Units | None = None
    first: Price | None = None

    def holding(self, amount: Price | None, percent: Units | None) -> "Group":
        """Return the group with an order of this distance in it."""
        return changed(
            self, amount=_least(self.amount, amount), percent=_least(self.percent, percent)
        )

    def stop(self, side: Side) -> Price | None:
        """Return the first stop that the market reaches; None for none."""
        if self.best is None:
            return None
        distance: Units | None = self.amount
        if self.percent is not None:
            by_percent = divide_up(self.best * self.percent, WHOLE)
            distance = by_percent if distance is None else min(distance, by_percent)
        if distance is None:
            return None
        return Price(self.best - distance if side is Side.SELL else self.best + distance)


_group = maker(Group)


@dataclass(frozen=True, slots=True)
class Reached:
    """Orders that a price may reach: those with numbers in a span and at most these distances."""

    after: int
    until: int
    amount: Units
    percent: Units


@dataclass(frozen=True, slots=True, kw_only=True)
class Watermarks:
    """The groups of the trailing orders of one symbol and side, the earliest orders first.

    Their best prices become strictly worse from one group to the next. `last` is the highest number
    that an order had. No number is given twice: what is stored may still hold its best price.
    """

    side: Side
    groups: tuple[Group, ...] = ()
    orders: int = 0
    last: int = 0

    def seeing(self, price: Price) -> "Watermarks":
        """Return the watermarks after a price of an open session."""
        groups = self.groups
        if not groups or not self._improves(price, groups[-1].best):
            return self
        newest, kept = groups[-1], len(groups) - 1
        while kept and not self._improves(groups[kept - 1].best, price):
            kept -= 1
            newest = newest.holding(groups[kept].amount, groups[kept].percent)
        # Most quotes that move a trail come here.
        newest = _group(newest.number, price, newest.amount, newest.percent, None)
        return self._with(groups[:kept], newest)

    def joined(self, order: Order) -> tuple["Watermarks", int]:
        """Return the watermarks with one more order, and the number of that order."""
        marks = self if order.watermark is None else self.seeing(order.watermark)
        groups = marks.groups
        if not groups or groups[-1].best != order.watermark:
            groups = (*groups, Group(number=self.last + 1, best=order.watermark))
        number = groups[-1].number
        last = max(self.last, number)
        marks = changed(marks, groups=groups, orders=self.orders + 1, last=last)
        return marks.holding(number, order.trail_amount, order.trail_percent), number

    def holding(self, number: int, amount: Price | None, percent: Units | None) -> "Watermarks":
        """Return the watermarks with an order of this number that trails by this distance."""
        index = self._index(number)
        before, group, after = self.groups[:index], self.groups[index], self.groups[index + 1 :]
        return self._with(before, group.holding(amount, percent), *after)

    def left(self) -> "Watermarks":
        """Return the watermarks with one order less; distances stay as they are until a look."""
        orders = self.orders - 1
        return changed(self, orders=orders, groups=self.groups if orders else ())

    def looked_at(self, number: int, amount: Price | None, percent: Units | None) -> "Watermarks":
        """Return the watermarks with the true distances of a group; an empty group goes."""
        index = self._index(number)
        before, group, after = self.groups[:index], self.groups[index], self.groups[index + 1 :]
        is_last = not after
        if amount is None and percent is None and not is_last:
            return self._with(before, *after)
        return self._with(before, changed(group, amount=amount, percent=percent), *after)

    def restored(self, group: Group, orders: int) -> "Watermarks":
        """Return the watermarks with a later group of stored orders, and their count.

        What its orders have seen, all earlier ones have seen. So groups join if the later one is
        not worse, as it is when a kill lost the newest best prices.
        """
        groups = list(self.groups)
        while groups and not self._improves(groups[-1].best, group.best):
            group = group.holding(groups[-1].amount, groups[-1].percent)
            groups.pop()
        marks = self._with(tuple(groups), group)
        return changed(marks, orders=self.orders + orders, last=max(self.last, group.number))

    def best(self, number: int) -> Price | None:
        """Return the best price that the order with a number has seen."""
        index = self._index(number)
        return self.groups[index].best if index < len(self.groups) else None

    def reached(self, price: Price) -> Sequence[Reached]:
        """Return the orders of each group that a price may reach."""
        if not self.groups or not self._reaches(price, self.groups[-1].first):
            return ()
        spans, after = list[Reached](), 0
        for group in self.groups:
            if group.best is not None and self._reaches(price, group.stop(self.side)):
                distance = abs(group.best - price)
                percent = WHOLE * distance // group.best
                spans.append(Reached(after, group.number, distance, percent))
            after = group.number
        return spans

    def widen(self, prices: RestingPrices) -> RestingPrices:
        """Return resting prices that also say which quotes move or trigger these orders."""
        if not self.groups:
            return prices
        sells = self.side is Side.SELL
        newest = self.groups[-1].best
        if newest is None:
            return prices.including(
                *((Watch.BID_RISES, ANY_BID) if sells else (Watch.ASK_FALLS, ANY_ASK))
            )
        moves = Price(newest + 1 if sells else newest - 1)
        prices = prices.including(Watch.BID_RISES if sells else Watch.ASK_FALLS, moves)
        first = self.groups[-1].first
        if first is None:
            return prices
        return prices.including(Watch.BID_FALLS if sells else Watch.ASK_RISES, first)

    def misses(self, price: Price) -> bool:
        """Tell whether a price moves and triggers none of these orders."""
        if not self.groups:
            return True
        newest = self.groups[-1]
        return not self._improves(price, newest.best) and not self._reaches(price, newest.first)

    def _index(self, number: int) -> int:
        return bisect_left(self.groups, number, key=_BY_NUMBER)

    def _with(self, kept: tuple[Group, ...], *later: Group) -> "Watermarks":
        """Return the watermarks with other groups after those that are kept."""
        first, groups = kept[-1].first if kept else None, list(kept)
        for group in later:
            # The stop that is reached first is the one nearest to the market.
            first = better(self.side, first, group.stop(self.side))
            groups.append(_group(group.number, group.best, group.amount, group.percent, first))
        return _watermarks(self.side, tuple(groups), self.orders, self.last)

    def _improves(self, price: Price | None, known: Price | None) -> bool:
        if price is None or known is None:
            return price is not None
        return price > known if self.side is Side.SELL else price < known

    def _reaches(self, price: Price, stop: Price | None) -> bool:
        if stop is None:
            return False
        return price <= stop if self.side is Side.SELL else price >= stop


_watermarks = maker(Watermarks)


def _least(one: Distance | None, other: Distance | None) -> Distance | None:
    return min((it for it in (one, other) if it is not None), default=None)
