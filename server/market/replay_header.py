"""The first line of a replay file: its columns, under any of their usual names."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

SEPARATORS = ",;\t"

_OTHER_NAMES = {
    "date": "time",
    "datetime": "time",
    "timestamp": "time",
    "open_time": "time",
    "ticker": "symbol",
    "vol": "volume",
}
"""Names of the columns at Yahoo, Binance and others, in lower case and with `_` for spaces."""

_UNUSED = {
    "",
    "index",
    "unnamed:_0",
    "trade_count",
    "vwap",
    "adj_close",
    "dividends",
    "stock_splits",
    "capital_gains",
    "close_time",
    "quote_volume",
    "quote_asset_volume",
    "count",
    "number_of_trades",
    "taker_buy_volume",
    "taker_buy_base_volume",
    "taker_buy_base_asset_volume",
    "taker_buy_quote_volume",
    "taker_buy_quote_asset_volume",
    "ignore",
}
"""Columns of such files that a replay ignores, and the unnamed one in which pandas counts rows."""

_BINANCE = (
    *("open_time", "open", "high", "low", "close", "volume", "close_time", "quote_volume", "count"),
    *("taker_buy_volume", "taker_buy_quote_volume", "ignore"),
)
"""The columns of Binance's files of bars, which do not name them."""

_NUMBER = re.compile("[0-9]+(?:[.][0-9]+)?")


class HeaderError(ValueError):
    """The line does not name columns that can be played; the message says what is wrong."""


@dataclass(frozen=True, slots=True)
class Shape:
    """The columns of a kind of file; rows give their fields in this order."""

    name: str
    required: tuple[str, ...]
    optional: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """What the first line says about the rows.

    A row has `width` fields between separators, with spaces around them if it `is_padded`. `at` are
    the places of the columns of the shape, in its order; `unused` names the others. If
    `has_symbols`, a column says the symbol of each row. Otherwise the symbol's place is after the
    last field, and `symbol` is that of all rows, if the header says it. `names_columns` is false if
    the first line is already a row.
    """

    shape: Shape
    separator: str
    width: int
    is_padded: bool
    at: tuple[int, ...]
    unused: tuple[str, ...]
    has_symbols: bool = True
    symbol: str | None = None
    names_columns: bool = True


def read_header(lines: Iterator[str], shapes: Sequence[Shape]) -> Header | None:
    """Read the first lines of a file up to its columns; None if there are none.

    Raise HeaderError for a line that names no columns.
    """
    line = next(lines, None)
    if line is None:
        return None
    fields = line.split(",")
    if len(fields) == len(_BINANCE) and all(map(_NUMBER.fullmatch, fields)):
        return replace(_header(",", _BINANCE, shapes), unused=(), names_columns=False)
    separator = max(SEPARATORS, key=lambda separator: _likeness(line, separator, shapes))
    names = line.split(separator)
    if _bare(names[0]).lower() == "price":
        return _yfinance_header(separator, names, lines, shapes)
    return _header(separator, names, shapes)


def _yfinance_header(
    separator: str, prices: Sequence[str], lines: Iterator[str], shapes: Sequence[Shape]
) -> Header:
    """Read the header of three lines that yfinance writes: prices, tickers, and the name of times.

    The lines after the first are `Ticker,AAPL,AAPL,…` and `Date,,,…`.
    """
    tickers = next(lines, "").split(separator)
    if len(tickers) != len(prices) or tickers[0].lower() != "ticker":
        return _header(separator, prices, shapes)
    if len({*tickers[1:]}) != 1:
        raise HeaderError("names several symbols: write a row for each bar of each symbol")
    time, *_ = next(lines, "").split(separator)
    return replace(_header(separator, [time, *prices[1:]], shapes), symbol=tickers[1])


def other_separator(line: str, separator: str) -> str | None:
    """Return the separator that a line has instead of `separator`; None if it has that one."""
    if separator in line:
        return None
    return next((other for other in SEPARATORS if other in line), None)


def _header(separator: str, written: Sequence[str], shapes: Sequence[Shape]) -> Header:
    columns = [_column(name) for name in written]
    shape = max(shapes, key=lambda shape: len({*shape.required} & {*columns}))
    known = (*shape.required, shape.optional)
    if not {*columns} & {*known}:
        raise HeaderError(f"names no columns: write {' or '.join(map(_columns, shapes))}")
    for number, (name, column) in enumerate(zip(written, columns, strict=True)):
        if column not in known and column not in _UNUSED:
            raise HeaderError(f"{name!r}: is not a column of {shape.name}: write {_columns(shape)}")
        if column in columns[:number] and column not in _UNUSED:
            raise HeaderError(f"{column}: must not occur twice")
    for column in shape.required:
        if column not in columns and column != "symbol":
            raise HeaderError(f"{column}: is missing")
    has_symbols = "symbol" in columns
    places = columns if has_symbols else [*columns, "symbol"]
    return Header(
        shape=shape,
        separator=separator,
        width=len(columns),
        is_padded=any(name != name.strip() for name in written),
        at=tuple(places.index(column) for column in known if column in places),
        unused=tuple(
            _bare(name) for name, column in zip(written, columns, strict=True) if column in _UNUSED
        ),
        has_symbols=has_symbols,
    )


def _columns(shape: Shape) -> str:
    return f"{','.join(shape.required)} and perhaps {shape.optional}"


def _likeness(line: str, separator: str, shapes: Sequence[Shape]) -> int:
    known = {column for shape in shapes for column in (*shape.required, shape.optional)}
    return len(known & set(map(_column, line.split(separator))))


def _column(name: str) -> str:
    plain = _bare(name).lower().replace(" ", "_")
    return _OTHER_NAMES.get(plain, plain)


def _bare(name: str) -> str:
    return name.strip().strip('"').strip()
