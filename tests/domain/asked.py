"""Wishes: orders as a test asks for them."""

from dataclasses import dataclass

from server.domain.order import ExitTicket, Leg, OrderClass, OrderType, Side, TimeInForce
from server.domain.values import Units

LEGS = {Leg.TAKE_PROFIT: "take", Leg.STOP_LOSS: "loss"}
"""What the names of exits end with, after the name of their group."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What an order asks for, without what is the same for all orders of a book."""

    symbol: str
    side: Side
    quantity: Units
    limit_price: Units | None = None
    stop_price: Units | None = None
    time_in_force: TimeInForce = TimeInForce.GTC
    exits: tuple[ExitTicket, ...] = ()
    notional: Units | None = None
    trail_amount: Units | None = None
    trail_percent: Units | None = None
    is_oco: bool = False

    @property
    def order_class(self) -> OrderClass:
        """Return the class that has these exits; an OCO is given as its take-profit."""
        if not self.exits:
            return OrderClass.SIMPLE
        if self.is_oco:
            return OrderClass.OCO
        return OrderClass.OTO if len(self.exits) == 1 else OrderClass.BRACKET

    @property
    def order_type(self) -> OrderType:
        """Return the type that takes the prices that are given."""
        if self.trail_amount is not None or self.trail_percent is not None:
            return OrderType.TRAILING_STOP
        if self.stop_price is None:
            return OrderType.MARKET if self.limit_price is None else OrderType.LIMIT
        return OrderType.STOP if self.limit_price is None else OrderType.STOP_LIMIT
