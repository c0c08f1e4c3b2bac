"""The market's record: the newest quotes and the bars of all quotes, until they are stored."""

from collections.abc import Sequence
from dataclasses import dataclass

from server.application.ports import UnitOfWork
from server.application.staging import Stage, Staged, StagedMap
from server.domain.bar import Bar, BarInterval, joined, minute_bars
from server.domain.quote import Quote
from server.domain.values import DAY, Micros

MINUTE_BARS_SHOWN: Micros = 14 * DAY
"""So long bars of a minute are there; bars of an hour and of a day are kept for ever."""

MINUTE_BARS_KEPT: Micros = MINUTE_BARS_SHOWN + DAY
"""They are dropped later, so that no longer bar is shown of which a part is dropped."""

STORED_INTERVALS = (BarInterval.ONE_MINUTE, BarInterval.ONE_HOUR, BarInterval.ONE_DAY)
"""Each is made of the one before."""


def made_of(interval: BarInterval) -> BarInterval:
    """Return the stored interval whose bars make those of another."""
    return max(
        (stored for stored in STORED_INTERVALS if stored.width <= interval.width),
        key=lambda stored: stored.width,
    )


class MarketRecord:
    """What was heard and is not stored yet.

    A minute that is over is added to the stored bars once. The one that runs is stored with the
    newest quote of its symbol: to write it each second among the others would write a page of the
    database for every symbol.
    """

    def __init__(self) -> None:
        self._unstored = Staged[tuple[Quote, ...]](())
        self._running = StagedMap[str, Bar]()

    def load(self, running: Sequence[Bar], stage: Stage) -> None:
        """Go on with the minutes that an earlier run has begun."""
        for bar in running:
            self._running.set(bar.symbol, bar, stage)

    def add(self, quotes: Sequence[Quote], stage: Stage) -> None:
        """Take up applied quotes; of a symbol's, later ones have later times."""
        self._unstored.set((*self._unstored.value, *quotes), stage)

    @property
    def unstored(self) -> tuple[Quote, ...]:
        """Return what `note` takes to store the record as it is now."""
        return self._unstored.value

    def note(self, unstored: tuple[Quote, ...], unit: UnitOfWork) -> None:
        """Store the record as it was, and keep it to be stored again."""
        self._write(unstored, unit)

    def store(self, unit: UnitOfWork, now: Micros) -> None:
        """Store what is not stored yet, and drop what has become too old."""
        running, over = self._write(self._unstored.value, unit)
        self._unstored.set((), unit.stage)
        for symbol, minute in running.items():
            self._running.set(symbol, minute, unit.stage)
        if over:
            # As many again as are added, so that what a long pause left goes little by little.
            unit.drop_minute_bars(now - MINUTE_BARS_KEPT, 2 * len(over))

    def _write(
        self, quotes: tuple[Quote, ...], unit: UnitOfWork
    ) -> tuple[dict[str, Bar], list[Bar]]:
        """Store quotes; return the minutes that run now and those that are over."""
        running: dict[str, Bar] = {}
        over: list[Bar] = []
        for minute in minute_bars(quotes):
            symbol = minute.symbol
            begun = running.get(symbol) or self._running.get(symbol)
            if begun is None:
                running[symbol] = minute
            elif begun.start == minute.start:
                running[symbol] = begun.until(minute)
            else:
                over.append(begun)
                running[symbol] = minute
        newest = {quote.symbol: quote for quote in quotes}
        unit.store_quotes([(quote, running[symbol]) for symbol, quote in newest.items()])
        bars = over
        for interval in STORED_INTERVALS if over else ():
            bars = joined(bars, interval)
            unit.add_to_bars(interval, bars)
        return running, over


@dataclass(frozen=True, slots=True)
class Heard:
    """The newest quote of a symbol, and of its last two minutes with quotes what was heard."""

    quote: Quote
    minutes: tuple[Bar, ...]

    def is_newer_than(self, quote: Quote) -> bool:
        """Tell whether a quote came before the newest one."""
        return (quote.time, quote.sequence) < (self.quote.time, self.quote.sequence)


class HeardMinutes:
    """What the front hears of quotes: published ones are stored up to a second later."""

    def __init__(self) -> None:
        self._heard: dict[str, Heard] = {}

    def hear(self, quotes: Sequence[Quote]) -> None:
        """Take note of applied quotes."""
        newest = {quote.symbol: quote for quote in quotes}
        minutes: dict[str, list[Bar]] = {}
        for minute in minute_bars(quotes):
            minutes.setdefault(minute.symbol, []).append(minute)
        for symbol, made in minutes.items():
            known = self._heard.get(symbol)
            both = joined([*(known.minutes if known else ()), *made], BarInterval.ONE_MINUTE)
            self._heard[symbol] = Heard(newest[symbol], tuple(both[-2:]))

    def forget(self) -> None:
        """Begin anew with what is stored, as the engine does when it starts."""
        self._heard.clear()

    def of(self, symbol: str) -> Heard | None:
        """Return what was heard of a symbol."""
        return self._heard.get(symbol)
