"""The market's record: the newest quotes and the bars of all quotes, until they are stored."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

from server.application.ownership import Ownership
from server.application.ports import UnitOfWork
from server.application.staging import Stage, Staged, StagedMap
from server.domain.bar import Bar, BarInterval, joined, minute_bars
from server.domain.quote import Quote
from server.domain.sharding import MARKET
from server.domain.values import DAY, Micros

MINUTE_BARS_SHOWN: Micros = 14 * DAY
"""Minute bars are shown for this long; hour and day bars are kept for ever."""

MINUTE_BARS_KEPT: Micros = MINUTE_BARS_SHOWN + DAY
"""Minute bars are dropped a day later, so that no shown bar is built from only some of them."""

STORED_INTERVALS = (BarInterval.ONE_MINUTE, BarInterval.ONE_HOUR, BarInterval.ONE_DAY)
"""Bars of each interval are built from those of the one before."""


def made_of(interval: BarInterval) -> BarInterval:
    """Return the longest stored interval from whose bars those of `interval` are built."""
    return max(
        (stored for stored in STORED_INTERVALS if stored.width <= interval.width),
        key=lambda stored: stored.width,
    )


@dataclass(frozen=True, slots=True)
class Applied:
    """What is kept of quotes that were applied together.

    `newest` is the newest quote of each symbol, `minutes` are the bars of all quotes, those of a
    symbol in order of time.
    """

    newest: tuple[Quote, ...]
    minutes: tuple[Bar, ...]

    def last_minutes(self) -> tuple[Bar, ...]:
        """Return the bars of the last two minutes of each symbol that had quotes."""
        last: dict[str, tuple[Bar, ...]] = {}
        for minute in self.minutes:
            last[minute.symbol] = (*last.get(minute.symbol, ())[-1:], minute)
        return tuple(chain.from_iterable(last.values()))

    def by_symbol(self) -> Iterator[tuple[Quote, list[Bar]]]:
        """Yield the newest quote of each symbol with the bars of its quotes."""
        bars: dict[str, list[Bar]] = {}
        for minute in self.minutes:
            bars.setdefault(minute.symbol, []).append(minute)
        for quote in self.newest:
            yield quote, bars[quote.symbol]


def applied(quotes: Sequence[Quote]) -> Applied:
    """Return what is kept of quotes; those of a symbol must be in order of time."""
    newest = {quote.symbol: quote for quote in quotes}
    return Applied(tuple(newest.values()), tuple(minute_bars(quotes)))


class MarketRecord:
    """The quotes that were applied and are not stored yet.

    A minute bar is added to the stored bars once, when its minute is over. The running minute is
    stored beside the newest quote of its symbol. If it were written to the stored bars each
    second, a page of the database would be written for every symbol.

    Only the owner of the market stores them. Another engine keeps the last two minutes of each
    symbol, and goes on where the stored quotes end once it owns the market.
    """

    def __init__(self, ownership: Ownership) -> None:
        self._ownership = ownership
        self._unstored = Staged[tuple[Applied, ...]](())
        self._running = StagedMap[str, Bar]()
        self._kept = StagedMap[str, Heard]()
        self._goes_on = Staged(value=False)
        """Whether what is in memory continues what is stored: nobody else has stored since."""

    def load(self, stored: Sequence[tuple[Quote, Bar]], stage: Stage) -> None:
        """Load the newest quotes that are stored, with their running minutes, to continue them."""
        for quote, minute in stored:
            self._running.set(quote.symbol, minute, stage)
        self._goes_on.set(self._is_owned, stage)

    def add(self, quotes: Applied, stage: Stage) -> None:
        """Add applied quotes; those of a symbol must be later than what was added before."""
        self._unstored.set((*self._unstored.value, quotes), stage)

    @property
    def unstored(self) -> tuple[Applied, ...]:
        """Return the quotes to pass to `note` later, to store the record as it is now."""
        return self._unstored.value

    def note(self, unstored: tuple[Applied, ...], unit: UnitOfWork) -> None:
        """Store quotes that `unstored` returned; they stay in the record and are stored again."""
        self._write(unstored, unit)

    def store(self, unit: UnitOfWork, now: Micros) -> None:
        """Store what is not stored yet, and drop minute bars that are too old.

        An engine that does not own the market stores no quotes, only its own watermarks.
        """
        if not self._is_owned:
            unit.store_quotes([])
            self._keep(unit.stage)
            self._goes_on.set(False, unit.stage)
            return
        if not self._goes_on.value:
            self._go_on(unit)
        running, over = self._write(self._unstored.value, unit)
        self._unstored.set((), unit.stage)
        for symbol, minute in running.items():
            self._running.set(symbol, minute, unit.stage)
        if over:
            # Twice as many as are added: a backlog after a long pause shrinks step by step.
            unit.drop_minute_bars(now - MINUTE_BARS_KEPT, 2 * len(over))

    @property
    def _is_owned(self) -> bool:
        return self._ownership.owns(MARKET)

    def _keep(self, stage: Stage) -> None:
        """Keep quotes that the owner stores, in case that it fails before it does."""
        for quotes in self._unstored.value:
            for quote, minutes in quotes.by_symbol():
                known = self._kept.get(quote.symbol)
                self._kept.set(quote.symbol, heard_after(known, quote, minutes), stage)
        self._unstored.set((), stage)

    def _go_on(self, unit: UnitOfWork) -> None:
        """Continue what the last owner stored with what it did not store any more."""
        self._keep(unit.stage)
        stored = unit.stored_quotes()
        self.load(stored, unit.stage)
        newer = self._kept.all()
        for quote, running in stored:
            kept = newer.pop(quote.symbol, None)
            if kept is not None and kept.is_newer_than(quote):
                minutes = tuple(it for it in kept.minutes if it.start >= running.start)
                newer[quote.symbol] = Heard(kept.quote, minutes)
        unstored = (Applied((kept.quote,), kept.minutes) for kept in newer.values())
        self._unstored.set(tuple(unstored), unit.stage)

    def _write(
        self, unstored: tuple[Applied, ...], unit: UnitOfWork
    ) -> tuple[dict[str, Bar], list[Bar]]:
        """Store quotes; return the running minute bars by symbol, and those that are over."""
        running: dict[str, Bar] = {}
        over: list[Bar] = []
        minutes = chain.from_iterable(quotes.minutes for quotes in unstored)
        for minute in minutes:
            symbol = minute.symbol
            begun = running.get(symbol) or self._running.get(symbol)
            if begun is None:
                running[symbol] = minute
            elif begun.start == minute.start:
                running[symbol] = begun.until(minute)
            else:
                over.append(begun)
                running[symbol] = minute
        newest = {quote.symbol: quote for quotes in unstored for quote in quotes.newest}
        unit.store_quotes([(quote, running[symbol]) for symbol, quote in newest.items()])
        bars = over
        for interval in STORED_INTERVALS if over else ():
            bars = joined(bars, interval)
            unit.add_to_bars(interval, bars)
        return running, over


@dataclass(frozen=True, slots=True)
class Heard:
    """The newest quote of a symbol, and the bars of its last two minutes that had quotes."""

    quote: Quote
    minutes: tuple[Bar, ...]

    def is_newer_than(self, quote: Quote) -> bool:
        """Tell whether `quote` is older than the newest quote heard."""
        return (quote.time, quote.sequence) < (self.quote.time, self.quote.sequence)


def heard_after(known: Heard | None, quote: Quote, minutes: Sequence[Bar]) -> Heard:
    """Return what is known of a symbol after its newest quote, with the bars up to that quote."""
    both = [*(known.minutes if known else ()), *minutes]
    return Heard(quote, tuple(joined(both, BarInterval.ONE_MINUTE)[-2:]))


class HeardMinutes:
    """The newest minutes in the front's memory: the engine stores quotes up to a second later."""

    def __init__(self) -> None:
        self._heard: dict[str, Heard] = {}

    def hear(self, quotes: Sequence[Quote], minutes: Sequence[Bar]) -> None:
        """Add the newest applied quotes of some symbols, and the bars of their last two minutes."""
        for quote, made in Applied(tuple(quotes), tuple(minutes)).by_symbol():
            self._heard[quote.symbol] = heard_after(self._heard.get(quote.symbol), quote, made)

    def forget(self) -> None:
        """Drop everything and rely on what is stored, as the engine does when it starts."""
        self._heard.clear()

    def of(self, symbol: str) -> Heard | None:
        """Return the newest quote and minutes of a symbol; None when none were heard."""
        return self._heard.get(symbol)
