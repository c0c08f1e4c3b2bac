"""The market feed: the newest quote of each symbol, and the orders that new quotes fill."""

from collections.abc import Callable, Iterator, Sequence

from server.application.commands import HoursTold, Notification, QuotesChanged
from server.application.market_record import MarketRecord
from server.application.ports import Calendar, Instruments, QuoteSource, ReachedOrder, UnitOfWork
from server.application.staging import Outbox, Stage, Staged, StagedMap
from server.application.stopped_accounts import StoppedAccounts
from server.domain.account import Account, Position
from server.domain.bar import Bar
from server.domain.costs import Costs
from server.domain.instrument import AssetType, Instrument
from server.domain.invariants import BrokenInvariant
from server.domain.market import Market
from server.domain.matching import Reach, has_seen_later, is_used_up, reach
from server.domain.quote import Quote, QuoteRefusal, refusal
from server.domain.trading import fill_resting, is_overdue
from server.domain.valuation import ValuedPosition, value
from server.domain.values import Micros

ORDERS_A_TRANSACTION_MAX = 500


class QuoteBoard:
    """The newest quote of each symbol; one loaded from storage is stale whatever its age."""

    def __init__(self, staleness_limit: Micros) -> None:
        self._staleness_limit = staleness_limit
        self._quotes = StagedMap[str, Quote]()
        self._loaded = StagedMap[str, Quote]()
        """While the very same is the newest of its symbol, that one is stale."""

    def load(self, quotes: Sequence[Quote], stage: Stage) -> None:
        """Take over quotes of an earlier run: prices to value positions at, not to trade on."""
        for quote in quotes:
            self._quotes.set(quote.symbol, quote, stage)
            self._loaded.set(quote.symbol, quote, stage)

    def put(self, quote: Quote, stage: Stage) -> None:
        """Make a quote the newest of its symbol."""
        self._quotes.set(quote.symbol, quote, stage)

    def all(self) -> list[Quote]:
        """Return the newest quote of every symbol that has one."""
        return list(self._quotes.all().values())

    def get(self, symbol: str) -> Quote | None:
        """Return the newest quote, fresh or not."""
        return self._quotes.get(symbol)

    def ahead(self, now: Micros) -> Micros:
        """Return how far the newest quote of all lies ahead, 0 when none lies far ahead."""
        newest = max(self.all(), key=lambda quote: quote.time, default=None)
        return newest.time - now if newest is not None and newest.is_ahead(now) else 0

    def refusal(self, quote: Quote, now: Micros) -> QuoteRefusal | None:
        """Return why a quote is not to be applied.

        One that was loaded may come again: its source gives the same one after a restart.
        """
        newest = self._quotes.get(quote.symbol)
        comes_again = quote == newest and newest is self._loaded.get(quote.symbol)
        return refusal(quote, None if comes_again else newest, now)

    def is_fresh(self, quote: Quote, now: Micros) -> bool:
        """Tell whether a quote of this board can be traded on."""
        newest, loaded = self._quotes.get(quote.symbol), self._loaded.get(quote.symbol)
        return newest is not loaded and quote.is_fresh(now, self._staleness_limit)

    def fresh(self, symbol: str, now: Micros) -> Quote | None:
        """Return the newest quote when it can be traded on."""
        quote = self._quotes.get(symbol)
        return quote if quote is not None and self.is_fresh(quote, now) else None


