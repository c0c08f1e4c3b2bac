"""Listed options: chains that roll with the date, their symbols, expiries and prices."""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from statistics import NormalDist

from server.domain.instrument import (
    AssetType,
    Instrument,
    LiquidityClass,
    OptionRight,
    OptionTerms,
)
from server.domain.values import CENT, SCALE, Price, Units, format_units
from server.market.listing import Listing
from server.market.moments import day_start

LISTED_EXPIRIES = 2
MULTIPLIER = 100

STRIKE_STEP: Units = SCALE // 1000
STRIKE_LIMIT: Units = 100_000 * SCALE
"""A symbol has eight digits for the strike in thousandths, so strikes stay below this."""

_SYMBOL = re.compile(
    r"(?P<root>[A-Z0-9]{1,6})(?P<expiry>[0-9]{6})(?P<right>[CP])(?P<strike>[0-9]{8})"
)
_RIGHTS = {"C": OptionRight.CALL, "P": OptionRight.PUT}
_LETTERS = {right: letter for letter, right in _RIGHTS.items()}
_FRIDAY = 4
_NORMAL = NormalDist()


@dataclass(frozen=True, slots=True, kw_only=True)
class OptionChain:
    """The options on one underlying: strikes are fixed, expiries roll with the date."""

    underlying: Listing
    strikes: tuple[Units, ...]
    spread_bps: float
    liquidity_class: LiquidityClass

    @property
    def root(self) -> str:
        """Return the common prefix of the chain's symbols."""
        return symbol_root(self.underlying.instrument.symbol)

    def listings(self, day: date) -> Iterator[Listing]:
        """Yield the options listed on a day, in order of expiry, strike and right."""
        for expiry in listed_expiries(day):
            for strike in self.strikes:
                for right in OptionRight:
                    instrument = self._instrument(expiry, strike, right)
                    yield Listing(
                        instrument=instrument,
                        level=self.underlying.level,
                        annual_volatility=self.underlying.annual_volatility,
                        spread_bps=self.spread_bps,
                    )

    def expired(self, symbol: str, day: date) -> Instrument | None:
        """Return the option that a symbol named before it expired; None for any other symbol.

        Any strike is accepted, so that positions survive a change of the chain's strikes.
        """
        match = _SYMBOL.fullmatch(symbol)
        if match is None or match["root"] != self.root:
            return None
        expiry = _read_expiry(match["expiry"])
        if expiry is None or expiry >= day:
            return None
        strike = int(match["strike"]) * STRIKE_STEP
        return self._instrument(expiry, strike, _RIGHTS[match["right"]]) if strike else None

    def _instrument(self, expiry: date, strike: Units, right: OptionRight) -> Instrument:
        underlying = self.underlying.instrument.symbol
        digits = f"{expiry:%y%m%d}{_LETTERS[right]}{strike // STRIKE_STEP:08d}"
        shown = format_units(strike).rstrip("0").rstrip(".")
        return Instrument(
            symbol=self.root + digits,
            name=f"{underlying} {expiry} {shown} {right.value.title()}",
            asset_type=AssetType.OPTION,
            price_tick=Price(CENT),
            liquidity_class=self.liquidity_class,
            multiplier=MULTIPLIER,
            option=OptionTerms(
                underlying=underlying,
                strike=Price(strike),
                expiry=expiry.isoformat(),
                expires_at=day_start(expiry + timedelta(days=1)),
                right=right,
            ),
        )


def symbol_root(underlying: str) -> str:
    """Return the letters and digits of an underlying's symbol: BRK.B has the root BRKB."""
    return re.sub(r"[^A-Z0-9]", "", underlying)


def is_option_symbol(symbol: str) -> bool:
    """Tell whether a symbol has the form of an option's: root, yymmdd, C or P, the strike."""
    return _SYMBOL.fullmatch(symbol) is not None


def listed_expiries(day: date) -> list[date]:
    """Return the monthly expiries that are listed on a day, that day included."""
    months = (divmod(day.year * 12 + day.month - 1 + ahead, 12) for ahead in range(3))
    expiries = (monthly_expiry(year, month + 1) for year, month in months)
    return [expiry for expiry in expiries if expiry >= day][:LISTED_EXPIRIES]


def monthly_expiry(year: int, month: int) -> date:
    """Return the third Friday of a month, or the last day before it when NYSE is open."""
    middle = date(year, month, 15)
    expiry = middle + timedelta(days=(_FRIDAY - middle.weekday()) % 7)
    while expiry in nyse_holidays(year):
        expiry -= timedelta(days=1)
    return expiry


@lru_cache(maxsize=256)
def nyse_holidays(year: int) -> frozenset[date]:
    """Return when NYSE is closed on weekdays, unscheduled closings included."""
    # Imported here, because many commands need no options. Each call makes an object of its own,
    # because such objects are not safe to share between threads.
    from holidays import financial_holidays

    return frozenset(financial_holidays("XNYS", years=year))


def black_scholes(
    spot: float, strike: float, annual_volatility: float, years: float, right: OptionRight
) -> float:
    """Price a European option at a rate of zero, in the unit of `spot` and `strike`.

    Black and Scholes, "The Pricing of Options and Corporate Liabilities" (1973). All arguments are
    positive, except that `years` may be zero: the price is then the exercise value.
    """
    sign = 1 if right is OptionRight.CALL else -1
    deviation = annual_volatility * math.sqrt(years)
    if deviation == 0:
        return max(0.0, sign * (spot - strike))
    d1 = math.log(spot / strike) / deviation + deviation / 2
    d2 = d1 - deviation
    return sign * (spot * _NORMAL.cdf(sign * d1) - strike * _NORMAL.cdf(sign * d2))


def _read_expiry(digits: str) -> date | None:
    try:
        expiry = date(2000 + int(digits[:2]), int(digits[2:4]), int(digits[4:]))
    except ValueError:
        return None
    return expiry if expiry == monthly_expiry(expiry.year, expiry.month) else None
