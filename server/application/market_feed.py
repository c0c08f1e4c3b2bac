"""The market feed: the newest quote of each symbol, and the orders that new quotes fill."""

from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from typing import Protocol

from server.application.commands import HoursTold, Notification, QuotesChanged, QuotesConfirmed
from server.application.margin import book_of
from server.application.market_ports import Calendar, Instruments, MarketStep, QuoteSource
from server.application.market_record import MarketRecord, applied
from server.application.order_groups import others_of
from server.application.ownership import Ownership
from server.application.passing import count_passing
from server.application.ports import ReachedOrder, UnitOfWork
from server.application.staging import Outbox, Stage, Staged, StagedMap
from server.application.stopped_accounts import StoppedAccounts
from server.domain.account import Account, MarginMode, Position
from server.domain.bar import Bar
from server.domain.costs import Costs
from server.domain.instrument import AssetType, Instrument
from server.domain.invariants import BrokenInvariant
from server.domain.market import Market, Session
from server.domain.matching import Reach, has_seen_later, is_used_up, reach
from server.domain.order import Order, PlacedBy
from server.domain.quote import FUTURE_TOLERANCE, Quote, QuoteRefusal, refusal
from server.domain.trading import fill_resting, is_overdue
from server.domain.valuation import ValuedPosition, value
from server.domain.values import Micros

ORDERS_A_TRANSACTION_MAX = 500


class LookAtMargin(Protocol):
    """Compares the equity of an account with its margin, and acts on it."""

    def __call__(
        self, account_id: str, unit: UnitOfWork, now: Micros, *, is_called: bool = False
    ) -> None:
        """Look at an account; `is_called` if a margin call goes on."""


class QuoteBoard:
    """The newest quote of each symbol; a quote that `load` has loaded is always stale."""

    def __init__(self, staleness_limit: Micros) -> None:
        self._staleness_limit = staleness_limit
        self._quotes = StagedMap[str, Quote]()
        self._loaded = StagedMap[str, Quote]()
        """Quotes from storage: these objects stay stale."""

        self._confirmed = StagedMap[str, tuple[Quote, Micros]]()
        """Quotes that were confirmed, and when last."""

        self.get = self._quotes.get
        """Returns the newest quote of a symbol, fresh or not."""

    def load(self, quotes: Sequence[Quote], stage: Stage) -> None:
        """Load the quotes of an earlier run: they value positions, but nobody can trade on them."""
        for quote in quotes:
            self._quotes.set(quote.symbol, quote, stage)
            self._loaded.set(quote.symbol, quote, stage)

    def put(self, quote: Quote, stage: Stage) -> None:
        """Make a quote the newest of its symbol."""
        self._quotes.set(quote.symbol, quote, stage)

    def confirm(self, symbols: Iterable[str], now: Micros, stage: Stage) -> list[str]:
        """Make the newest quotes of symbols fresh from now on; return which were not fresh."""
        fresh_again = []
        for symbol in symbols:
            quote = self._quotes.get(symbol)
            if quote is not None:
                if not self.is_fresh(quote, now):
                    fresh_again.append(symbol)
                self._confirmed.set(symbol, (quote, now), stage)
        return fresh_again

    def all(self) -> list[Quote]:
        """Return the newest quote of every symbol that has one."""
        return list(self._quotes.all().values())

    def ahead(self, now: Micros) -> Micros:
        """Return how far the newest quote's time is ahead of `now`; 0 within the tolerance."""
        newest = max(self.all(), key=lambda quote: quote.time, default=None)
        return newest.time - now if newest is not None and newest.is_ahead(now) else 0

    def refusal(
        self, quote: Quote, now: Micros, newest: Quote | None = None
    ) -> QuoteRefusal | None:
        """Return why a quote must not be applied; None when it may be.

        `newest` is newer than the quote of the board. A quote that was loaded is no duplicate: its
        source sends it again after a restart.
        """
        newest = newest or self._quotes.get(quote.symbol)
        comes_again = quote == newest and newest is self._loaded.get(quote.symbol)
        return refusal(quote, None if comes_again else newest, now)

    def confirmed_at(self, quote: Quote) -> Micros | None:
        """Return when a quote of this board was last confirmed, if it was."""
        confirmed, when = self._confirmed.get(quote.symbol) or (None, 0)
        return when if confirmed is quote else None

    def is_fresh(self, quote: Quote, now: Micros) -> bool:
        """Tell whether a quote of this board can be traded on."""
        age = now - quote.time
        if age > self._staleness_limit:
            age = now - (self.confirmed_at(quote) or quote.time)
        is_young = -FUTURE_TOLERANCE <= age <= self._staleness_limit
        return is_young and quote is not self._loaded.get(quote.symbol)

    def all_fresh(self, now: Micros) -> list[Quote]:
        """Return the newest quotes that can be traded on."""
        return [quote for quote in self.all() if self.is_fresh(quote, now)]

    def fresh(self, symbol: str, now: Micros) -> Quote | None:
        """Return the newest quote when it can be traded on."""
        quote = self.get(symbol)
        return quote if quote is not None and self.is_fresh(quote, now) else None


