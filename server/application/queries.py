"""Queries: everything that callers can read; positions are valued at the newest quotes."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeVar

from server.application.callers import OwnKey
from server.application.equity_history import (
    POINTS_MAX,
    EquityPoint,
    HistoryOf,
    equity_history,
)
from server.application.leaderboard import Leaderboard
from server.application.listings import (
    BarsOf,
    FillFilter,
    Found,
    InstrumentFilter,
    OneOrder,
    OnePosition,
    OrderFilter,
    OrderWithLegs,
    PageOf,
)
from server.application.margin import margin_book
from server.application.market_feed import QuoteBoard
from server.application.market_ports import Instruments
from server.application.market_record import MINUTE_BARS_SHOWN, HeardMinutes, made_of
from server.application.paging import Page, number_in, token_after
from server.application.ports import Clock, Holdings, OwnedAccount, Reads
from server.application.refusals import ORDER_NOT_FOUND
from server.domain import performance
from server.domain.account import Account, MarginMode, SnapshotFilter, TradeStatistics
from server.domain.bar import Bar, BarInterval, StoredBars, joined
from server.domain.closing import POSITION_NOT_FOUND
from server.domain.equity_curve import EquityCurve
from server.domain.errors import Reason, Refusal, Violation, refuse_fields
from server.domain.events import Fill
from server.domain.instrument import Instrument
from server.domain.invariants import BrokenInvariant
from server.domain.margin import DEFAULT_TERMS, MarginBook, MarginTerms
from server.domain.order import Order, OrderStatus
from server.domain.quote import Quote
from server.domain.risk import LIVE_ORDERS_LIMIT
from server.domain.user import EVERYTHING, BotKey, User
from server.domain.valuation import ValuedPosition, total_equity, value
from server.domain.values import SECOND, Micros, Units

Item = TypeVar("Item", Order, Fill)

LATE_QUOTE_MAX: Micros = 5 * SECOND
"""A bar's last quote arrives at most this long after the end of the bar."""


@dataclass(frozen=True, slots=True)
class Portfolio:
    """An account with its valued positions. `book` is None for a CASH account."""

    account: Account
    positions: list[ValuedPosition]
    equity: Units
    environment: str
    book: MarginBook | None

    @property
    def buying_power(self) -> Units:
        """Return the money that a new order may spend, or the value it may have on margin."""
        book = self.book
        return self.account.buying_power if book is None else book.buying_power(self.account)


@dataclass(frozen=True, slots=True)
class Indicators:
    """The key performance indicators of an account."""

    statistics: TradeStatistics
    total_return_pct: float
    curve: EquityCurve
    rank: int | None
    rank_total: int | None


@dataclass(frozen=True, slots=True)
class ShownQuote:
    """A quote and whether it is too old to be traded on."""

    quote: Quote
    is_stale: bool


@dataclass(frozen=True, slots=True)
class LimitsFound:
    """The stored data behind an account's limits: its owner, and what they own.

    `keys` is the number of the owner's live bot keys, `accounts` that of their accounts. `bot_key`
    is the caller's; None for a person.
    """

    account: Account
    user: User
    keys: int
    accounts: int
    bot_key: BotKey | None
    margin_terms: MarginTerms


@dataclass(frozen=True, slots=True)
class Marks:
    """What values positions: instruments, newest quotes and the terms of margin trading."""

    board: QuoteBoard
    instruments: Instruments
    margin_terms: MarginTerms = DEFAULT_TERMS

    def instrument(self, symbol: str) -> Instrument:
        """Return an instrument in which an account has a position or orders."""
        instrument = self.instruments.find(symbol)
        if instrument is None:
            raise BrokenInvariant(f"{symbol} is held and is no instrument")
        return instrument


