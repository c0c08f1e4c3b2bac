"""Trailing stops as an auditor follows them: best prices, and the stops behind them."""

from collections.abc import Iterable
from dataclasses import replace
from fractions import Fraction
from math import ceil, floor

from server.domain.order import Order
from server.domain.quote import Quote
from server.domain.values import Price
from tests.domain.group_auditor import ENDED


class NaiveTrails:
    """The best price of an account's side of the market since each trailing order was accepted."""

    def __init__(self) -> None:
        self.best: dict[str, int] = {}

    def hear_quote(self, quote: Quote, orders: Iterable[Order]) -> None:
        """Follow a fresh quote of an open session."""
        for order in orders:
            if order.symbol == quote.symbol and is_trailing(order):
                self._see(order, quote)

    def begin(self, order: Order, quote: Quote | None) -> None:
        """Follow a new or released order, from a fresh quote of an open session if there is one."""
        is_held = order.role is not None and order.role.is_held
        if order.order_type.value == "TRAILING_STOP" and not is_held and quote is not None:
            self._see(order, quote)

    def check(self, before: Order | None, order: Order) -> None:
        """Check the stop that an event shows, as it was before a trigger fixed it."""
        if before is not None and before.triggered_at is not None:
            return
        best = self.best.get(order.id)
        if order.role is not None and order.role.is_held:
            assert best is None, "a held exit trails"
        assert order.watermark == best, "a trail has seen another price"
        assert order.stop_price == naive_stop(order, best), "a stop is not where its trail puts it"

    def shown(self, order: Order) -> Order:
        """Return an order of the log as it is now: a stop moves without an event."""
        best = self.best.get(order.id)
        if not is_trailing(order) or best is None:
            return order
        stop = naive_stop(order, best)
        stop_price = None if stop is None else Price(stop)
        return replace(order, watermark=Price(best), stop_price=stop_price)

    def rewind(self, name: str, stored: Order) -> None:
        """Go on from what was stored: it lacks at most the newest best prices."""
        best, known = stored.watermark, self.best.get(name)
        if best is None:
            self.best.pop(name, None)
            return
        assert known is not None, "a trail knows a price that it has not seen"
        assert best <= known if stored.side.value == "SELL" else best >= known
        self.best[name] = best

    def _see(self, order: Order, quote: Quote) -> None:
        sells = order.side.value == "SELL"
        price = quote.bid if sells else quote.ask
        known = self.best.get(order.id, price)
        self.best[order.id] = max(known, price) if sells else min(known, price)


def is_trailing(order: Order) -> bool:
    """Tell whether a stop follows the market: not before its entry fills, not after its trigger."""
    waits = order.triggered_at is None and order.status.value not in ENDED
    if order.role is not None and order.role.is_held:
        return False
    return order.order_type.value == "TRAILING_STOP" and waits


def naive_stop(order: Order, best: int | None) -> int | None:
    """Return the stop behind a best price, rounded away from it."""
    if best is None:
        return None
    sign = -1 if order.side.value == "SELL" else 1
    if order.trail_amount is not None:
        exact = Fraction(best + sign * order.trail_amount)
    else:
        assert order.trail_percent is not None
        exact = best * (1 + sign * Fraction(order.trail_percent, 100 * 10**8))
    stop = floor(exact) if sign < 0 else ceil(exact)
    return stop if stop > 0 else None