class MarketFeed:
    """The quotes, hours and instruments that trading needs, and the fills by new quotes."""

    def __init__(
        self,
        *,
        source: QuoteSource,
        instruments: Instruments,
        calendar: Calendar,
        costs: Costs,
        staleness_limit: Micros,
        ids_of: Callable[[Account], Callable[[], str]],
        tell_progress: Callable[[], None],
        ownership: Ownership,
    ) -> None:
        self.source = source
        self.instruments = instruments
        self.board = QuoteBoard(staleness_limit)
        self.record = MarketRecord(ownership)
        self.stopped = StoppedAccounts()
        self.calendar = calendar
        self.holds_endings = Staged(value=False)
        """True while the clock is not trusted: overdue orders then neither expire nor fill."""

        self.notifications = Outbox[Notification]()
        """The notifications to the front; each waits until the change behind it is stored."""

        self._sessions: dict[AssetType, Session] = {}
        self._costs = costs
        self.margin_terms = costs.margin
        self._look: LookAtMargin | None = None
        self._ids_of = ids_of
        self._tell_progress = tell_progress

    def watch_margin(self, look: LookAtMargin) -> None:
        """Take note of who looks at an account after its orders have filled."""
        self._look = look

    def look_at_margin(
        self, account_id: str, unit: UnitOfWork, now: Micros, *, is_called: bool = False
    ) -> None:
        """Let a margin call begin, go on or end after a decision about an account."""
        if self._look is not None and unit.may_be_at_risk(account_id):
            self._look(account_id, unit, now, is_called=is_called)

    def load(self, stored: Sequence[tuple[Quote, Bar]], stage: Stage) -> None:
        """Load the quotes of an earlier run, each with the running minute bar of its symbol."""
        self.board.load([quote for quote, _ in stored], stage)
        self.record.load(stored, stage)

    def instrument(self, symbol: str) -> Instrument:
        """Return an instrument; the caller knows that it exists."""
        found = self.instruments.find(symbol)
        if found is None:
            raise BrokenInvariant(f"{symbol} is in use and is no instrument")
        return found

    def valued(self, positions: Sequence[Position]) -> list[ValuedPosition]:
        """Value positions at the newest quotes, fresh or not."""
        valued = []
        for position in positions:
            instrument = self.instrument(position.symbol)
            quote = self.board.get(position.symbol)
            valued.append(value(position, instrument, quote, fresh=False))
        return valued

    def market(self, instrument: Instrument, now: Micros) -> Market:
        """Return the market of an instrument at a moment.

        After an opening the market counts as closed until the first quote of the session.
        """
        session = self._sessions.get(instrument.asset_type)
        # The clock may have been set back to before the cached session.
        if session is None or not session.since <= now < session.until:
            session = self.calendar.session(instrument.asset_type, now)
            self._sessions[instrument.asset_type] = session
        quote = self.board.get(instrument.symbol)
        is_fresh = quote is not None and self.board.is_fresh(quote, now)
        since = quote.time if quote is not None and is_fresh else now
        # A fresh quote may also be a little ahead of the clock.
        is_open = session.opens_at <= min(since, now) and max(since, now) < session.closes_at
        if is_open and not is_fresh:
            quote = None
        return Market(
            instrument=instrument,
            quote=quote,
            costs=self._costs,
            now=now,
            day_end=session.day_end,
            is_open=is_open,
        )

    def hours(self, now: Micros) -> HoursTold:
        hours = tuple((kind, self.calendar.hours(kind, now)) for kind in AssetType)
        return HoursTold(now, hours, self.source.replay)

    def apply(
        self, quotes: Sequence[Quote], unit: UnitOfWork, now: Micros
    ) -> list[QuoteRefusal | None]:
        """Apply the quotes that are valid; return for each quote why it was not applied."""
        outcomes = self.judged(quotes, now)
        self.show([it for it, why in zip(quotes, outcomes, strict=True) if why is None], unit, now)
        return outcomes

    def judged(self, quotes: Sequence[Quote], now: Micros) -> list[QuoteRefusal | None]:
        """Return for each quote why it must not be applied after those before it, if so."""
        outcomes: list[QuoteRefusal | None] = []
        newest: dict[str, Quote] = {}
        for quote in quotes:
            why = self._refusal(quote, now, newest.get(quote.symbol))
            outcomes.append(why)
            if why is None:
                newest[quote.symbol] = quote
        return outcomes

    def show(self, quotes: Sequence[Quote], unit: UnitOfWork, now: Micros) -> None:
        """Apply valid quotes in order, and fill the orders that each quote reaches.

        Consecutive quotes of different symbols are applied together. A second quote of a symbol
        waits until the orders that the first one reaches are filled. The front is notified.
        """
        together: dict[str, Quote] = {}
        for quote in quotes:
            if quote.symbol in together:
                self._show(list(together.values()), unit, now)
                together = {}
            together[quote.symbol] = quote
        self._show(list(together.values()), unit, now)

    def confirm(
        self, quotes: Sequence[Quote], unit: UnitOfWork, now: Micros, *, since: Micros | None = None
    ) -> None:
        """Make newest quotes fresh, and fill what they reach if they were not fresh.

        They are confirmed now, or were at `since`. An order that came while a quote was stale does
        not wait for the next one. What an account took of the quote stays taken.
        """
        if not quotes:
            return
        told, since = tuple(quote.symbol for quote in quotes), now if since is None else since
        fresh_again = set(self.board.confirm(told, since, unit.stage))
        self.notifications.put(QuotesConfirmed(told, since), unit.stage)
        self._fill([quote for quote in quotes if quote.symbol in fresh_again], unit, now)

    def look_anew(self, unit: UnitOfWork, now: Micros) -> None:
        """Fill what the newest quotes reach if they are fresh."""
        if not self.is_virtual:
            self._fill(self.board.all_fresh(now), unit, now)

    def pass_by(
        self, steps: Sequence[MarketStep], awaited: Container[str], unit: UnitOfWork
    ) -> int:
        """Apply the quotes of the first steps that reach no order; return how many steps these are.

        It leaves the same as `apply` for each of these steps, and the front is notified once. They
        end before a quote that cannot be applied, and before one of the symbols in `awaited`.
        """
        count = count_passing(steps, awaited, unit, self._refusal)
        quotes = [quote for step in steps[:count] for quote in step.quotes]
        if quotes:
            self.make_newest(quotes, unit.stage)
        return count

    def _refusal(
        self, quote: Quote, now: Micros, newest: Quote | None = None
    ) -> QuoteRefusal | None:
        if self.instruments.find(quote.symbol) is None:
            return QuoteRefusal.SYMBOL_UNKNOWN
        return self.board.refusal(quote, now, newest)

    def _show(self, quotes: list[Quote], unit: UnitOfWork, now: Micros) -> None:
        """Make quotes the newest, and fill the orders that they reach.

        A checkpoint that stores the first fills also stores the quotes.
        """
        if not quotes:
            return
        self.make_newest(quotes, unit.stage)
        self._fill(quotes, unit, now)

    def make_newest(self, quotes: Sequence[Quote], stage: Stage) -> None:
        """Make quotes the newest ones, and fill no order."""
        shown = applied(quotes)
        for quote in shown.newest:
            self.board.put(quote, stage)
        self.record.add(shown, stage)
        self.notifications.put(QuotesChanged(shown.newest, shown.last_minutes()), stage)

    def _fill(self, quotes: list[Quote], unit: UnitOfWork, now: Micros) -> None:
        markets: dict[str, Market] = {}
        reaches: list[Reach] = []
        for quote in quotes:
            if unit.misses(quote.symbol, quote.bid, quote.ask):
                continue
            instrument = self.instruments.find(quote.symbol)
            if instrument is None:
                raise BrokenInvariant("a checked symbol is no instrument")
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
                raise BrokenInvariant("an order is reached without a quote")
            if reached.account_id in self.stopped.ids:
                continue
            account, position = _holding(reached, unit)
            if self.is_shown_again(market.quote, position):
                continue
            # The account has taken the whole displayed size: its other orders keep waiting.
            if not reached.awaits_trigger and is_used_up(
                reached.side, position, market.quote, market.instrument, self._costs
            ):
                continue
            order = reached.load()
            # A decision about another order that the quote reached may have ended this one.
            if not order.status.is_live:
                continue
            if self.holds_endings.value and is_overdue(order, now):
                continue
            with self.stopped.stopping(order.account_id):
                self._fill_order(order, account, position, market, unit)

    def _fill_order(
        self, order: Order, account: Account, position: Position, market: Market, unit: UnitOfWork
    ) -> None:
        """Fill an order that a quote reached, and look at the margin of its account."""
        now, others, new_id = market.now, others_of(order, unit), self._ids_of(account)
        on_margin = account.margin_mode is MarginMode.MARGIN
        book = book_of(account.id, unit, self, now) if on_margin else None
        decision = fill_resting(order, account, position, market, new_id, others, book)
        if decision is None:
            return
        unit.keep(decision)
        if self.is_stepped:
            unit.end_group()
        if on_margin:
            is_called = order.placed_by is PlacedBy.VENUE
            self.look_at_margin(account.id, unit, now, is_called=is_called)

    @property
    def is_stepped(self) -> bool:
        """Tell whether the market is a replay in lock-step, whose logs are the same in each run."""
        replay = self.source.replay
        return replay is not None and not replay.speed

    @property
    def is_virtual(self) -> bool:
        """Tell whether the market is a replay, whose time is not that of the day."""
        return self.source.replay_digest is not None

    def is_shown_again(self, quote: Quote, position: Position) -> bool:
        """Tell whether a replay repeats a quote to an account that has already seen a later one.

        An interrupted step of a replay is played again from its first quote.
        """
        return self.is_virtual and has_seen_later(position, quote)

    def _in_transactions(
        self, orders: Sequence[ReachedOrder], unit: UnitOfWork
    ) -> Iterator[ReachedOrder]:
        """Yield orders with accounts and positions loaded, and commit after each part.

        A quote can reach very many orders: the commits bound how much work a failure undoes.
        """
        for begin in range(0, len(orders), ORDERS_A_TRANSACTION_MAX):
            if begin:
                unit.checkpoint()
                self._tell_progress()
            part = orders[begin : begin + ORDERS_A_TRANSACTION_MAX]
            unit.preload([(order.account_id, order.symbol) for order in part])
            yield from part


def _holding(order: ReachedOrder, unit: UnitOfWork) -> tuple[Account, Position]:
    return unit.account(order.account_id), unit.position(order.account_id, order.symbol)
