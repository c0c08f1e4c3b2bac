"""What the service answers about the market, as values in the form that `models` describes."""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from bottrading_client.enums import AssetType, LiquidityClass, OptionRight


@dataclass(frozen=True, slots=True, kw_only=True)
class Instrument:
    """What can be traded; an amount of money is quantity × price × multiplier."""

    symbol: str
    name: str
    asset_type: AssetType
    price_tick: Decimal
    quantity_step: Decimal
    multiplier: Decimal
    liquidity_class: LiquidityClass
    currency: str
    underlying: str | None
    strike: Decimal | None
    expiry: date | None
    option_right: OptionRight | None
    quote_currency: str
    marginable: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """The newest quote of an instrument."""

    symbol: str
    bid: Decimal
    bid_size: Decimal
    ask: Decimal
    ask_size: Decimal
    last: Decimal
    time: datetime
    sequence: int
    stale: bool
    indicative: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """Open, high, low and close over an interval that begins at `start`."""

    symbol: str
    start: datetime
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    complete: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketSession:
    """The trading session of one asset type; it never closes where `next_close` is None."""

    asset_type: AssetType
    open: bool
    next_open: datetime | None
    next_close: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LockStep:
    """Whom the clock of a lock-step replay waits for, as numbers of accounts."""

    participants: int
    joined: int
    awaited: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayProgress:
    """The span of a replay, and its seconds per real second, or whom its clock waits for."""

    starts_at: datetime
    ends_at: datetime
    speed: float
    lock_step: LockStep | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketClock:
    """The trading sessions of all asset types; `replay` is None unless the market is replayed."""

    time: datetime
    sessions: tuple[MarketSession, ...]
    replay: ReplayProgress | None
