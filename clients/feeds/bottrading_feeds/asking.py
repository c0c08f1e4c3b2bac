"""Commands that ask a source and end: their arguments, and what happens when it does not answer."""

import asyncio
import os
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Awaitable, Callable
from typing import TypeVar

from bottrading_feeds.logs import plain
from bottrading_feeds.port import Source, SourceError
from bottrading_feeds.sources import forms, open_source

URLS_VARIABLE = "BOTTRADING_FEED_URLS"
CURRENCIES_VARIABLE = "BOTTRADING_USD_EQUIVALENT"
TRIES = 5
FIRST_WAIT_SECONDS = 1.0

T = TypeVar("T")


def add_source(parser: ArgumentParser, symbols: str = "+") -> None:
    """Add the arguments that name a source, its symbols and what counts as US dollars.

    `symbols` is how many symbols there may be, as argparse writes it.
    """
    parser.add_argument("source", metavar="SOURCE", help=f"one of {', '.join(forms())}")
    parser.add_argument(
        "symbols", metavar="SYMBOL", nargs=symbols, help="for instance BTC/USD or AAPL"
    )
    parser.add_argument(
        "--usd-equivalent",
        default=os.environ.get(CURRENCIES_VARIABLE, ""),
        metavar="USDT,…",
        help="currencies that count as US dollars",
    )


def given_symbols(given: Namespace) -> list[str]:
    """Return the symbols, which commas or spaces separate, each of them once."""
    parts = (part.strip() for text in given.symbols for part in text.split(","))
    return list(dict.fromkeys(filter(None, parts)))


def given_currencies(given: Namespace) -> frozenset[str]:
    """Return the currencies that count as US dollars."""
    parts = (part.strip().upper() for part in given.usd_equivalent.split(","))
    return frozenset(filter(None, parts))


def ask(name: str, work: Callable[[Source], Awaitable[T]]) -> T | None:
    """Open a source, do the work and close the source; tell in one line if that is impossible."""
    try:
        return asyncio.run(_ask(name, work))
    except SourceError as error:
        told(str(error))
    except KeyboardInterrupt:
        told("stopped")
    return None


def told(message: str) -> None:
    """Tell a person something, in one line that is not part of the output."""
    sys.stderr.write(f"bottrading: {message}\n")


async def patiently(
    work: Callable[[], Awaitable[T]],
    *,
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    is_worth_it: Callable[[], bool] = lambda: False,
) -> T:
    """Do the work, again after a while when it fails, at most five times in a row.

    `is_worth_it` tells after a failure whether the work had gone on before it failed; if so, it
    counts as the first failure. Raises SourceError after the last one.
    """
    failures = 0
    while True:
        try:
            return await work()
        except SourceError:
            raise
        except Exception as error:
            failures = 1 if is_worth_it() else failures + 1
            if failures >= TRIES:
                reason = plain(f"{type(error).__name__}: {error}")[:300]
                raise SourceError(f"the source does not answer: {reason}") from error
            await sleep(FIRST_WAIT_SECONDS * 2 ** (failures - 1))


async def _ask(name: str, work: Callable[[Source], Awaitable[T]]) -> T:
    source = open_source(name, urls=os.environ.get(URLS_VARIABLE, ""))
    try:
        return await patiently(lambda: work(source))
    finally:
        await source.close()
