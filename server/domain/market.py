"""The market of an instrument at the moment of a decision."""

from dataclasses import dataclass

from server.domain.costs import Costs
from server.domain.instrument import Instrument
from server.domain.quote import Quote
from server.domain.values import Micros


@dataclass(frozen=True, slots=True, kw_only=True)
class Market:
    """What an instrument's market is at the moment of a decision.

    Orders execute while `is_open`. `quote` is None unless it is fresh; while the market is
    closed it is the newest there is, to reckon with. `day_end` is when a DAY order of now
    expires.
    """

    instrument: Instrument
    quote: Quote | None
    costs: Costs
    now: Micros
    day_end: Micros
    is_open: bool
