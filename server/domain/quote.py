"""Quotes: the best bid and ask with the last price, and when a quote may be applied."""

from dataclasses import dataclass, field
from enum import Enum

from server.domain.values import SECOND, Micros, Price, Quantity

FUTURE_TOLERANCE: Micros = 5 * SECOND


class QuoteRefusal(Enum):
    """Why a quote is not applied, in order of precedence."""

    SYMBOL_UNKNOWN = "SYMBOL_UNKNOWN"
    DECIMAL_INVALID = "DECIMAL_INVALID"
    PRICE_NOT_POSITIVE = "PRICE_NOT_POSITIVE"
    SIZE_NEGATIVE = "SIZE_NEGATIVE"
    CROSSED = "CROSSED"
    SEQUENCE_NEGATIVE = "SEQUENCE_NEGATIVE"
    TIME_INVALID = "TIME_INVALID"
    OUT_OF_DATE = "OUT_OF_DATE"
    DUPLICATE = "DUPLICATE"


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """The best bid and ask of a symbol with their sizes, and the last price.

    `falls_to` and `rises_to` are set for a quote of a replayed bar: the lowest bid and the highest
    ask of the bar's later quotes. `is_indicative` marks a bid and ask that a feed made of the last
    price. None of them is stored.
    """

    symbol: str
    bid: Price
    bid_size: Quantity
    ask: Price
    ask_size: Quantity
    last: Price
    time: Micros
    sequence: int
    falls_to: Price | None = field(default=None, compare=False)
    is_indicative: bool = field(default=False, compare=False)
    rises_to: Price | None = field(default=None, compare=False)

    @property
    def mark(self) -> Price:
        """Return the price that values a position: `last` clamped into [bid, ask]."""
        return min(max(self.last, self.bid), self.ask)

    def is_ahead(self, now: Micros) -> bool:
        """Tell whether the quote's time is in the future, which happens when a clock was ahead."""
        return self.time > now + FUTURE_TOLERANCE


BAR_AHEAD = ("falls_to", "rises_to")
"""The fields that tell what a replayed bar still does after a quote."""


def refusal(quote: Quote, applied: Quote | None, now: Micros) -> QuoteRefusal | None:
    """Return why a quote may not replace the applied quote of its symbol; None when it may.

    An applied quote whose time is in the future gives way to any valid quote.
    """
    if min(quote.bid, quote.ask, quote.last) <= 0:
        return QuoteRefusal.PRICE_NOT_POSITIVE
    if min(quote.bid_size, quote.ask_size) < 0:
        return QuoteRefusal.SIZE_NEGATIVE
    if quote.bid > quote.ask:
        return QuoteRefusal.CROSSED
    if quote.sequence < 0:
        return QuoteRefusal.SEQUENCE_NEGATIVE
    if quote.is_ahead(now):
        return QuoteRefusal.TIME_INVALID
    if applied is not None and not applied.is_ahead(now):
        if (quote.time, quote.sequence) < (applied.time, applied.sequence):
            return QuoteRefusal.OUT_OF_DATE
        if (quote.time, quote.sequence) == (applied.time, applied.sequence):
            return QuoteRefusal.DUPLICATE
    return None
