"""Passing by: which steps of a market only change quotes, and can be applied together."""

from collections.abc import Callable, Container, Sequence

from server.application.market_ports import MarketStep
from server.application.ports import UnitOfWork
from server.domain.quote import Quote, QuoteRefusal
from server.domain.resting import RestingPrices
from server.domain.values import Micros


def count_passing(
    steps: Sequence[MarketStep],
    awaited: Container[str],
    unit: UnitOfWork,
    refusal: Callable[[Quote, Micros], QuoteRefusal | None],
) -> int:
    """Return how many of the first steps have only valid quotes that reach no order.

    None of them has a quote of a symbol in `awaited`.
    """
    resting: dict[str, RestingPrices] = {}
    for count, step in enumerate(steps):
        for quote in step.quotes:
            prices = resting.get(quote.symbol)
            if prices is None:
                # The later quotes of a symbol are newer, which is what a source promises.
                if quote.symbol in awaited or refusal(quote, step.time) is not None:
                    return count
                prices = resting[quote.symbol] = unit.resting_prices(quote.symbol)
            if not prices.misses(quote.bid, quote.ask):
                return count
    return len(steps)
