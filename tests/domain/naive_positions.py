"""Positions in fractions, as an auditor posts fills to them; short ones are negative."""

from collections import defaultdict
from fractions import Fraction

from server.domain.events import Fill
from tests.domain.naive_money import NOTHING, real, to_eight_decimals


class NaivePositions:
    """The positions of one account by symbol: quantity, basis, mean price and opening fees."""

    def __init__(self) -> None:
        self.quantities: dict[str, Fraction] = defaultdict(Fraction)
        self.bases: dict[str, Fraction] = defaultdict(Fraction)
        self.averages: dict[str, Fraction] = defaultdict(Fraction)
        self.fees: dict[str, Fraction] = defaultdict(Fraction)
        self.closed: dict[str, Fraction] = defaultdict(Fraction)
        """By order, how much of what it filled reduced a position."""

    def clear(self) -> None:
        """Hold nothing; what orders closed stays."""
        for figures in (self.quantities, self.bases, self.averages, self.fees):
            figures.clear()

    def settle(self, symbol: str) -> tuple[Fraction, Fraction]:
        """Drop a position; return its quantity and all money that was paid for it."""
        quantity = self.quantities.pop(symbol)
        del self.averages[symbol]
        return quantity, self.bases.pop(symbol) + self.fees.pop(symbol)

    @property
    def cost(self) -> Fraction:
        """Return the money paid for all positions, less what short sales brought."""
        return sum([*self.bases.values(), *self.fees.values()], NOTHING)

    def post(self, fill: Fill, worth: Fraction, rounding: Fraction) -> Fraction | None:
        """Add a fill; return the profit of the part that reduced a position, if there is one."""
        symbol, quantity = fill.symbol, real(fill.quantity)
        sign = 1 if fill.side.value == "BUY" else -1
        held, fee = self.quantities[symbol], real(fill.fee)
        closes = min(quantity, abs(held)) if held * sign < 0 else NOTHING
        of_worth, of_fee, of_rounding = (
            to_eight_decimals(whole * closes / quantity) for whole in (worth, fee, rounding)
        )
        profit = None
        if closes:
            share = closes / abs(held)
            basis = to_eight_decimals(self.bases[symbol] * share)
            fees = to_eight_decimals(self.fees[symbol] * share)
            self.bases[symbol] -= basis
            self.fees[symbol] -= fees
            profit = -sign * of_worth - of_fee - of_rounding - basis - fees
            self.closed[fill.order_id] += closes
        opens, kept = quantity - closes, held + sign * closes
        if not kept:
            assert self.bases[symbol] == self.fees[symbol] == 0, "nothing held has a cost"
        if opens:
            mean = (self.averages[symbol] * abs(kept) + real(fill.price) * opens) / (
                abs(kept) + opens
            )
            self.averages[symbol] = to_eight_decimals(mean)
            self.bases[symbol] += sign * (worth - of_worth)
            self.fees[symbol] += fee - of_fee + rounding - of_rounding
        self.quantities[symbol] = kept + sign * opens
        if not self.quantities[symbol]:
            self.averages[symbol] = NOTHING
        return profit
