"""The port for sources of prices: what a source tells, and how it is asked."""

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Protocol


class SourceError(Exception):
    """A source cannot be used, and another try would not help.

    The message is one line for a person: what is wrong, and what would be right.
    """


class SourceEnded(Exception):
    """A source has nothing more to tell, as a file that ends: the feed ends, too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """An instrument as its source describes it.

    `symbol` is the venue's: `BTC-USD`, `AAPL`. `source_symbol` is the source's: `BTC/USD`, `AAPL`.
    `asset_type` is a name of the contract: `CRYPTO`, `STOCK`, `ETF` or `FOREX`. `session` is
    `always-open` or `exchange`. `currency` is what the source quotes in, such as `USD` or `USDT`.
    """

    symbol: str
    source_symbol: str
    name: str
    asset_type: str
    price_tick: Decimal
    quantity_step: Decimal
    session: str
    currency: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """What a source says of a symbol at one moment; None where it says nothing.

    `symbol` is the venue's. `time` is that of the source, in UTC. A source that has no bid and ask
    gives `last` alone; the runner then makes a bid and an ask of it.
    """

    symbol: str
    bid: Decimal | None = None
    bid_size: Decimal | None = None
    ask: Decimal | None = None
    ask_size: Decimal | None = None
    last: Decimal | None = None
    time: datetime | None = None


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Something of the source that is no tick; `text` is its beginning, for the log."""

    text: str


@dataclass(frozen=True, slots=True)
class Alive:
    """A sign that the connection holds although no price has changed: a heartbeat, a pong."""


Tell = Callable[[Tick | Unreadable | Alive], None]
"""Takes what a source tells; it returns at once and never raises."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candle:
    """A finished bar of the source; `time` is its beginning, in UTC."""

    time: datetime
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal


class Source(Protocol):
    """A source of instruments, ticks and candles: one exchange, one broker, or one file.

    SourceError from any method ends the feed. Any other exception means that the connection is
    lost: the caller waits and tries again.
    """

    async def instruments(self, symbols: Sequence[str]) -> list[Listing]:
        """Return the listings of symbols, named as the source or as the venue does, in order.

        Raises SourceError that names the symbols that the source does not have.
        """
        ...

    async def stream(self, listings: Sequence[Listing], tell: Tell) -> None:
        """Tell ticks of the listings over one connection, until it is lost.

        The first ticks of a connection tell what holds now, for each listing that the source has a
        price of. A connection that tells nothing for 30 s counts as lost: a source whose markets
        may be quiet for longer tells Alive whenever its library knows that the connection holds.

        Returning means, as any exception but SourceError and SourceEnded does, that the connection
        is lost.
        """
        ...

    def candles(
        self, listing: Listing, interval: str, since: datetime, until: datetime
    ) -> AsyncIterator[Sequence[Candle]]:
        """Yield the candles that begin from `since` until before `until`, page by page, in order.

        `interval` is one of the venue's: 1m, 5m, 15m, 1h or 1d.
        """
        ...

    async def close(self) -> None:
        """Close what is open."""
        ...
