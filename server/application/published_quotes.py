"""Published quotes in a venue of several engines: one accepts them, the others follow its log."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from server.application.commands import Notification, QuotesChanged, QuotesConfirmed
from server.application.market_feed import MarketFeed, QuoteBoard
from server.application.market_record import applied
from server.application.ownership import Ownership
from server.application.ports import UnitOfWork
from server.application.published_ports import AcceptedQuotes
from server.application.staging import Staged
from server.domain.bar import MINUTE
from server.domain.quote import Quote
from server.domain.sharding import MARKET
from server.domain.values import SECOND, Micros

log = logging.getLogger(__name__)

KEPT_MIN: Micros = MINUTE
KEPT_MAX: Micros = 10 * MINUTE
"""The log is kept for as long as its quotes are fresh, within these bounds."""

DROPPED_EVERY: Micros = 10 * SECOND

TRIES_MAX = 3
"""Quotes that cannot be applied so often fill no order, so that later ones are applied."""


@dataclass(frozen=True, slots=True)
class FollowMarket:
    """The command to apply the published quotes that another engine has accepted."""


def live(board: QuoteBoard, now: Micros) -> list[Notification]:
    """Return what a front must be notified of, so that it knows which quotes are fresh."""
    fresh = board.all_fresh(now)
    if not fresh:
        return []
    shown = applied(fresh)
    confirmed = [(quote.symbol, board.confirmed_at(quote)) for quote in fresh]
    return [
        QuotesChanged(shown.newest, shown.minutes),
        *(QuotesConfirmed((symbol,), since) for symbol, since in confirmed if since is not None),
    ]


class PublishedQuotes:
    """The owner's log of accepted quotes, and how far this engine has applied it.

    Only the owner of the market adds to the log: each call's accepted quotes in the transaction in
    which it begins to apply them. Every other engine applies the log in its order and refuses
    nothing. So does an owner that has just become one, or that failed in the middle of a call.
    """

    def __init__(self, feed: MarketFeed, ownership: Ownership, staleness_limit: Micros) -> None:
        self._feed = feed
        self._ownership = ownership
        self._kept = min(max(staleness_limit, KEPT_MIN), KEPT_MAX)
        self._applied = Staged(0)
        """The number of the last call whose quotes this engine has applied."""

        self._logged = Staged[int | None](None)
        """The last number in the log; None unless this engine knows that no other adds to it."""

        self._dropped_at = Staged[Micros](0)
        self._failures = 0
        """How often in a row the next quotes of the log could not be applied."""

    def load(self, unit: UnitOfWork, now: Micros) -> None:
        """Load the newest quotes, as live as they are for all engines.

        It replaces what is in memory, and fills no order.
        """
        stored, entries = unit.stored_quotes(), unit.accepted_after(0)
        known = {quote.symbol: (quote.time, quote.sequence) for quote, _ in stored}
        newest = {quote.symbol: quote for quote, _ in stored}
        confirmed: dict[str, Micros] = {}
        unstored: list[Quote] = []
        for entry in entries:
            for quote in entry.quotes:
                newest[quote.symbol] = quote
                confirmed.pop(quote.symbol, None)
                if (quote.time, quote.sequence) > known.get(quote.symbol, (-1, -1)):
                    unstored.append(quote)
            confirmed |= dict.fromkeys(entry.confirmed, entry.time)
        board, record, stage = self._feed.board, self._feed.record, unit.stage
        for quote in newest.values():
            board.put(quote, stage)
        for symbol, when in confirmed.items():
            board.confirm([symbol], when, stage)
        board.load([it for it in newest.values() if not board.is_fresh(it, now)], stage)
        record.load(stored, stage)
        record.add(applied(unstored), stage)
        self._applied.set(entries[-1].number if entries else 0, unit.stage)

    @property
    def is_owned(self) -> bool:
        """Tell whether this engine accepts quotes."""
        return self._ownership.owns(MARKET)

    def lead(self, unit: UnitOfWork, now: Micros) -> None:
        """Apply what the log has and this engine has not, before it accepts more quotes."""
        if self._logged.value != self._applied.value:
            self._catch_up(unit, now)
            self._logged.set(self._applied.value, unit.stage)

    def accept(
        self, quotes: Sequence[Quote], confirmed: Sequence[Quote], unit: UnitOfWork, now: Micros
    ) -> None:
        """Add quotes that are valid to the log, then apply them."""
        if not quotes and not confirmed:
            return
        number = self._applied.value + 1
        symbols = tuple(quote.symbol for quote in confirmed)
        entry = AcceptedQuotes(number=number, time=now, quotes=tuple(quotes), confirmed=symbols)
        unit.log_accepted(entry)
        self._logged.set(number, unit.stage)
        if now >= self._dropped_at.value + DROPPED_EVERY:
            self._dropped_at.set(now, unit.stage)
            unit.drop_accepted(now - self._kept)
        self._apply(entry, unit, now)

    def follow(self, unit: UnitOfWork, now: Micros) -> None:
        """Apply what the owner of the market has accepted by now."""
        if self.is_owned:
            self.lead(unit, now)
        else:
            self._logged.set(None, unit.stage)
            self._catch_up(unit, now)

    def _catch_up(self, unit: UnitOfWork, now: Micros) -> None:
        entries = unit.accepted_after(self._applied.value)
        if entries and entries[0].number != self._applied.value + 1:
            # It was away for so long that what it lacks is no longer kept.
            self.load(unit, now)
            for notification in live(self._feed.board, now):
                self._feed.notifications.put(notification, unit.stage)
            self._feed.look_anew(unit, now)
            return
        for entry in entries:
            self._failures += 1
            if self._failures > TRIES_MAX:
                log.error("The published quotes %d fill no order of this engine.", entry.number)
                self._feed.make_newest(entry.quotes, unit.stage)
                self._applied.set(entry.number, unit.stage)
            else:
                self._apply(entry, unit, now)
            unit.checkpoint()
            self._failures = 0

    def _apply(self, entry: AcceptedQuotes, unit: UnitOfWork, now: Micros) -> None:
        """Apply quotes that the owner accepted, and fill the orders that they reach."""
        self._feed.show(entry.quotes, unit, now)
        newest = [self._feed.board.get(symbol) for symbol in entry.confirmed]
        confirmed = [quote for quote in newest if quote is not None]
        self._feed.confirm(confirmed, unit, now, since=entry.time)
        # After a failure in between it is applied again, which fills no order twice.
        self._applied.set(entry.number, unit.stage)
