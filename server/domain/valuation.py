"""Valuation: what positions are worth, and the equity they make with the money."""

from collections.abc import Iterable
from dataclasses import dataclass

from server.domain.account import Position
from server.domain.instrument import Instrument
from server.domain.quote import Quote
from server.domain.values import (
    CENT,
    SCALE,
    Units,
    cents_half_even,
    divide_half_even,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ValuedPosition:
    """A position and its worth. `current_price` is None without a fresh quote."""

    position: Position
    instrument: Instrument
    current_price: Units | None
    market_value: Units

    @property
    def unrealized_pnl(self) -> Units:
        """Return market value less cost, to the nearest cent."""
        return cents_half_even(self.market_value - self.position.cost_basis)

    @property
    def unrealized_pnl_percent(self) -> Units:
        """Return market value less cost in percent of the cost, with 2 decimals."""
        gain = self.market_value - self.position.cost_basis
        return divide_half_even(gain * 100 * SCALE, self.position.cost_basis * CENT) * CENT


def value(
    position: Position, instrument: Instrument, quote: Quote | None, *, fresh: bool
) -> ValuedPosition:
    """Value a position at the mark of a quote, or at cost when there never was one.

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


def total_equity(balance: Units, positions: Iterable[ValuedPosition]) -> Units:
    """Return balance plus all market values, rounded once to the nearest cent."""
    return cents_half_even(balance + sum(position.market_value for position in positions))


def total_unrealized_pnl(positions: Iterable[ValuedPosition]) -> Units:
    """Return market values less cost of all positions, rounded once to the nearest cent."""
    return cents_half_even(
        sum(position.market_value - position.position.cost_basis for position in positions)
    )
