"""Universe files from a source: the instruments of a venue, with the source's ticks and steps."""

import json
import os
import re
import sys
import tomllib
from argparse import ArgumentParser
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import ROUND_CEILING, Decimal
from pathlib import Path

from bottrading_feeds.asking import add_source, ask, given_currencies, given_symbols, told
from bottrading_feeds.port import Listing, Source, SourceError

DOLLARS = "USD"
FINEST = Decimal("0.00000001")
"""The smallest price tick and quantity step that a venue can have."""

EXCHANGE_HOURS = "exchange"

OPTION = "OPTION"
"""The asset type whose entries are named after their underlyings, and which no source has."""

_OPTION = re.compile("(?P<root>[A-Z0-9]+)[0-9]{6}[CP][0-9]{8}")
_PLAIN_KEY = re.compile("[A-Za-z0-9_-]+")

Fields = dict[str, object]
Entries = dict[str, dict[str, Fields]]
"""The fields of each symbol, by the asset type and the symbol."""


@dataclass(frozen=True, slots=True)
class Made:
    """A universe file: its text, and what a person should know of it, a line each."""

    text: str
    notes: tuple[str, ...]


def main() -> int:
    """Run the command `bottrading universe`; return its exit status."""
    parser = ArgumentParser(
        prog="bottrading universe",
        description="Print a source's instruments as a file for BOTTRADING_UNIVERSE_FILE.",
    )
    add_source(parser)
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help="write or renew this file instead of printing"
    )
    parser.add_argument(
        "--keep",
        default="",
        metavar="SYMBOL,…",
        help="instruments that stay in the file as they are, because accounts use them",
    )
    parser.add_argument(
        "--keep-from",
        type=Path,
        metavar="FILE",
        help="where those instruments are as long as the file of --out does not exist",
    )
    given = parser.parse_args()

    async def make(source: Source) -> Made:
        listings = await listed(source, given_symbols(given), given_currencies(given))
        stored = _read(given.out) or _read(given.keep_from)
        return universe_file(listings, given.source, stored, _keep(given.keep))

    made = ask(given.source, make)
    if made is None:
        return 1
    for note in made.notes:
        told(note)
    if given.out is None:
        sys.stdout.write(made.text)
    else:
        write_whole(given.out, made.text)
    return 0


async def listed(
    source: Source, symbols: Sequence[str], usd_equivalent: Collection[str] = ()
) -> list[Listing]:
    """Return what a source says of symbols, as a venue in US dollars lists it.

    A pair in one of the currencies that count as US dollars becomes a pair in them: `BTC/USDT` is
    listed as `BTC-USD`. Raises SourceError for a pair in any other currency, and for two pairs that
    become the same.
    """
    found = [in_dollars(it, usd_equivalent) for it in await source.instruments(symbols)]
    by_symbol: dict[str, Listing] = {}
    for listing in found:
        other = by_symbol.setdefault(listing.symbol, listing)
        if other is not listing:
            raise SourceError(
                f"{other.source_symbol} and {listing.source_symbol} are both {listing.symbol}:"
                " leave one of them out"
            )
    return found


def in_dollars(listing: Listing, usd_equivalent: Collection[str]) -> Listing:
    """Return a listing under its symbol in US dollars; raise SourceError if it is not in them."""
    if listing.currency == DOLLARS:
        return listing
    if listing.currency not in usd_equivalent:
        raise SourceError(
            f"{listing.source_symbol} is quoted in {listing.currency}: choose a pair in US dollars,"
            f" or count {listing.currency} as US dollars with --usd-equivalent {listing.currency}"
        )
    base = listing.symbol.removesuffix(f"-{listing.currency}").removesuffix(f"-{DOLLARS}")
    return replace(listing, symbol=f"{base}-{DOLLARS}")


def universe_file(
    listings: Iterable[Listing],
    source: str,
    stored: str | None = None,
    keep: Collection[str] = (),
) -> Made:
    """Return the universe file of listings.

    `stored` is the file as it was. Its instruments that `keep` names stay as they are. Raises
    SourceError if it cannot be read.
    """
    old = _entries(stored)
    entries: Entries = {}
    found, has_hours = list(listings), False
    kept = {symbol for lines in old.values() for symbol in lines} & _used(keep, old)
    for listing in found:
        has_hours |= listing.session == EXCHANGE_HOURS
        if listing.symbol not in kept:
            entries.setdefault(listing.asset_type, {})[listing.symbol] = _fields(listing)
    for asset_type, lines in old.items():
        stays = {symbol: fields for symbol, fields in lines.items() if symbol in kept}
        if stays:
            entries[asset_type] = stays | entries.get(asset_type, {})
    new = {it.symbol: (it.asset_type, _fields(it)) for it in found}
    text = "".join(_lines(entries, source, has_hours=has_hours))
    return Made(text, tuple(_changes(old, kept, new)))


