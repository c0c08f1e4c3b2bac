"""One feed from its beginning to its end: its instruments, then its prices."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import TypeVar

from bottrading_feeds.book import Book
from bottrading_feeds.logs import one_line
from bottrading_feeds.port import Listing, Source, SourceEnded, SourceError
from bottrading_feeds.publisher import Publisher, VenueAway, VenueRefused
from bottrading_feeds.runner import Pace, Pauses, Runner
from bottrading_feeds.sources import open_source, row_of
from bottrading_feeds.tokens import PipedTokens, environment_token
from bottrading_feeds.universe import listed

log = logging.getLogger(__name__)

URLS_VARIABLE = "BOTTRADING_FEED_URLS"
SYMBOLS_SHOWN = 10

Result = TypeVar("Result")


async def run_feed(
    name: str,
    symbols: Sequence[str],
    usd_equivalent: Collection[str] = (),
    *,
    target: str,
    tokens_from: int | None,
    environment: Mapping[str, str],
) -> None:
    """Feed a venue with a source's prices until the source ends, or until cancelled.

    `tokens_from` is the descriptor of a pipe to read tokens from; None means that of the
    environment. Raises SourceError, VenueRefused and NoToken, each with one line for a person.
    """
    if not symbols and row_of(name).describes_instruments:
        raise SourceError(f"name the symbols that {name} is to feed")
    source = open_source(name, urls=environment.get(URLS_VARIABLE, ""))
    try:
        token = await _token(tokens_from, environment)
        async with Publisher(target, token) as venue:
            listings = await _listings(name, source, symbols, usd_equivalent, venue)
            changed = asyncio.Event()
            book = Book(listings, lambda: datetime.now(UTC), time.monotonic, changed.set)
            await Runner(name, source, listings, book, venue, changed).run()
    finally:
        await source.close()


async def _token(tokens_from: int | None, environment: Mapping[str, str]) -> Callable[[], str]:
    if tokens_from is None:
        return environment_token(environment)
    feed = asyncio.current_task()

    def stop() -> None:
        if feed is not None:
            feed.cancel()

    # When the parent is gone, nobody would end or renew this feed.
    tokens = PipedTokens(tokens_from, stop)
    await tokens.wait()
    return tokens


async def _listings(
    name: str,
    source: Source,
    symbols: Sequence[str],
    usd_equivalent: Collection[str],
    venue: Publisher,
) -> list[Listing]:
    """Return the listings to feed: those of the source, if the venue has them."""
    traded = {it.symbol: it for it in await _patiently("the venue", venue.listings)}
    if row_of(name).describes_instruments:
        listings = await _patiently(name, lambda: listed(source, symbols, usd_equivalent))
        missing = [it.symbol for it in listings if it.symbol not in traded]
    elif symbols:
        known = {symbol: traded.get(_normalized(symbol)) for symbol in symbols}
        listings = [_called(it, symbol) for symbol, it in known.items() if it is not None]
        missing = [symbol for symbol, it in known.items() if it is None]
    else:
        listings, missing = list(traded.values()), []
    if missing:
        shown = ", ".join(missing[:SYMBOLS_SHOWN]) + (", …" if missing[SYMBOLS_SHOWN:] else "")
        raise SourceError(
            f"the venue has no instrument {shown}: start it with a universe file that has them"
        )
    return listings


def _normalized(symbol: str) -> str:
    return symbol.strip().upper().replace("/", "-")


def _called(listing: Listing, symbol: str) -> Listing:
    return replace(listing, source_symbol=symbol)


async def _patiently(who: str, ask: Callable[[], Awaitable[Result]]) -> Result:
    """Ask until there is an answer, with growing pauses."""
    pauses = Pauses(Pace())
    while True:
        try:
            return await ask()
        except (SourceError, SourceEnded, VenueRefused):
            raise
        except VenueAway as error:
            why = one_line(error)
        except Exception as error:
            why = f"{type(error).__name__}: {one_line(error)}"
        pause = pauses.after(0)
        log.warning(
            "%s does not tell its instruments (%s); trying again in %.1f s.", who, why, pause
        )
        await asyncio.sleep(pause)
