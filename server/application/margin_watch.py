"""The margin watch: looks at the accounts at risk, and closes positions in a margin call."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from server.application.commands import CallsDelayed
from server.application.margin import margin_book
from server.application.market_feed import MarketFeed
from server.application.orders import end_all
from server.application.ports import Chance, UnitOfWork
from server.application.staging import Stage, Staged
from server.domain.account import Position
from server.domain.margin_calls import (
    begin_call,
    close_position,
    go_bankrupt,
    is_at_risk,
    is_below,
    is_newly_bankrupt,
    next_to_close,
    of_venue,
    opening_orders,
)
from server.domain.order import Order, StatusReason
from server.domain.values import SECOND, Micros, Units

ACCOUNTS_AT_ONCE = 100
"""A round over more accounts is divided into parts, so that calls wait for one part only."""


@dataclass(frozen=True, slots=True)
class Round:
    """The second of the last round, and the account after which an unfinished one continues.

    `delayed` are the symbols that its margin calls wait for, once for each account.
    """

    second: int = -1
    after: str = ""
    delayed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Look:
    """Whether a look has made an account's log grow, and the symbols that its call waits for."""

    has_acted: bool = False
    delayed: frozenset[str] = frozenset()


class MarginWatch:
    """Compares equity with maintenance margin, and lets the venue act when it is below.

    Prices must be fresh, and the markets open, of all positions on margin: a call judges and closes
    at the same prices. Until then the account waits. What is paid in full needs no fresh price,
    because equity and maintenance margin contain the same value of it. It is closed, and the
    account bankrupt, only at fresh prices.
    """

    def __init__(self, feed: MarketFeed, chance: Chance, tell_progress: Callable[[], None]) -> None:
        self._feed = feed
        self._chance = chance
        self._tell_progress = tell_progress
        self._round = Staged(Round())
        self._told = Staged(CallsDelayed(()))

    def rests(self, unit: UnitOfWork) -> bool:
        """Tell whether `look_at_all` has nothing to do, and nothing new to tell."""
        return not unit.accounts_at_risk() and not self._told.value.accounts

    def begin_anew(self, stage: Stage) -> None:
        """Begin a round at once."""
        self._round.set(Round(), stage)

    def look_at_all(self, unit: UnitOfWork, now: Micros, is_time_up: Callable[[], bool]) -> bool:
        """Look at all accounts at risk; in real time once a second.

        Returns False if time was up before the end: the next look then continues.
        """
        second, last = now // SECOND, self._round.value
        if last.second == second and not last.after and not self._feed.is_virtual:
            return True
        waiting = [it for it in unit.accounts_at_risk() if it > last.after]
        delayed = list(last.delayed)
        for begin in range(0, len(waiting), ACCOUNTS_AT_ONCE):
            part = waiting[begin : begin + ACCOUNTS_AT_ONCE]
            positions = unit.positions_of_each(part)
            looks = [self._guarded(it, unit, now, positions[it]) for it in part]
            delayed += (symbol for look in looks for symbol in look.delayed)
            if begin + len(part) == len(waiting):
                break
            if any(look.has_acted for look in looks):
                unit.checkpoint()
                self._tell_progress()
            if is_time_up():
                self._round.set(Round(second, part[-1], tuple(delayed)), unit.stage)
                return False
        if waiting or last.after:
            self._round.set(Round(second), unit.stage)
        self._tell_delays(delayed, unit)
        return True

    def _tell_delays(self, delayed: Iterable[str], unit: UnitOfWork) -> None:
        """Notify the front of how many calls wait for quotes of which symbols, if that is new."""
        found = CallsDelayed(tuple(sorted(Counter(delayed).items())))
        if found != self._told.value:
            self._told.set(found, unit.stage)
            self._feed.notifications.put(found, unit.stage)

    def look(
        self, account_id: str, unit: UnitOfWork, now: Micros, *, is_called: bool = False
    ) -> None:
        """Look at an account after a decision; `is_called` if a margin call goes on."""
        if unit.may_be_at_risk(account_id):
            self._guarded(account_id, unit, now, unit.positions(account_id), is_called=is_called)

    def _guarded(
        self,
        account_id: str,
        unit: UnitOfWork,
        now: Micros,
        positions: Sequence[Position],
        *,
        is_called: bool = False,
    ) -> Look:
        """Look at an account unless it is stopped."""
        stopped, before = self._feed.stopped, unit.account(account_id).sequence
        if account_id in stopped.ids:
            return Look()
        delayed = frozenset[str]()
        with stopped.stopping(account_id):
            delayed = self._look(account_id, unit, now, positions, is_called=is_called)
        has_acted = unit.account(account_id).sequence != before
        if has_acted and self._feed.is_stepped:
            unit.end_group()
        return Look(has_acted, delayed)

    def _look(
        self,
        account_id: str,
        unit: UnitOfWork,
        now: Micros,
        positions: Sequence[Position],
        *,
        is_called: bool,
    ) -> frozenset[str]:
        """Look at an account; return the symbols for whose quotes its margin call waits."""
        account, closing = unit.account(account_id), list[Order]()
        if unit.may_be_closing(account_id):
            closing = of_venue(unit.live_orders(account_id, None))
        at_risk = is_at_risk(account, positions)
        unit.note_risk(account_id, is_at_risk=at_risk, is_closing=bool(closing))
        waiting = self._waiting(positions, now)
        book = margin_book(positions, self._feed, now)
        if at_risk and any(it.symbol in waiting and self._delays(it) for it in positions):
            is_called = bool(closing) or is_below(account, book)
            return self._without_quote(waiting, now) if is_called else frozenset()
        # Without a risk, rounding alone can leave the equity a cent below what is paid in full.
        if not at_risk or not is_below(account, book):
            if closing:
                end_all(closing, unit, now, StatusReason.MARGIN_RESTORED)
            return frozenset()
        can_close = next_to_close(book, waiting) is not None
        if waiting and not (can_close or closing):
            return self._without_quote(waiting, now)
        if can_close and not (is_called or closing):
            unit.keep(begin_call(account, book, now))
        if not waiting:
            record_bankruptcy(account_id, book.equity(account), unit, now)
        others = _of_others(account_id, None, unit)
        end_all(opening_orders(others, positions), unit, now, StatusReason.MARGIN_CALL)
        self._close(account_id, {it.symbol for it in closing}, waiting, unit, now)
        return frozenset()

    def _close(
        self,
        account_id: str,
        closing: set[str],
        waiting: frozenset[str],
        unit: UnitOfWork,
        now: Micros,
    ) -> None:
        """Close positions until maintenance holds, each by one order; none of those that wait."""
        while True:
            account = unit.account(account_id)
            book = margin_book(unit.positions(account_id), self._feed, now)
            if not waiting:
                record_bankruptcy(account_id, book.equity(account), unit, now)
            if not is_below(account, book):
                restored = of_venue(unit.live_orders(account_id, None))
                end_all(restored, unit, now, StatusReason.MARGIN_RESTORED)
                return
            stake = next_to_close(book, closing | waiting)
            if stake is None:
                return
            symbol = stake.position.symbol
            closing.add(symbol)
            end_all(_of_others(account_id, symbol, unit), unit, now, StatusReason.MARGIN_CALL)
            account, position = unit.account(account_id), unit.position(account_id, symbol)
            new_id, market = self._chance.ids_of(account), self._feed.market(stake.instrument, now)
            unit.keep(close_position(account, position, market, new_id(), new_id, book))

    def _waiting(self, positions: Sequence[Position], now: Micros) -> frozenset[str]:
        """Return the symbols of the positions that cannot be closed now at a fresh quote."""
        return frozenset(
            it.symbol for it in positions if it.quantity and not self._is_closable(it, now)
        )

    def _without_quote(self, symbols: Iterable[str], now: Micros) -> frozenset[str]:
        """Return those of some symbols whose market is open and has no fresh quote."""
        markets = (self._feed.market(self._feed.instrument(it), now) for it in symbols)
        return frozenset(it.instrument.symbol for it in markets if it.is_open and not it.quote)

    def _delays(self, position: Position) -> bool:
        """Tell whether an account waits for a fresh price of a position that has none."""
        quote = self._feed.board.get(position.symbol)
        is_repeated = quote is not None and self._feed.is_shown_again(quote, position)
        return is_repeated or self._feed.instrument(position.symbol).is_marginable

    def _is_closable(self, position: Position, now: Micros) -> bool:
        market = self._feed.market(self._feed.instrument(position.symbol), now)
        if market.quote is None or not market.is_open or market.instrument.has_expired(now):
            return False
        return not self._feed.is_shown_again(market.quote, position)


def record_bankruptcy(account_id: str, equity: Units, unit: UnitOfWork, now: Micros) -> None:
    """Record that nothing is left of the equity, if that is new, and cancel all orders."""
    account = unit.account(account_id)
    if is_newly_bankrupt(account, equity):
        unit.keep(go_bankrupt(account, now))
        others = _of_others(account_id, None, unit)
        end_all(others, unit, now, StatusReason.TRADING_HALTED)


def _of_others(account_id: str, symbol: str | None, unit: UnitOfWork) -> list[Order]:
    """Return the live orders of an account, or of one symbol, that the venue has not placed."""
    live = unit.live_orders(account_id, symbol)
    venues = {it.id for it in of_venue(live)}
    return [it for it in live if it.id not in venues]