def write_whole(path: Path, text: str) -> None:
    """Replace a file at once: whoever reads it sees all of the old text or all of the new."""
    new = path.with_name(f"{path.name}.new")
    with new.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)


def _read(path: Path | None) -> str | None:
    try:
        return None if path is None else path.read_text("utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(f"{path}: cannot be read: {error}") from None


def _keep(text: str) -> set[str]:
    return set(filter(None, text.split(",")))


def _used(keep: Collection[str], old: Entries) -> set[str]:
    """Return symbols that are used, with the underlyings of the options among them."""
    roots = {found["root"] for found in map(_OPTION.fullmatch, keep) if found is not None}
    chains = {it for it in old.get(OPTION, {}) if re.sub("[^A-Z0-9]", "", it.upper()) in roots}
    return chains.union(keep)


def _entries(stored: str | None) -> Entries:
    try:
        document = tomllib.loads(stored or "", parse_float=Decimal)
    except tomllib.TOMLDecodeError as error:
        raise SourceError(f"the file is not a universe: {error}") from None
    for lines in document.values():
        if not isinstance(lines, dict) or not all(isinstance(it, dict) for it in lines.values()):
            raise SourceError("the file is not a universe: it needs a table for each asset type")
    return document


def _fields(listing: Listing) -> Fields:
    fields: Fields = {
        "name": listing.name if listing.name.strip() else listing.symbol,
        "price_tick": _representable(listing.price_tick),
        "quantity_step": _representable(listing.quantity_step),
    }
    if listing.currency != DOLLARS:
        fields["quote_currency"] = listing.currency
    return fields


def _representable(step: Decimal) -> Decimal:
    """Return a step as a venue can show it: one with more decimals becomes coarser."""
    multiple = (step / FINEST).to_integral_value(ROUND_CEILING) * FINEST
    return Decimal(f"{multiple.normalize():f}")


def _changes(
    old: Entries, kept: Collection[str], new: Mapping[str, tuple[str, Fields]]
) -> Iterator[str]:
    """Tell where the source no longer agrees with what stays."""
    for asset_type, lines in old.items():
        for symbol, fields in lines.items():
            if symbol not in kept or asset_type == OPTION:
                continue
            if symbol not in new:
                yield f"{symbol} stays listed without quotes, because accounts use it"
                continue
            now_type, now = new[symbol]
            changed = [
                f"{name} {_value(fields.get(name))} (the source says {_value(now.get(name))})"
                for name in ("price_tick", "quantity_step", "quote_currency")
                if fields.get(name) != now.get(name)
            ]
            if now_type != asset_type:
                changed.append(f"the type {asset_type} (the source says {now_type})")
            if changed:
                yield f"{symbol} keeps {', '.join(changed)}, because accounts use it"


def _lines(entries: Entries, source: str, *, has_hours: bool) -> Iterator[str]:
    yield f"# Instruments of {source}, as `bottrading universe` found them.\n"
    if has_hours:
        yield "# Some trade in the hours of their exchange: set BOTTRADING_SESSIONS=exchange.\n"
    for asset_type, lines in entries.items():
        yield f"\n[{asset_type}]\n"
        for symbol, fields in lines.items():
            key = symbol if _PLAIN_KEY.fullmatch(symbol) else _text(symbol)
            inner = ", ".join(f"{name} = {_value(value)}" for name, value in fields.items())
            yield f"{key} = {{ {inner} }}\n"


def _value(value: object) -> str:
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, list):
        return f"[{', '.join(map(_value, value))}]"
    return "none" if value is None else str(value)


def _text(text: str) -> str:
    # Without characters that need an escape, a string of JSON is one of TOML.
    return json.dumps("".join(filter(str.isprintable, text)), ensure_ascii=False)


if __name__ == "__main__":
    sys.exit(main())
