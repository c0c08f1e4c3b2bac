"""The book: the newest quote of each symbol, made from those ticks that can be trusted."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import ROUND_CEILING, ROUND_DOWN, ROUND_FLOOR, Decimal

from bottrading_feeds.port import Alive, Listing, Tick, Unreadable

CONFIRM_SECONDS = 5.0
"""A quote that has not changed is confirmed this often."""
QUIET_SECONDS = 15.0
"""Without a sign of life for this long, nothing is confirmed any more."""
LATE = timedelta(seconds=10)
"""A tick this old, that is not the first of its connection, shows that the source lags."""
AHEAD = timedelta(seconds=1)
"""A source's clock may be this far ahead of ours."""

SPREAD = Decimal("0.001")
"""The spread around a last price that has no bid and ask: a thousandth of it, half on each side."""
SIZE_NOTIONAL = Decimal(10_000)
"""The value, in dollars, of a size that the source does not tell."""

SMALLEST = Decimal("0.00000001")
PRICE_LIMIT = Decimal(10_000_000_000)
SIZE_MAX = Decimal(1_000_000_000)

UNREADABLE, UNKNOWN, ONE_SIDED = "unreadable", "of unknown symbols", "without a price on both sides"
OUT_OF_RANGE, CROSSED, OUT_OF_ORDER = "out of range", "crossed", "out of order"


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """A quote to publish; (time, sequence) grow with each quote of a symbol."""

    symbol: str
    bid: Decimal
    bid_size: Decimal
    ask: Decimal
    ask_size: Decimal
    last: Decimal | None
    time: datetime
    sequence: int
    is_indicative: bool
    """Whether bid and ask are made of the last price."""

    @property
    def shown(self) -> tuple[Decimal, Decimal, Decimal, Decimal, Decimal | None]:
        """Return what the quote says, without when."""
        return self.bid, self.bid_size, self.ask, self.ask_size, self.last


@dataclass(slots=True)
class _Symbol:
    """What is known of a symbol; `known` is what this connection has told of it."""

    listing: Listing
    known: Tick | None = None
    quote: Quote | None = None
    holds: bool = False
    told_at: float = 0.0


@dataclass(slots=True)
class Counts:
    """What was told and what was dropped, since the counts were last taken."""

    ticks: int = 0
    published: int = 0
    ahead: int = 0
    dropped: Counter[str] = field(default_factory=Counter)


