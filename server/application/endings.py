"""Endings: expires orders whose time is over, and settles options that have expired."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from server.application.market_feed import MarketFeed
from server.application.orders import end
from server.application.ports import UnitOfWork
from server.application.staging import Stage, Staged
from server.domain.account import Position
from server.domain.account_changes import settle
from server.domain.instrument import Instrument
from server.domain.invariants import BrokenInvariant
from server.domain.order import Order, StatusReason
from server.domain.values import DAY, Micros

ENDED_A_TRANSACTION = 100

Ending = TypeVar("Ending", Order, Position)


@dataclass(frozen=True, slots=True)
class Settled:
    """The UTC day number of the last settlement, and the underlyings that had no price then."""

    day: int = 0
    unpriced: frozenset[str] = frozenset()


class Endings:
    """Ends orders and settles options, a part at a time.

    Each part is one transaction. An order whose time is over does not fill, even before it is
    ended here. A caller who cancels or replaces it gets the error that it has expired.
    """

    def __init__(self, feed: MarketFeed, tell_progress: Callable[[], None]) -> None:
        self._feed = feed
        self._tell_progress = tell_progress
        self._impossible = Staged[frozenset[str]](frozenset())
        self._settled = Staged(Settled())

    def begin_anew(self, stage: Stage) -> None:
        """Look once more for options to settle, and for what another engine had stopped."""
        self._impossible.set(frozenset(), stage)
        self._settled.set(Settled(), stage)

    def end(self, unit: UnitOfWork, now: Micros, is_time_up: Callable[[], bool]) -> bool:
        """End due orders and settle due options; return False if time was up before all were done.

        `is_time_up` is called after each part, so that each call ends at least one part.
        """
        return all(not is_time_up() for _ in self._parts(unit, now))

    def rest(self, unit: UnitOfWork) -> tuple[Micros, Micros]:
        """Return the span of time in which `end` does nothing; it ends before the second moment.

        It holds while no quote comes of the symbols in `awaited`.
        """
        day = self._settled.value.day
        if any(map(self._feed.board.get, self.awaited)):
            return day * DAY, day * DAY
        return day * DAY, min((day + 1) * DAY, unit.next_expiry())

    @property
    def awaited(self) -> frozenset[str]:
        """Return the underlyings whose first quote lets `end` settle options."""
        return self._settled.value.unpriced

    def _parts(self, unit: UnitOfWork, now: Micros) -> Iterator[None]:
        """End and settle what is due, and yield after each part that is stored."""
        yield from self._expire(unit, now)
        yield from self._settle(unit, now)

    def _expire(self, unit: UnitOfWork, now: Micros) -> Iterator[None]:
        def expired(order: Order) -> None:
            # `end` ignores this reason: the order's time is over, so it expires.
            end(order, unit, now, StatusReason.EXPIRED_GTC)

        return self._each(unit, lambda limit: unit.overdue_orders(now, limit), expired)

    def _settle(self, unit: UnitOfWork, now: Micros) -> Iterator[None]:
        """Settle expired options at the mark price of their underlyings.

        An option whose underlying has no quote yet waits for the first one.
        """
        day, board, last = now // DAY, self._feed.board, self._settled.value
        if day == last.day and not any(map(board.get, last.unpriced)):
            return
        expired = self._expired(unit, now)
        prices = {
            symbol: board.get(instrument.option.underlying)
            for symbol, instrument in expired.items()
            if instrument.option is not None
        }

        def ended(order: Order) -> None:
            end(order, unit, now, StatusReason.INSTRUMENT_EXPIRED)

        def settled(position: Position) -> None:
            quote = prices[position.symbol]
            if quote is None:
                raise BrokenInvariant("an option is settled without a price")
            account, instrument = unit.account(position.account_id), expired[position.symbol]
            unit.keep(settle(account, position, instrument, quote.mark, now))

        priced = [symbol for symbol, quote in prices.items() if quote is not None]
        yield from self._each(unit, lambda limit: unit.live_orders_of(list(expired), limit), ended)
        yield from self._each(unit, lambda limit: unit.positions_of(priced, limit), settled)

        underlyings = [it.option.underlying for it in expired.values() if it.option is not None]
        unpriced = frozenset(name for name in underlyings if board.get(name) is None)
        self._settled.set(Settled(day, unpriced), unit.stage)

    def _each(
        self,
        unit: UnitOfWork,
        find: Callable[[int], Sequence[Ending]],
        finish: Callable[[Ending], None],
    ) -> Iterator[None]:
        """Finish what `find` returns, a part at a time, until it returns nothing more.

        Orders and positions of a stopped account stay as they are until the next start.
        """
        stopped = self._feed.stopped
        while True:
            impossible = self._impossible.value
            limit = ENDED_A_TRANSACTION + len(impossible)
            found = find(limit)
            part = [it for it in found if _name(it) not in impossible]
            unit.preload([(it.account_id, it.symbol) for it in part])
            for it in part:
                if it.account_id not in stopped.ids:
                    with stopped.stopping(it.account_id):
                        finish(it)
                        if self._feed.is_stepped:
                            unit.end_group()
                if it.account_id in stopped.ids:
                    self._impossible.set(self._impossible.value | {_name(it)}, unit.stage)
            if len(found) < limit:
                return
            unit.checkpoint()
            self._tell_progress()
            yield

    def _expired(self, unit: UnitOfWork, now: Micros) -> dict[str, Instrument]:
        """Return the expired options that accounts hold or have live orders for, by symbol."""
        expired = {}
        for symbol in unit.symbols_in_use():
            instrument = self._feed.instruments.find(symbol)
            if instrument is None:
                raise BrokenInvariant(f"{symbol} is in use and is no instrument")
            if instrument.has_expired(now):
                expired[symbol] = instrument
        return expired


def _name(it: Order | Position) -> str:
    return it.id if isinstance(it, Order) else f"{it.symbol} of {it.account_id}"
