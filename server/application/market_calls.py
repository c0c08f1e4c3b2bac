"""Calls about the market: the quotes that operators publish, and the hours of the markets."""

from dataclasses import replace

from server.application.commands import (
    Done,
    HoursTold,
    PublishQuotes,
    QuotesPublished,
    TellMarketHours,
)
from server.application.lock_step import LockStepping
from server.application.market_feed import MarketFeed
from server.application.ownership import ForeignShard
from server.application.ports import UnitOfWork
from server.application.published_quotes import FollowMarket, PublishedQuotes
from server.application.timekeeping import Timekeeping
from server.domain.errors import Reason, Refusal
from server.domain.quote import Quote, QuoteRefusal
from server.domain.sharding import MARKET
from server.domain.user import Permissions
from server.domain.values import Micros


class MarketCalls:
    """The commands about the market itself; each method decides one."""

    def __init__(
        self,
        feed: MarketFeed,
        timekeeping: Timekeeping,
        lock_step: LockStepping | None,
        published: PublishedQuotes | None,
    ) -> None:
        self._feed = feed
        self._timekeeping = timekeeping
        self._lock_step = lock_step
        self._published = published

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
        if self._published is not None:
            if not self._published.is_owned:
                raise ForeignShard(MARKET)
            self._published.lead(unit, now)
        self._timekeeping.look_at_clock(unit, now)
        sent = [item.quote for item in command.quotes if isinstance(item.quote, Quote)]
        outcomes = self._feed.judged(sent, now)
        valid = [quote for quote, why in zip(sent, outcomes, strict=True) if why is None]
        newest = {quote.symbol: quote for quote in valid}
        judged = iter(outcomes)
        refused: list[tuple[str, QuoteRefusal]] = []
        confirmed: list[Quote] = []
        for item in command.quotes:
            if not isinstance(item.quote, Quote):
                refused.append((item.symbol, item.quote))
                continue
            why, symbol = next(judged), item.quote.symbol
            if item.is_confirmed and item.quote == newest.get(symbol, self._feed.board.get(symbol)):
                confirmed.append(item.quote)
            elif why is not None:
                refused.append((item.symbol, why))
        if self._published is not None:
            self._published.accept(valid, confirmed, unit, now)
        else:
            self._feed.show(valid, unit, now)
            self._feed.confirm(confirmed, unit, now)
        return QuotesPublished(len(command.quotes) - len(refused), tuple(refused))

    def follow(self, _: FollowMarket, __: Permissions, unit: UnitOfWork, now: Micros) -> Done:
        """Apply the quotes that another engine has accepted."""
        if self._published is not None:
            self._published.follow(unit, now)
        return Done()

    def hours(self, _: TellMarketHours, __: Permissions, ___: UnitOfWork, now: Micros) -> HoursTold:
        told = self._feed.hours(now)
        if self._lock_step is None or told.replay is None:
            return told
        return replace(told, replay=replace(told.replay, lock_step=self._lock_step.told(now)))
