"""The market feed: the newest quote of each symbol, and the orders that new quotes fill."""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from server.application.ports import Calendar, Instruments, QuoteSource, UnitOfWork
from server.domain.account import Account, Position
from server.domain.costs import Costs
from server.domain.instrument import Instrument
from server.domain.order import Order
from server.domain.quote import Quote, QuoteRefusal, refusal
from server.domain.trading import Market, expire, fill_resting
from server.domain.values import Micros

log = logging.getLogger(__name__)


class QuoteBoard:
    """The newest quote of each symbol; one loaded from storage is stale whatever its age."""

    def __init__(self, staleness_limit: Micros) -> None:
        self._staleness_limit = staleness_limit
        self._quotes: dict[str, Quote] = {}
        self._stored: set[str] = set()

    def load(self, quotes: Sequence[Quote]) -> None:
        """Take over quotes of an earlier run: prices to value positions at, not to trade on."""
        for quote in quotes:
            self._quotes[quote.symbol] = quote
            self._stored.add(quote.symbol)

    def put(self, quote: Quote) -> Callable[[], None]:
        """Make a quote the newest of its symbol; the result undoes that."""
        before, was_stored = self._quotes.get(quote.symbol), quote.symbol in self._stored

        def undo() -> None:
            if before is None:
                del self._quotes[quote.symbol]
            else:
                self._quotes[quote.symbol] = before
            if was_stored:
                self._stored.add(quote.symbol)

        self._quotes[quote.symbol] = quote
        self._stored.discard(quote.symbol)
        return undo

    def all(self) -> list[Quote]:
        """Return the newest quote of every symbol that has one."""
        return list(self._quotes.values())

    def get(self, symbol: str) -> Quote | None:
        """Return the newest quote, fresh or not."""
        return self._quotes.get(symbol)

    def is_fresh(self, quote: Quote, now: Micros) -> bool:
        """Tell whether a quote of this board can be traded on."""
        return quote.symbol not in self._stored and quote.is_fresh(now, self._staleness_limit)

    def fresh(self, symbol: str, now: Micros) -> Quote | None:
        """Return the newest quote when it can be traded on."""
        quote = self._quotes.get(symbol)
        return quote if quote is not None and self.is_fresh(quote, now) else None


class MarketFeed:
    """Everything about the market that trading needs at a moment."""

    def __init__(
        self, *, source: QuoteSource, instruments: Instruments, calendar: Calendar, costs: Costs,
        staleness_limit: Micros, new_id: Callable[[], str],
    ) -> None:  # fmt: skip
        self.source = source
        self.instruments = instruments
        self.board = QuoteBoard(staleness_limit)
        self._calendar = calendar
        self._costs = costs
        self._new_id = new_id
        self._unstored: dict[str, Quote] = {}

    def market(self, instrument: Instrument, now: Micros) -> Market:
        """Return the market of an instrument at a moment."""
        return Market(
            instrument=instrument,
            quote=self.board.fresh(instrument.symbol, now),
            costs=self._costs,
            now=now,
            day_end=self._calendar.day_end(instrument, now),
        )

    def apply(self, quotes: Sequence[Quote], unit: UnitOfWork, now: Micros) -> list[
        QuoteRefusal | None
    ]:  # fmt: skip
        """Apply quotes one after another and fill the orders that each reaches.

        Returns for each quote why it was not applied. Quotes of different symbols are applied
        together; a second quote of a symbol comes after the orders of the first.
        """
        outcomes: list[QuoteRefusal | None] = []
        together: dict[str, Quote] = {}
        for quote in quotes:
            if quote.symbol in together:
                self._fill(list(together.values()), unit, now)
                together = {}
            why = (
                QuoteRefusal.SYMBOL_UNKNOWN
                if self.instruments.find(quote.symbol) is None
                else refusal(quote, self.board.get(quote.symbol), now)
            )
            outcomes.append(why)
            if why is None:
                together[quote.symbol] = quote
                unit.on_rollback(self.board.put(quote))
                unit.on_rollback(self._to_be_stored(quote))
        self._fill(list(together.values()), unit, now)
        return outcomes

    def _to_be_stored(self, quote: Quote) -> Callable[[], None]:
        before = self._unstored.get(quote.symbol)

        def undo() -> None:
            if before is None:
                self._unstored.pop(quote.symbol, None)
            else:
                self._unstored[quote.symbol] = before

        self._unstored[quote.symbol] = quote
        return undo

    def store(self, unit: UnitOfWork) -> None:
        """Store the quotes that changed since the last time."""
        unstored, self._unstored = self._unstored, {}
        unit.on_rollback(lambda: self._unstored.update(unstored | self._unstored))
        unit.store_quotes(list(unstored.values()))

    def expire(self, unit: UnitOfWork, now: Micros) -> None:
        """End the orders whose time is over."""
        orders = unit.overdue_orders(now)
        unit.preload([(order.account_id, order.symbol) for order in orders], [])
        for order in orders:
            with _left_out_if_impossible(order):
                account, position = _holding(order, unit)
                unit.keep(expire(order, account, position, now))

    def _fill(self, quotes: list[Quote], unit: UnitOfWork, now: Micros) -> None:
        fresh = [quote for quote in quotes if self.board.is_fresh(quote, now)]
        orders = unit.reached_orders(fresh) if fresh else []
        unit.preload([(order.account_id, order.symbol) for order in orders], [])
        for order in orders:
            instrument = self.instruments.find(order.symbol)
            assert instrument is not None, f"{order.symbol} has orders and is no instrument"
            market = self.market(instrument, now)
            with _left_out_if_impossible(order):
                account, position = _holding(order, unit)
                unit.keep(fill_resting(order, account, position, market, self._new_id))


def _holding(order: Order, unit: UnitOfWork) -> tuple[Account, Position]:
    return unit.account(order.account_id), unit.position(order.account_id, order.symbol)


@contextmanager
def _left_out_if_impossible(order: Order) -> Iterator[None]:
    """Go on with other orders when one account is in a state that must not be stored."""
    try:
        yield
    except AssertionError:
        log.exception("Order %s is left out", order.id)