class MarketFeed:
    """Everything about the market that trading needs at a moment."""

    def __init__(
        self,
        *,
        source: QuoteSource,
        instruments: Instruments,
        calendar: Calendar,
        costs: Costs,
        staleness_limit: Micros,
        new_id: Callable[[], str],
        tell_progress: Callable[[], None],
    ) -> None:
        self.source = source
        self.instruments = instruments
        self.board = QuoteBoard(staleness_limit)
        self.record = MarketRecord()
        self.stopped = StoppedAccounts()
        self.calendar = calendar
        self.holds_endings = Staged(value=False)
        """Whether orders neither expire nor fill when their time seems to be over."""

        self.notifications = Outbox[Notification]()
        """What the front is told once it is stored."""

        self._costs = costs
        self._new_id = new_id
        self._tell_progress = tell_progress

    def load(self, stored: Sequence[tuple[Quote, Bar]], stage: Stage) -> None:
        """Take over the quotes of an earlier run, each with the minute that it is in."""
        self.board.load([quote for quote, _ in stored], stage)
        self.record.load([minute for _, minute in stored], stage)

    def valued(self, positions: Sequence[Position]) -> list[ValuedPosition]:
        """Value positions at the newest quotes, fresh or not."""
        valued = []
        for position in positions:
            instrument = self.instruments.find(position.symbol)
            if instrument is None:
                raise BrokenInvariant(f"{position.symbol} is held and is no instrument")
            quote = self.board.get(position.symbol)
            valued.append(value(position, instrument, quote, fresh=False))
        return valued

    def market(self, instrument: Instrument, now: Micros) -> Market:
        """Return the market of an instrument at a moment.

        After an opening it counts as closed until the first quote of the session is there.
        """
        asset_type = instrument.asset_type
        quote = self.board.get(instrument.symbol)
        is_fresh = quote is not None and self.board.is_fresh(quote, now)
        since = quote.time if quote is not None and is_fresh else now
        is_open = self.calendar.is_open_throughout(asset_type, since, now)
        if is_open and not is_fresh:
            quote = None
        return Market(
            instrument=instrument,
            quote=quote,
            costs=self._costs,
            now=now,
            day_end=self.calendar.day_end(asset_type, now),
            is_open=is_open,
        )

    def hours(self, now: Micros) -> HoursTold:
        """Return the hours of every market."""
        return HoursTold(now, tuple((kind, self.calendar.hours(kind, now)) for kind in AssetType))

    def apply(
        self, quotes: Sequence[Quote], unit: UnitOfWork, now: Micros
    ) -> list[QuoteRefusal | None]:
        """Apply quotes one after another and fill the orders that each reaches.

        Returns for each quote why it was not applied. Quotes of different symbols are applied
        together; a second quote of a symbol comes after the orders of the first. The front is told
        of those that are applied.
        """
        outcomes: list[QuoteRefusal | None] = []
        together: dict[str, Quote] = {}
        for quote in quotes:
            if quote.symbol in together:
                self._show(list(together.values()), unit, now)
                together = {}
            why = (
                QuoteRefusal.SYMBOL_UNKNOWN
                if self.instruments.find(quote.symbol) is None
                else self.board.refusal(quote, now)
            )
            outcomes.append(why)
            if why is None:
                together[quote.symbol] = quote
        self._show(list(together.values()), unit, now)
        return outcomes

    def _show(self, quotes: list[Quote], unit: UnitOfWork, now: Micros) -> None:
        """Make quotes the newest, and fill the orders that they reach.

        What is stored of the fills before all are filled is stored together with the quotes.
        """
        if not quotes:
            return
        for quote in quotes:
            self.board.put(quote, unit.stage)
        self.record.add(quotes, unit.stage)
        self.notifications.put(QuotesChanged(tuple(quotes)), unit.stage)
        self._fill(quotes, unit, now)

    def _fill(self, quotes: list[Quote], unit: UnitOfWork, now: Micros) -> None:
        markets: dict[str, Market] = {}
        reaches: list[Reach] = []
        for quote in quotes:
            instrument = self.instruments.find(quote.symbol)
            if instrument is None:
                raise BrokenInvariant("the symbol was checked")
            market = self.market(instrument, now)
            # Orders for an expired option end when the next second passes.
            executes = market.is_open and not instrument.has_expired(now)
            if market.quote is not None and executes:
                markets[quote.symbol] = market
                reaches.append(reach(quote, instrument, self._costs))
        orders = unit.reached_orders(reaches) if reaches else []
        for reached in self._in_transactions(orders, unit):
            market = markets[reached.symbol]
            if market.quote is None:
                raise BrokenInvariant("only what has a quote was asked for")
            if reached.account_id in self.stopped.ids:
                continue
            account, position = _holding(reached, unit)
            if self._is_shown_again(market.quote, position):
                continue
            # Of many orders that wait for more than is shown, the rest is left where it is.
            if not reached.awaits_trigger and is_used_up(
                reached.side, position, market.quote, market.instrument, self._costs
            ):
                continue
            order = reached.load()
            # What was decided about another order of the same quote may have ended this one.
            if not order.status.is_live:
                continue
            if self.holds_endings.value and is_overdue(order, now):
                continue
            with self.stopped.stopping(order.account_id):
                decision = fill_resting(order, account, position, market, self._new_id)
                if decision is not None:
                    unit.keep(decision)

    def _is_shown_again(self, quote: Quote, position: Position) -> bool:
        """Tell whether a replay repeats a quote to an account that is at a later one already.

        Of two quotes of one moment, the first comes again when the second one was interrupted.
        """
        return self.source.replay_digest is not None and has_seen_later(position, quote)

    def _in_transactions(
        self, orders: Sequence[ReachedOrder], unit: UnitOfWork
    ) -> Iterator[ReachedOrder]:
        """Yield orders with what is needed to decide them, and store a part at a time.

        However many orders one quote reaches, what is decided is soon on disk and stays there.
        """
        for begin in range(0, len(orders), ORDERS_A_TRANSACTION_MAX):
            if begin:
                unit.checkpoint()
                self._tell_progress()
            part = orders[begin : begin + ORDERS_A_TRANSACTION_MAX]
            unit.preload([(order.account_id, order.symbol) for order in part], [])
            yield from part


def _holding(order: ReachedOrder, unit: UnitOfWork) -> tuple[Account, Position]:
    return unit.account(order.account_id), unit.position(order.account_id, order.symbol)
