"""Resting prices: which quotes of a symbol reach none of its live orders, known without a query."""

from dataclasses import dataclass

from server.domain.changes import changed
from server.domain.order_types import Watch
from server.domain.values import Price

_NOTHING_BELOW = Price(0)
_NOTHING_ABOVE = Price(2**63)

_FIELDS = {movement: movement.value.lower() for movement in Watch}
NEAREST_IS_HIGHEST = frozenset({Watch.ASK_FALLS, Watch.BID_FALLS})
"""The movements of which a market that comes from above reaches the highest price first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RestingPrices:
    """The price that each movement of a quote reaches first, among the orders of a symbol.

    The order nearest to the market says it: of orders that wait for a lower price the highest
    one, of orders that wait for a higher price the lowest one.
    """

    ask_falls: Price = _NOTHING_BELOW
    ask_rises: Price = _NOTHING_ABOVE
    bid_falls: Price = _NOTHING_BELOW
    bid_rises: Price = _NOTHING_ABOVE

    def misses(self, bid: Price, ask: Price) -> bool:
        """Tell whether a quote with these prices surely reaches no order, whatever its sizes."""
        return self.ask_falls < ask < self.ask_rises and self.bid_falls < bid < self.bid_rises

    def including(self, movement: Watch, price: Price) -> "RestingPrices":
        """Return the prices if one more order waits for a movement."""
        name = _FIELDS[movement]
        known: Price = getattr(self, name)
        nearest = max(known, price) if movement in NEAREST_IS_HIGHEST else min(known, price)
        return self if nearest == known else changed(self, **{name: nearest})


NOTHING_RESTS = RestingPrices()
