"""Calls about the market: the quotes that operators publish, and the hours of the markets."""

from server.application.commands import (
    AdvanceClock,
    ClockAdvanced,
    HoursTold,
    PublishQuotes,
    QuotesPublished,
    TellMarketHours,
)
from server.application.market_feed import MarketFeed
from server.application.ports import UnitOfWork
from server.application.timekeeping import Timekeeping
from server.domain.errors import Reason, Refusal
from server.domain.quote import Quote, QuoteRefusal
from server.domain.user import Permissions
from server.domain.values import Micros

NOT_STEPPED = Refusal(
    reason=Reason.MARKET_NOT_STEPPED,
    message="The clock of this market cannot be advanced: start the server with --market replay and"
    " --replay-clock step.",
)


class MarketCalls:
    """The commands about the market itself; each method decides one."""

    def __init__(self, feed: MarketFeed, timekeeping: Timekeeping) -> None:
        self._feed = feed
        self._timekeeping = timekeeping

    def publish(
        self, command: PublishQuotes, _: Permissions, unit: UnitOfWork, now: Micros
    ) -> QuotesPublished | Refusal:
        """Apply quotes in order, and fill the orders that each quote reaches.

        Confirmed quotes that are still the newest are fresh from now on.
        """
        if self._feed.source.environment != "PUBLISHED":
            return Refusal(
                reason=Reason.MARKET_NOT_PUBLISHED,
                message="This server makes its own quotes; start it with --market published.",
            )
        self._timekeeping.look_at_clock(unit, now)
        sent = [item.quote for item in command.quotes if isinstance(item.quote, Quote)]
        outcomes = iter(self._feed.apply(sent, unit, now))
        refused: list[tuple[str, QuoteRefusal]] = []
        confirmed: list[Quote] = []
        for item in command.quotes:
            if not isinstance(item.quote, Quote):
                refused.append((item.symbol, item.quote))
                continue
            why = next(outcomes)
            if item.is_confirmed and self._feed.board.get(item.quote.symbol) == item.quote:
                confirmed.append(item.quote)
            elif why is not None:
                refused.append((item.symbol, why))
        self._feed.confirm(confirmed, unit, now)
        return QuotesPublished(len(command.quotes) - len(refused), tuple(refused))

    def advance(
        self, _: AdvanceClock, __: Permissions, ___: UnitOfWork, ____: Micros
    ) -> ClockAdvanced | Refusal:
        """Note until when a participant of a lock-step replay is done."""
        return NOT_STEPPED

    def hours(self, _: TellMarketHours, __: Permissions, ___: UnitOfWork, now: Micros) -> HoursTold:
        return self._feed.hours(now)
