"""Positions of a replayed log, long and short, and what fills made of them.

It shares no arithmetic with the code that booked the fills.
"""

from dataclasses import dataclass
from fractions import Fraction

from server.domain.values import Units


@dataclass(slots=True, kw_only=True)
class Execution:
    """A fill: its worth at its price to 8 decimals, and what it cost besides."""

    buys: bool
    quantity: Units
    price: Units
    worth: Units
    fee: Units
    rounding: Units


@dataclass(slots=True)
class Holding:
    """The position in a symbol, and its cost; a short one has a negative quantity and cost."""

    quantity: Units = 0
    average_cost: Units = 0
    cost_basis: Units = 0
    buy_fees: Units = 0

    def closable_by(self, *, buys: bool) -> Units:
        """Return how much a fill of a side can close."""
        return max(-self.quantity if buys else self.quantity, 0)

    def fill(self, it: Execution) -> tuple[Units, Units]:
        """Change the position by a fill; return the quantity that it closed, and the profit.

        A fill through zero is divided by quantity into a part that closes and one that opens.
        """
        closed = min(it.quantity, self.closable_by(buys=it.buys))
        worth, fee, rounding = (
            nearest(each * closed, it.quantity) for each in (it.worth, it.fee, it.rounding)
        )
        profit = self._close(closed, -worth if it.buys else worth) - fee - rounding if closed else 0
        if closed < it.quantity:
            costs = it.fee + it.rounding - fee - rounding
            self._open(it, it.quantity - closed, it.worth - worth, costs)
        return closed, profit

    def _close(self, quantity: Units, received: Units) -> Units:
        held = abs(self.quantity)
        basis = nearest(self.cost_basis * quantity, held)
        fees = nearest(self.buy_fees * quantity, held)
        self.quantity += -quantity if self.quantity > 0 else quantity
        self.cost_basis -= basis
        self.buy_fees -= fees
        self.average_cost = self.average_cost if self.quantity else 0
        return received - basis - fees

    def _open(self, it: Execution, quantity: Units, worth: Units, costs: Units) -> None:
        sign, held = 1 if it.buys else -1, abs(self.quantity)
        whole = self.average_cost * held + it.price * quantity
        self.average_cost = nearest(whole, held + quantity)
        self.quantity += sign * quantity
        self.cost_basis += sign * worth
        self.buy_fees += costs


def units(text: str) -> Units:
    """Return a decimal of the contract as a whole number of 10⁻⁸."""
    whole, _, fraction = text.partition(".")
    return int(whole + fraction.ljust(8, "0"))


def nearest(numerator: int, denominator: int) -> int:
    """Return the nearest whole number to a fraction, ties to the even one."""
    return round(Fraction(numerator, denominator))
