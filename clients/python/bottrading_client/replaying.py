"""A replay in lock-step, bar after bar: which calls it makes, for clients of both kinds."""

from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Any, Generic, TypeVar

from bottrading_client import calls, replay_calls
from bottrading_client.call import Call
from bottrading_client.enums import BarInterval
from bottrading_client.market_models import Bar
from bottrading_client.models import ClockAdvance

Item = TypeVar("Item")
Result = TypeVar("Result")

Plan = Generator[Sequence[Call[Any]], Sequence[Any], Result]
"""Yields calls that may be made at once, takes their results, and returns what they led to."""

Symbols = list[str] | tuple[str, ...]
"""Several symbols; a text is one symbol, so that this is no Sequence of texts."""

WAIT_SECONDS_MAX = 60.0
"""After this time without an answer a call is repeated; others may take longer for their step."""

BARS_MAX = 1_000
QUOTES_MAX = 100
"""What one answer of the service holds at most."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_WIDTHS = {
    BarInterval.MINUTE: timedelta(minutes=1),
    BarInterval.FIVE_MINUTES: timedelta(minutes=5),
    BarInterval.FIFTEEN_MINUTES: timedelta(minutes=15),
    BarInterval.HOUR: timedelta(hours=1),
    BarInterval.DAY: timedelta(days=1),
}


class ClientClosed(Exception):
    """The client was closed while it waited, which ends the loop."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayStep:
    """The bars of some symbols over the interval from `start` on.

    A symbol without a quote in the interval has no entry in `bars`. `advance` says where the clock
    stands until the next step is asked for, and what happened on the account since the last one.
    """

    start: datetime
    bars: Mapping[str, Bar]
    advance: ClockAdvance


class Replaying(Generic[Item]):
    """Where a replay is, and the calls that lead to its next bars."""

    def __init__(
        self,
        interval: BarInterval | str,
        symbols: Sequence[str] | None,
        items: Callable[[ClockAdvance, list[Bar]], Iterable[Item]],
    ) -> None:
        self._interval = BarInterval(interval.upper())
        self._symbols = symbols
        self._items = items
        self._begun = False
        self.time = _EPOCH
        self.has_ended = False

    def step(self) -> Plan[Iterable[Item]]:
        """Let the clock go on to the end of the next bar; return what ended until then."""
        if not self._begun:
            [clock] = yield [calls.clock()]
            self.time, self._begun = clock.time, True
        since = self.time
        [reached] = yield [replay_calls.advance_clock(next_bar=self._interval, from_time=since)]
        self.time, self.has_ended = reached.time, reached.ended
        if reached.time == since:
            return ()
        bars = yield from self._bars(since, reached.time)
        return self._items(reached, bars)

    def _bars(self, since: datetime, time: datetime) -> Plan[list[Bar]]:
        """Read the bars that ended after `since` and until `time`, and at the end the last ones."""
        width = _WIDTHS[self._interval]
        begun = time - (time - _EPOCH) % width
        start = max(since - (since - _EPOCH) % width, begun - (BARS_MAX - 1) * width)
        end = None if self.has_ended else begun
        symbols = self._symbols
        if symbols is None:
            symbols = yield from self._quoted(start)
        found = yield [
            calls.bars(symbol, self._interval, start=start, end=end) for symbol in symbols
        ]
        return sorted((bar for bars in found for bar in bars), key=lambda bar: bar.start)

    def _quoted(self, start: datetime) -> Plan[list[str]]:
        """List the symbols that have had quotes since `start`."""
        [instruments] = yield [calls.instruments()]
        symbols = [instrument.symbol for instrument in instruments]
        found = yield [
            calls.quotes(symbols[first : first + QUOTES_MAX])
            for first in range(0, len(symbols), QUOTES_MAX)
        ]
        return [quote.symbol for quotes in found for quote in quotes if quote.time >= start]


def replaying(interval: BarInterval | str, symbols: str | Symbols | None) -> Replaying[Any]:
    """Describe a replay: of one symbol or all of them as bars, of a list of symbols as steps."""
    if symbols is None or isinstance(symbols, str):
        return Replaying(interval, symbols and [symbols], lambda _, bars: bars)
    return Replaying(interval, symbols, _steps)


def _steps(advance: ClockAdvance, bars: list[Bar]) -> list[ReplayStep]:
    return [
        ReplayStep(start=start, bars={bar.symbol: bar for bar in found}, advance=advance)
        for start, found in groupby(bars, key=lambda bar: bar.start)
    ]
