"""Valuation: the market value of positions, and the equity of an account."""

from collections.abc import Iterable
from dataclasses import dataclass

from server.domain.account import Position
from server.domain.instrument import Instrument
from server.domain.quote import Quote
from server.domain.values import (
    AMOUNT_LIMIT,
    CENT,
    SCALE,
    Money,
    Price,
    Units,
    cents_half_even,
    divide_half_even,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ValuedPosition:
    """A position and its market value. `current_price` is None without a fresh quote.

    `margin` is the initial margin of the position and its live orders; None in a CASH account.
    """

    position: Position
    instrument: Instrument
    current_price: Price | None
    market_value: Units
    margin: Units | None = None

    @property
    def unrealized_pnl(self) -> Units:
        """Return market value less cost, to the nearest cent."""
        return cents_half_even(self.market_value - self.position.cost_basis)

    @property
    def unrealized_pnl_percent(self) -> Units:
        """Return market value less cost in percent of the cost, with 2 decimals.

        Zero for a position without cost: rounding can make the cost of a tiny position zero.
        """
        cost = abs(self.position.cost_basis)
        if not cost:
            return 0
        gain = self.market_value - self.position.cost_basis
        return divide_half_even(gain * 100 * SCALE, cost * CENT) * CENT


def value(
    position: Position, instrument: Instrument, quote: Quote | None, *, fresh: bool
) -> ValuedPosition:
    """Value a position at the mark price of a quote, or at its cost without a quote.

    The market value is quantity × multiplier × price, to 8 decimals, half to even.
    """
    if quote is None:
        market_value = position.cost_basis
    else:
        market_value = divide_half_even(
            position.quantity * instrument.multiplier * quote.mark, SCALE
        )
    return ValuedPosition(
        position=position,
        instrument=instrument,
        current_price=quote.mark if quote is not None and fresh else None,
        market_value=market_value,
    )


def total_equity(balance: Units, positions: Iterable[ValuedPosition]) -> Money:
    """Return balance plus all market values, rounded once to the nearest cent.

    The result is at most AMOUNT_LIMIT, and at least its negative, whatever a quote says, so that it
    can be stored.
    """
    equity = balance + sum(position.market_value for position in positions)
    return Money(max(min(cents_half_even(equity), AMOUNT_LIMIT), -AMOUNT_LIMIT))


def total_unrealized_pnl(positions: Iterable[ValuedPosition]) -> Units:
    """Return market values less cost of all positions, rounded once to the nearest cent."""
    return cents_half_even(
        sum(position.market_value - position.position.cost_basis for position in positions)
    )
