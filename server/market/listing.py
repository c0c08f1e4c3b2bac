"""A listing: an instrument together with how its market behaves."""

from dataclasses import dataclass

from server.domain.instrument import Instrument
from server.domain.values import SCALE, Units


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """An instrument and the parameters of its simulated market.

    `level` is the price at the market's origin. `annual_volatility` is the standard deviation of a
    year's logarithmic return (0.25 is 25 %). For an option both are those of its underlying.
    `spread_bps` is the usual distance from bid to ask in basis points, at least one price tick.
    Displayed sizes are multiples of `lot`. The first three are 0 where a universe file does not say
    them, which only the simulated market refuses.
    """

    instrument: Instrument
    level: Units = 0
    annual_volatility: float = 0.0
    spread_bps: float = 0.0
    lot: Units = SCALE
