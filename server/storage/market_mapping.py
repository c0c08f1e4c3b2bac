"""Rows of quotes and bars, and their mapping to the tables, both ways."""

from typing import Any

from sqlalchemy import Row

from server.domain.bar import Bar, BarInterval
from server.domain.quote import BAR_AHEAD, Quote
from server.storage.mapping import Values

_QUOTE_COLUMNS = [name for name in Quote.__slots__ if name not in (*BAR_AHEAD, "is_indicative")]
"""What a bar still does after a quote is not stored: a replay reads its file again."""


def quote_values(quote: Quote, minute: Bar) -> Values:
    """Return the row of a quote and the minute that it is in."""
    return {
        "symbol": quote.symbol,
        "bid": quote.bid,
        "bid_size": quote.bid_size,
        "ask": quote.ask,
        "ask_size": quote.ask_size,
        "last": quote.last,
        "time": quote.time,
        "sequence": quote.sequence,
        "minute_open": minute.open,
        "minute_high": minute.high,
        "minute_low": minute.low,
    }


def quote_from(row: Row[Any]) -> Quote:
    """Return the quote of a row."""
    return Quote(**{name: row._mapping[name] for name in _QUOTE_COLUMNS})


def minute_from(row: Row[Any]) -> Bar:
    """Return the minute that the quote of a row is in."""
    return Bar(
        symbol=row.symbol,
        start=BarInterval.ONE_MINUTE.begin(row.time),
        open=row.minute_open,
        high=row.minute_high,
        low=row.minute_low,
        close=row.last,
    )


def bar_values(interval: str, bar: Bar) -> Values:
    """Return the row of a bar."""
    return {
        "symbol": bar.symbol,
        "interval": interval,
        "start": bar.start,
        "open": bar.open,
        "high": bar.high,
        "low": bar.low,
        "close": bar.close,
    }
