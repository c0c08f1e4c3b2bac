"""The runner: keeps a source connected, and publishes what its book has to say."""

import asyncio
import logging
import random
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from bottrading_feeds.book import Book, Counts, Quote
from bottrading_feeds.logs import one_line
from bottrading_feeds.port import Listing, Source, SourceEnded, SourceError
from bottrading_feeds.publisher import QUOTES_A_CALL_MAX, VenueAway, VenueRefused

log = logging.getLogger(__name__)

SYMBOLS_SHOWN = 5

REFUSALS_OF_REPETITION = ("DUPLICATE",)
"""A quote whose publication had no answer is published again."""


class Venue(Protocol):
    """Where quotes are published; it raises VenueAway and VenueRefused."""

    async def publish(
        self, quotes: Sequence[Quote], *, confirmed: bool = False
    ) -> list[tuple[str, str]]:
        """Publish quotes; return (symbol, reason) of those that were refused."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How long the runner waits, in seconds."""

    pause_min: float = 0.5
    pause_max: float = 30.0
    steady: float = 10.0
    """After a connection that told something for this long, the pause is the shortest again."""
    silence: float = 30.0
    """A connection without a sign of life for this long is lost."""
    look: float = 1.0
    """Between two looks for quotes to confirm, and for silence."""
    closing: float = 5.0
    summary: float = 60.0
    """Between two lines about ticks that were dropped."""


class Pauses:
    """Pauses that double up to a longest, with a random part, so that feeds do not come at once."""

    def __init__(self, pace: Pace, chance: Callable[[], float] = random.random) -> None:
        self._pace = pace
        self._chance = chance
        self._next = pace.pause_min

    def after(self, seconds: float) -> float:
        """Return the pause after a connection that told something for `seconds`."""
        if seconds >= self._pace.steady:
            self._next = self._pace.pause_min
        longest, self._next = self._next, min(self._next * 2, self._pace.pause_max)
        return longest * (0.5 + self._chance() / 2)


class Runner:
    """Runs one feed; `name` is that of its source in the log."""

    def __init__(
        self,
        name: str,
        source: Source,
        listings: Sequence[Listing],
        book: Book,
        venue: Venue,
        changed: asyncio.Event,
        pace: Pace | None = None,
    ) -> None:
        self._name = name
        self._source = source
        self._listings = listings
        self._book = book
        self._venue = venue
        self._changed = changed
        self._pace = pace or Pace()
        self._unknown = set[str]()
        self._is_away = False

    async def run(self) -> None:
        """Run until the source ends or the venue refuses; then publish what is left.

        Raises SourceError and VenueRefused. Returns when a source has ended for good.
        """
        parts = (self._connect(), self._publish(), self._confirm(), self._summarize())
        try:
            await _first_of(parts)
        except SourceEnded as ended:
            log.info("The feed ends: %s.", one_line(ended))
            with suppress(VenueAway):
                while await self._publish_some():
                    pass

    async def _connect(self) -> None:
        pauses = Pauses(self._pace)
        while True:
            self._book.connect()
            begun = self._book.heard
            log.info("Connecting to %s for %d symbols.", self._name, len(self._listings))
            try:
                why = await self._stream()
            finally:
                self._book.disconnect()
            pause = pauses.after(self._book.heard - begun)
            log.warning(
                "The connection to %s is lost (%s); trying again in %.1f s.", self._name, why, pause
            )
            await asyncio.sleep(pause)

    async def _stream(self) -> str:
        """Stream until the connection is lost; return why it was."""
        stream = self._source.stream(self._listings, self._book.tell)
        task = asyncio.get_running_loop().create_task(stream, name="stream")
        try:
            while not task.done():
                if self._book.silence > self._pace.silence:
                    return f"nothing came for {self._pace.silence:.0f} s"
                await asyncio.wait([task], timeout=self._pace.look)
            task.result()
        except (SourceError, SourceEnded):
            raise
        except Exception as error:
            return one_line(error)
        finally:
            task.cancel()
            await asyncio.wait([task], timeout=self._pace.closing)
        return "the source has closed it"

    async def _publish(self) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            while await self._publish_some():
                pass

    async def _publish_some(self) -> bool:
        """Publish changed quotes; return whether there were any."""
        quotes = self._book.take(QUOTES_A_CALL_MAX)
        if quotes:
            try:
                await self._send(quotes, confirmed=False)
            except VenueAway:
                self._book.put_back(quotes)
                self._changed.set()
                await asyncio.sleep(self._pace.look)
        return bool(quotes)

    async def _confirm(self) -> None:
        while True:
            await asyncio.sleep(self._pace.look)
            quotes = self._book.unchanged()
            for begin in range(0, len(quotes), QUOTES_A_CALL_MAX):
                with suppress(VenueAway):
                    await self._send(quotes[begin : begin + QUOTES_A_CALL_MAX], confirmed=True)

    async def _send(self, quotes: Sequence[Quote], *, confirmed: bool) -> None:
        try:
            refused = await self._venue.publish(quotes, confirmed=confirmed)
        except VenueAway as away:
            if not self._is_away:
                log.warning("The venue does not take quotes (%s); trying again.", one_line(away))
            self._is_away = True
            raise
        if self._is_away:
            log.info("The venue takes quotes again.")
        self._is_away = False
        for symbol, reason in refused:
            if reason == "SYMBOL_UNKNOWN" and symbol not in self._unknown:
                self._unknown.add(symbol)
                log.error("The venue has no instrument %s: its quotes are dropped.", symbol)
            elif reason not in REFUSALS_OF_REPETITION:
                self._book.counts.dropped[f"refused by the venue ({reason})"] += 1

    async def _summarize(self) -> None:
        told, untold, named = set[str](), list[str](), list[str]()
        while True:
            await asyncio.sleep(self._pace.summary)
            for line in _lines(self._book.take_counts()):
                log.warning("%s", line)
            if self._book.made_of_last - told:
                told |= self._book.made_of_last
                log.warning("%s", _made_of_last(sorted(told)))
            before, untold = untold, self._book.untold
            # A connection that has just begun has told nothing yet.
            if untold and untold == before != named:
                named = untold
                log.warning("The source has told no price of %s", _shown(untold))


def _lines(counts: Counts) -> list[str]:
    lines = []
    dropped = counts.dropped.total()
    if dropped:
        kinds = ", ".join(f"{count} {kind}" for kind, count in counts.dropped.most_common())
        lines.append(f"Dropped {dropped} of {counts.ticks} ticks: {kinds}.")
    if counts.ahead:
        lines.append(f"{counts.ahead} ticks were ahead of this machine's clock: is it right?")
    return lines


def _made_of_last(symbols: Sequence[str]) -> str:
    return (
        f"{len(symbols)} symbols have no bid and ask: their quotes are made of the last price,"
        f" with a spread of 0.1 % ({_shown(symbols)})."
    )


def _shown(symbols: Sequence[str]) -> str:
    return ", ".join(symbols[:SYMBOLS_SHOWN]) + (", …" if symbols[SYMBOLS_SHOWN:] else "")


async def _first_of(parts: Sequence[Coroutine[object, object, None]]) -> None:
    """Run parts until one of them raises; raise that, after the others have ended."""
    tasks = [asyncio.ensure_future(part) for part in parts]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in done:
        task.result()


FEED_ERRORS = (SourceError, VenueRefused)
"""What ends a feed for good; each says why in one line."""