class Queries:
    """Everything that callers can read. No method writes; those that read the database block."""

    def __init__(
        self,
        *,
        reads: Reads,
        board: QuoteBoard,
        heard: HeardMinutes,
        instruments: Instruments,
        leaderboard: Leaderboard,
        clock: Clock,
        environment: str,
        margin_terms: MarginTerms = DEFAULT_TERMS,
    ) -> None:
        self._reads = reads
        self._marks = Marks(board, instruments, margin_terms)
        self._leaderboard = leaderboard
        self._environment = environment
        # In a replay, everything of a moment is stored before the clock shows it.
        self._late_quote_max = 0 if environment == "REPLAY" else LATE_QUOTE_MAX
        self._heard = heard
        self._board = board
        self._instruments = instruments
        self._clock = clock

    def account(self, account_id: str) -> OwnedAccount:
        return self._owned(*self._reads.account(account_id))

    def accounts(self, user_id: str) -> list[OwnedAccount]:
        """Return the accounts of a user, beginning with the user's first account."""
        accounts, user, keys = self._reads.accounts(user_id)
        return [self._owned(account, user, keys) for account in accounts]

    def keys(self, user_id: str) -> list[BotKey]:
        """Return the bot keys of a user."""
        return self._reads.keys(user_id)

    def limits(self, own: OwnKey) -> LimitsFound:
        """Return the data behind the limits of an account."""
        account, user, keys = self._reads.account(own.account_id)
        accounts = self._reads.account_count(user.id)
        bot_key = None if own.bot_key_id is None else self._reads.key(own.bot_key_id)
        return LimitsFound(account, user, keys, accounts, bot_key, self._marks.margin_terms)

    def order(self, wanted: OneOrder) -> OrderWithLegs | Refusal:
        """Return an order of an account if the bot key may see it, with the legs of its group."""
        order = (
            self._reads.order_by_client_id(wanted.account_id, wanted.client_order_id)
            if wanted.client_order_id
            else self._reads.order(wanted.account_id, wanted.order_id)
        )
        if order is None or not wanted.permissions.allow(order):
            return ORDER_NOT_FOUND
        if order.role is None:
            return OrderWithLegs(order)
        legs = (self._reads.order(order.account_id, name) for name in order.role.leg_order_ids)
        return OrderWithLegs(order, tuple(leg for leg in legs if leg is not None))

    def quote(self, symbol: str) -> ShownQuote | Refusal:
        """Return the newest quote of a symbol."""
        quote = self._board.get(symbol)
        if quote is None:
            return Refusal(
                reason=Reason.NO_QUOTE,
                message=f"{symbol} has no quote yet; try later.",
                is_not_found=True,
            )
        return self._shown(quote)

    def quotes(self, symbols: Sequence[str]) -> list[ShownQuote]:
        """Return the newest quotes of symbols; a symbol without a quote is left out."""
        quotes = map(self._board.get, symbols)
        return [self._shown(quote) for quote in quotes if quote is not None]

    def instruments(self, wanted: InstrumentFilter) -> list[Instrument]:
        """Return the instruments that can be traded now, in the order of their listing."""
        of_symbol = wanted.text.replace("/", "-")  # As symbols are normalised.
        return [
            instrument
            for instrument in self._instruments.listed(self._clock())
            if wanted.asset_type in (None, instrument.asset_type)
            and (of_symbol in instrument.symbol.lower() or wanted.text in instrument.name.lower())
        ]

    def orders(self, page: PageOf[OrderFilter]) -> Page[Order] | Refusal:
        """List orders, newest first."""
        before = number_in(page.token, page.wanted)
        if isinstance(before, Refusal):
            return before
        return _page(self._reads.orders(page.wanted, before, page.limit + 1), page)

    def fills(self, page: PageOf[FillFilter]) -> Page[Fill] | Refusal:
        """List fills, newest first."""
        before = number_in(page.token, page.wanted)
        if isinstance(before, Refusal):
            return before
        return _page(self._reads.fills(page.wanted, before, page.limit + 1), page)

    def bars(self, of: BarsOf) -> list[tuple[Bar, bool]]:
        """List bars, oldest first, each with True once no more quotes can be added to it."""
        symbol, wanted = of.symbol, of.wanted
        now, interval = self._clock(), wanted.interval
        stored, start = made_of(interval), wanted.start
        if stored is BarInterval.ONE_MINUTE:
            shown_since = interval.begin_not_before(now - MINUTE_BARS_SHOWN)
            start = shown_since if start is None else max(start, shown_since)
        parts = wanted.limit * (interval.width // stored.width)
        found = self._reads.bars(symbol, replace(wanted, interval=stored, start=start, limit=parts))
        newest = [
            minute
            for minute in self._newest_minutes(symbol, found)
            if interval.begin(minute.start) < wanted.end
            and (start is None or interval.begin(minute.start) >= start)
        ]
        stored_until = None if found.newest is None else found.newest[0].time
        return [
            (bar, self._is_complete(bar.start + interval.width, stored_until, now))
            for bar in joined([*found.bars, *newest], interval)[-wanted.limit :]
        ]

    def _is_complete(self, end: Micros, stored_until: Micros | None, now: Micros) -> bool:
        """Tell whether a bar is over and no quote of it can still be stored."""
        followed = stored_until is not None and stored_until >= end
        return end <= now and (followed or end <= now - self._late_quote_max)

    def _newest_minutes(self, symbol: str, found: StoredBars) -> list[Bar]:
        """Return the minute bars that stored bars lack, or contain only in part."""
        heard = self._heard.of(symbol)
        if found.newest is None:
            return [] if heard is None else list(heard.minutes)
        quote, running = found.newest
        if heard is None or not heard.is_newer_than(quote):
            return [running]
        return [running, *(it for it in heard.minutes if it.start >= running.start)]

    def portfolio(self, account_id: str) -> Portfolio:
        return self._valued(self._reads.holdings(account_id))

    def position(self, wanted: OnePosition) -> ValuedPosition | Refusal:
        """Return a position of an account with its values."""
        for position in self.portfolio(wanted.account_id).positions:
            if position.position.symbol == wanted.symbol:
                return position
        return POSITION_NOT_FOUND

    def indicators(self, account_id: str) -> Indicators:
        standing = self._reads.standing(account_id)
        account = standing.holdings.account
        value = account.initial_value(self._valued(standing.holdings).equity)
        curve = standing.curve.added(self._clock(), value)
        rank, rank_total = self._leaderboard.rank(account_id)
        return Indicators(
            statistics=account.statistics,
            total_return_pct=performance.total_return_pct(account.initial_balance, value),
            curve=curve,
            rank=rank,
            rank_total=rank_total,
        )

    def history(self, of: HistoryOf) -> list[EquityPoint] | Refusal:
        """Return the equity curve of an account over a period up to now."""
        now, period, interval = self._clock(), of.period, of.interval
        since = None if period is None else now - period
        wanted = SnapshotFilter(
            since=since, before=interval.begin(now), width=interval.width, limit=POINTS_MAX
        )
        record = self._reads.track_record(of.account_id, wanted)
        equity = self._valued(record.holdings).equity
        points = equity_history(record, equity, now, since)
        if len(points) > POINTS_MAX:
            message = (
                f"`interval` and `period` ask for more than {POINTS_MAX} points:"
                " send a longer interval or a shorter period."
            )
            return refuse_fields([Violation("interval", Reason.FIELD_INVALID, message)])
        return points

    def _owned(self, account: Account, user: User, keys: int) -> OwnedAccount:
        buying_power = account.buying_power
        if account.margin_mode is MarginMode.MARGIN:
            # Its positions are of a later snapshot than the account, and so is its money then.
            shown = self.portfolio(account.id)
            account, buying_power = shown.account, shown.buying_power
        return OwnedAccount(account, user, keys, self._environment, buying_power)

    def _shown(self, quote: Quote) -> ShownQuote:
        return ShownQuote(quote, is_stale=not self._board.is_fresh(quote, self._clock()))

    def _valued(self, holdings: Holdings) -> Portfolio:
        account, now, book = holdings.account, self._clock(), None
        if account.margin_mode is MarginMode.MARGIN:
            staked = [*holdings.positions, *holdings.ordered]
            book = margin_book(staked, self._marks, now, partial(self._live_orders, account.id))
        positions = []
        for position in holdings.positions:
            instrument, quote = (
                self._marks.instrument(position.symbol),
                self._board.get(position.symbol),
            )
            fresh = quote is not None and self._board.is_fresh(quote, now)
            valued = value(position, instrument, quote, fresh=fresh)
            margin = None if book is None else book.margin_of(position.symbol)
            positions.append(valued if margin is None else replace(valued, margin=margin))
        equity = total_equity(account.balance, positions)
        return Portfolio(account, positions, equity, self._environment, book)

    def _live_orders(self, account_id: str, symbol: str) -> list[Order]:
        live = OrderFilter(
            account_id=account_id,
            permissions=EVERYTHING,
            status=OrderStatus.OPEN,
            symbol=symbol,
            after=None,
            until=None,
        )
        return self._reads.orders(live, None, LIVE_ORDERS_LIMIT).items


def _page(found: Found[Item], page: PageOf[Any]) -> Page[Item]:
    limit, wanted = page.limit, page.wanted
    if len(found.items) > limit:
        items = found.items[:limit]
        return Page(items, token_after(items[-1].sequence, wanted))
    if found.looked_down_to is not None:
        return Page(found.items, token_after(found.looked_down_to, wanted))
    return Page(found.items, "")
