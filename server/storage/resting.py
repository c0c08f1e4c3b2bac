"""Resting orders: what the only writer knows of all live orders without a query."""

from server.domain.order import Order
from server.domain.order_types import Watch, watched
from server.domain.resting import NOTHING_RESTS, RestingPrices
from server.domain.values import Micros, Price
from server.storage import statements
from server.storage.session import Session

NEVER: Micros = 2**63
_WATCHES = tuple(Watch)


class Resting:
    """Which prices reach live orders, and when the first of them expires.

    Each live order that is decided widens what is known, before it is stored. An order that ends
    changes nothing: what is known can claim too much, never too little. Whoever asked the database
    in vain calls `look_again`. After a failure `forget` makes the next question read everything.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._prices: dict[str, RestingPrices] | None = None
        self._expiry: Micros = NEVER

    def forget(self) -> None:
        """Drop what is known; it is read again when it is needed."""
        self._prices = None

    def add(self, order: Order) -> None:
        """Take note of an order as it was decided."""
        if not order.status.is_live:
            return
        known, watch = self._known(), watched(order)
        if watch is not None:
            known[order.symbol] = known.get(order.symbol, NOTHING_RESTS).including(*watch)
        # A held exit is reached by no quote, and expires all the same.
        if order.expires_at is not None:
            self._expiry = min(self._expiry, order.expires_at)

    def prices(self, symbol: str) -> RestingPrices:
        """Return the prices that orders of a symbol wait for; between them nothing is reached."""
        return self._known().get(symbol, NOTHING_RESTS)

    def expiry(self) -> Micros:
        """Return a moment before which no live order expires."""
        self._known()
        return self._expiry

    def look_again(self, symbol: str) -> None:
        """Read the prices of a symbol; all that was decided must be written."""
        (found,) = self._session.all(statements.SELECT_NEAREST, {"symbol": symbol})
        prices = NOTHING_RESTS
        for movement, price in zip(_WATCHES, found, strict=True):
            if price is not None:
                prices = prices.including(movement, Price(price))
        self._known()[symbol] = prices

    def look_for_expiry(self) -> None:
        """Read when the first order expires; all that was decided must be written."""
        ((first,),) = self._session.all(statements.SELECT_NEXT_EXPIRY)
        self._expiry = NEVER if first is None else first

    def _known(self) -> dict[str, RestingPrices]:
        if self._prices is None:
            read: dict[str, RestingPrices] = {}
            for symbol, watch, *ends in self._session.all(statements.SELECT_RESTING):
                known = read.get(symbol, NOTHING_RESTS)
                for price in ends:
                    known = known.including(Watch(watch), Price(price))
                read[symbol] = known
            self.look_for_expiry()
            self._prices = read
        return self._prices
