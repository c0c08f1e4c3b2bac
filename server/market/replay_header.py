"""The first line of a replay file: its columns, under any of their usual names."""

from collections.abc import Sequence
from dataclasses import dataclass

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
"""Columns of their files that a replay ignores."""


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
    the places of the columns of the shape, in its order; `unused` names the others.
    """

    shape: Shape
    separator: str
    width: int
    is_padded: bool
    at: tuple[int, ...]
    unused: tuple[str, ...]


def read_header(line: str, shapes: Sequence[Shape]) -> Header:
    """Read the first line of a file; raise HeaderError for one that names no columns."""
    separator = max(SEPARATORS, key=lambda separator: _likeness(line, separator, shapes))
    written = line.split(separator)
    columns = [_column(name) for name in written]
    shape = max(shapes, key=lambda shape: len({*shape.required} & {*columns}))
    known = (*shape.required, shape.optional)
    if '"' in line:
        raise HeaderError("fields must not be quoted: write them without quotation marks")
    if not {*columns} & {*known}:
        raise HeaderError(f"names no columns: write {' or '.join(map(_columns, shapes))}")
    for number, (name, column) in enumerate(zip(written, columns, strict=True)):
        if column not in known and column not in _UNUSED:
            raise HeaderError(f"{name!r}: is not a column of {shape.name}: write {_columns(shape)}")
        if column in columns[:number]:
            raise HeaderError(f"{column}: must not occur twice")
    for column in shape.required:
        if column not in columns:
            hint = ": every row needs one, such as AAPL" if column == "symbol" else ""
            raise HeaderError(f"{column}: is missing{hint}")
    return Header(
        shape=shape,
        separator=separator,
        width=len(columns),
        is_padded=any(name != name.strip() for name in written),
        at=tuple(columns.index(column) for column in known if column in columns),
        unused=tuple(
            name.strip() for name, column in zip(written, columns, strict=True) if column in _UNUSED
        ),
    )


def _columns(shape: Shape) -> str:
    return f"{','.join(shape.required)} and perhaps {shape.optional}"


def _likeness(line: str, separator: str, shapes: Sequence[Shape]) -> int:
    known = {column for shape in shapes for column in (*shape.required, shape.optional)}
    return len(known & set(map(_column, line.split(separator))))


def _column(name: str) -> str:
    plain = name.strip().lower().replace(" ", "_")
    return _OTHER_NAMES.get(plain, plain)