class Book:
    """Takes ticks, and gives the newest quote of each symbol that changed: never a backlog.

    A quote holds while its connection is alive and nothing newer is known of its symbol. `now` is
    the time, `monotonic` counts seconds.
    """

    def __init__(
        self,
        listings: Sequence[Listing],
        now: Callable[[], datetime],
        monotonic: Callable[[], float],
        on_change: Callable[[], None] = lambda: None,
    ) -> None:
        self._symbols = {listing.symbol: _Symbol(listing) for listing in listings}
        self._now = now
        self._monotonic = monotonic
        self._on_change = on_change
        self._changed: dict[str, Quote] = {}
        self._is_connected = False
        self.heard = monotonic()
        """When the source last gave a sign of life."""
        self.counts = Counts()
        self.made_of_last = set[str]()
        """The symbols whose quotes are made of a last price."""

    @property
    def silence(self) -> float:
        """Return the seconds since the last sign of life."""
        return self._monotonic() - self.heard

    @property
    def untold(self) -> list[str]:
        """Return the symbols of which this connection has told nothing."""
        return [name for name, symbol in self._symbols.items() if symbol.known is None]

    def connect(self) -> None:
        """Begin a connection: what earlier ones told no longer counts."""
        self._is_connected, self.heard = True, self._monotonic()
        for symbol in self._symbols.values():
            symbol.known, symbol.holds = None, False

    def disconnect(self) -> None:
        """End the connection: no quote is confirmed until the next one tells of it."""
        self._is_connected = False

    def tell(self, told: Tick | Unreadable | Alive) -> None:
        """Take what a source tells; ticks that cannot be trusted are dropped and counted."""
        self.heard = self._monotonic()
        if isinstance(told, Alive):
            return
        self.counts.ticks += 1
        symbol = self._symbols.get(told.symbol) if isinstance(told, Tick) else None
        if isinstance(told, Unreadable):
            why: str | None = UNREADABLE
        elif symbol is None:
            why = UNKNOWN
        else:
            try:
                why = self._take(symbol, told)
            except (ArithmeticError, TypeError, ValueError, AttributeError):
                why = UNREADABLE
        if why is not None:
            self.counts.dropped[why] += 1
            # Something newer than the quote is known, and it is not known what.
            if symbol is not None and why != OUT_OF_ORDER:
                symbol.holds = False
                if symbol.known is not None and why in (UNREADABLE, OUT_OF_RANGE):
                    # Later ticks need not tell a last price: a bad one must not spoil them.
                    symbol.known = replace(symbol.known, last=None)

    def take(self, limit: int) -> list[Quote]:
        """Remove and return changed quotes, those first that have waited longest."""
        taken = [self._changed.pop(symbol) for symbol in list(self._changed)[:limit]]
        at = self._monotonic()
        for quote in taken:
            self._symbols[quote.symbol].told_at = at
        self.counts.published += len(taken)
        return taken

    def put_back(self, quotes: Iterable[Quote]) -> None:
        """Return quotes that could not be published, unless there are newer ones."""
        for quote in quotes:
            self._changed.setdefault(quote.symbol, quote)

    def unchanged(self) -> list[Quote]:
        """Return the quotes that still hold and are due to be confirmed."""
        at = self._monotonic()
        if not self._is_connected or self.silence > QUIET_SECONDS:
            return []
        due = []
        for symbol in self._symbols.values():
            quote = symbol.quote
            if quote is None or not symbol.holds or quote.symbol in self._changed:
                continue
            if at - symbol.told_at >= CONFIRM_SECONDS:
                symbol.told_at = at
                due.append(quote)
        return due

    def take_counts(self) -> Counts:
        """Return the counts, and begin new ones."""
        taken, self.counts = self.counts, Counts()
        return taken

    def _take(self, symbol: _Symbol, tick: Tick) -> str | None:
        """Take a tick of a symbol; return why it was dropped, None if it was not."""
        now, is_first, before = self._now(), symbol.known is None, symbol.quote
        time = now if tick.time is None else tick.time.astimezone(UTC)
        if time > now + AHEAD:
            self.counts.ahead += 1
            time = now
        if before is not None and time < before.time:
            # A connection begins with what holds, which may be from before the last tick.
            if not is_first and tick.time is not None:
                # If the source's clock was set back, its newest prices are dropped until it catches
                # up. Nobody can tell that from a tick that comes late.
                symbol.holds &= before.time - time <= LATE
                return OUT_OF_ORDER
            time = before.time
        merged = symbol.known = _merged(symbol.known, tick)
        made = self._made(symbol.listing, merged)
        if isinstance(made, str):
            return made
        symbol.holds = is_first or now - time <= LATE
        if before is not None and before.shown == made:
            return None
        bid, bid_size, ask, ask_size, last = made
        microseconds = int(now.timestamp() * 1_000_000)
        symbol.quote = self._changed[tick.symbol] = Quote(
            symbol=tick.symbol,
            bid=bid,
            bid_size=bid_size,
            ask=ask,
            ask_size=ask_size,
            last=last,
            time=time,
            # Grows also over restarts of the feed.
            sequence=max(microseconds, before.sequence + 1 if before else 0),
            is_indicative=merged.bid is None and merged.ask is None,
        )
        self._on_change()
        return None

    def _made(
        self, listing: Listing, tick: Tick
    ) -> tuple[Decimal, Decimal, Decimal, Decimal, Decimal | None] | str:
        """Return what a quote of a tick shows, or why there is none."""
        bid, ask, last = tick.bid, tick.ask, tick.last
        if bid is None and ask is None and last is not None:
            self.made_of_last.add(listing.symbol)
            tick_size = listing.price_tick
            bid = (last * (1 - SPREAD / 2) / tick_size).to_integral(ROUND_FLOOR) * tick_size
            ask = (last * (1 + SPREAD / 2) / tick_size).to_integral(ROUND_CEILING) * tick_size
        if bid is None or ask is None:
            return ONE_SIDED
        prices = [bid, ask] if last is None else [bid, ask, last]
        if not all(price.is_finite() for price in prices) or max(prices) >= PRICE_LIMIT:
            return OUT_OF_RANGE
        bid, ask = bid.quantize(SMALLEST, ROUND_FLOOR), ask.quantize(SMALLEST, ROUND_CEILING)
        last = None if last is None else last.quantize(SMALLEST)
        if min(prices) <= 0 or bid <= 0 or last == 0:
            return ONE_SIDED
        if ask >= PRICE_LIMIT or (last is not None and last >= PRICE_LIMIT):
            return OUT_OF_RANGE
        if bid > ask:
            return CROSSED
        bid_size, ask_size = _size(tick.bid_size, listing, bid), _size(tick.ask_size, listing, ask)
        if bid_size is None or ask_size is None:
            return OUT_OF_RANGE
        return bid, bid_size, ask, ask_size, last


def _merged(known: Tick | None, tick: Tick) -> Tick:
    """Return what a connection tells of a symbol, when a tick may tell a part of it."""
    if known is None or None not in (tick.bid, tick.bid_size, tick.ask, tick.ask_size, tick.last):
        return tick
    return Tick(
        symbol=tick.symbol,
        bid=known.bid if tick.bid is None else tick.bid,
        bid_size=known.bid_size if tick.bid is None and tick.bid_size is None else tick.bid_size,
        ask=known.ask if tick.ask is None else tick.ask,
        ask_size=known.ask_size if tick.ask is None and tick.ask_size is None else tick.ask_size,
        last=known.last if tick.last is None else tick.last,
        time=tick.time,
    )


def _size(size: Decimal | None, listing: Listing, price: Decimal) -> Decimal | None:
    """Return a size that the venue takes, by default one of a fixed value; None for no size."""
    if size is None:
        step = listing.quantity_step
        size = max((SIZE_NOTIONAL / price / step).to_integral(ROUND_DOWN), Decimal(1)) * step
    if not size.is_finite() or size < 0:
        return None
    return min(size, SIZE_MAX).quantize(SMALLEST, ROUND_DOWN)
