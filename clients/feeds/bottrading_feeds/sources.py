"""The table of sources: a further source is one module and one row here."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import cast
from urllib.parse import urlsplit

from bottrading_feeds.port import Source, SourceError

Urls = Mapping[str, str]
"""Addresses to use instead of a source's own, by the source's names for them.

The address under the empty name is used for all that have none.
"""


@dataclass(frozen=True, slots=True)
class Row:
    """A kind of source: its module, and the package and the command that install it.

    The module has `open_source(argument: str, urls: Urls) -> Source`. It imports `package` at its
    top: without the package, the row says what to run. `argument` is what stands after the colon of
    the source's name; some can do without. A source that does not describe instruments is for
    those of the venue.
    """

    module: str
    package: str = ""
    setup: str = ""
    argument: str = ""
    needs_argument: bool = True
    describes_instruments: bool = True


SOURCES = {
    "alpaca": Row(
        "bottrading_feeds.alpaca_source", "alpaca", "make setup-alpaca", "sip", needs_argument=False
    ),
    "ccxt": Row("bottrading_feeds.ccxt_source", "ccxt", "make setup-ccxt", "EXCHANGE"),
    "lines": Row("bottrading_feeds.lines_source", describes_instruments=False),
}


def open_source(name: str, *, urls: str = "") -> Source:
    """Return the source of a name such as `ccxt:kraken`, `alpaca` or `lines`.

    `urls` replaces the source's addresses: `https://…` for all, or `name=https://…,name=wss://…`.
    Raises SourceError for an unknown name, and for a source that is not installed.
    """
    kind, _, argument = name.partition(":")
    row = row_of(name)
    addresses = parse_urls(urls)
    try:
        module = import_module(row.module)
    except ModuleNotFoundError as error:
        if not row.package or (error.name or "").partition(".")[0] != row.package:
            raise
        raise SourceError(f"{kind} needs the package {row.package}: run `{row.setup}`") from None
    return cast("Callable[[str, Urls], Source]", module.open_source)(argument, addresses)


def row_of(name: str) -> Row:
    """Return the row of a source's name; raise SourceError for a name that is not one."""
    kind, _, argument = name.partition(":")
    row = SOURCES.get(kind)
    if row is None:
        raise SourceError(f"{name!r} is not a source: choose one of {', '.join(forms())}")
    if bool(argument) != bool(row.argument) and (argument or row.needs_argument):
        raise SourceError(f"{name!r} is not a source: write {_form(kind, row)}")
    return row


def forms() -> list[str]:
    """Return how each source is written."""
    return [_form(kind, row) for kind, row in SOURCES.items()]


def parse_urls(text: str) -> Urls:
    """Read the value of BOTTRADING_FEED_URLS; raise SourceError for one that is no address."""
    urls: dict[str, str] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        named = "=" in part.partition("://")[0]
        name, _, url = part.partition("=") if named else ("", "", part)
        if not urlsplit(url).scheme or not urlsplit(url).netloc:
            raise SourceError(
                f"BOTTRADING_FEED_URLS: {part!r} is no address: write https://HOST:PORT, or"
                " NAME=https://HOST:PORT for each"
            )
        urls[name] = url
    return urls


def _form(kind: str, row: Row) -> str:
    if not row.argument:
        return kind
    return f"{kind}:{row.argument}" if row.needs_argument else f"{kind}[:{row.argument}]"
