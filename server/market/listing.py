"""A listing: an instrument together with how its market behaves."""

from dataclasses import dataclass

from server.domain.instrument import Instrument
from server.domain.values import SCALE, Units


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """An instrument and the parameters of its simulated market.

    `level` is the price at the market's origin and `annual_volatility` the standard deviation of
    a year's logarithmic return (0.25 is 25 %); of an option both are its underlying's. `spread_bps`
    is the usual distance from bid to ask in basis points, never shown narrower than a price tick.
    `lot` is the quantity that displayed sizes are whole numbers of.
    """

    instrument: Instrument
    level: Units
    annual_volatility: float
    spread_bps: float
    lot: Units = SCALE
