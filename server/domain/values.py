"""Exact amounts: decimals as integers of 10⁻⁸, with reading, formatting and rounding."""

import re
from enum import Enum
from typing import NewType, TypeAlias

from server.domain.invariants import BrokenInvariant

Units: TypeAlias = int
"""A price, quantity or amount of money in units of 10⁻⁸."""

Quantity = NewType("Quantity", Units)
Price = NewType("Price", Units)
Money = NewType("Money", Units)
"""Kinds of Units, for places with several of them: the type checker notices a swap.

They are made at the borders: from requests, quotes and settings, and where arithmetic ends.
"""

NOTHING = Quantity(0)

Micros: TypeAlias = int
"""A moment in microseconds since 1970-01-01T00:00:00Z, or a duration in microseconds."""

SCALE: Units = 10**8
CENT: Units = SCALE // 100
MILLISECOND: Micros = 1_000
SECOND: Micros = 1_000 * MILLISECOND
DAY: Micros = 86_400 * SECOND

LOST_SEQUENCES = 1_000_000
"""The gap in each log where entries may have been lost; no loss of one account is as large."""

AMOUNT_LIMIT: Units = 9 * 10**10 * SCALE
"""Each notional, sum of money and position stays below this: 90 000 000 000 fits 63 bits."""

STORED_LIMIT = 2**63
"""Every stored figure is below this."""

_DECIMAL = re.compile(r"(0|[1-9][0-9]{0,9})(?:\.([0-9]{1,8}))?")
SYMBOL = re.compile(r"[A-Za-z0-9][A-Za-z0-9.\-=/]{0,31}")


class KeyEnum(Enum):
    """An enumeration whose members are keys of tables; Enum's own hash is a slow function."""

    __hash__ = object.__hash__


class DecimalError(ValueError):
    """The text is not a decimal with at most 10 digits before and 8 after the point."""


def parse_units(text: str) -> Units:
    """Read a non-negative decimal such as "185.5"; raise DecimalError for anything else."""
    match = _DECIMAL.fullmatch(text)
    if match is None:
        raise DecimalError
    whole, fraction = match.groups()
    return int(whole) * SCALE + (int(fraction.ljust(8, "0")) if fraction else 0)


def format_units(value: Units) -> str:
    """Format a price or quantity with 8 decimals."""
    sign = "-" if value < 0 else ""
    whole, fraction = divmod(abs(value), SCALE)
    return f"{sign}{whole}.{fraction:08d}"


def format_money(value: Units) -> str:
    """Format money with 2 decimals; it must be in whole cents."""
    sign = "-" if value < 0 else ""
    cents, below = divmod(abs(value), CENT)
    if below:
        raise BrokenInvariant(f"{value} is no whole number of cents")
    return f"{sign}{cents // 100}.{cents % 100:02d}"


def format_to_the_cent(value: Units) -> str:
    """Format money of 8 decimals with 2 decimals, half to the even cent."""
    return format_money(cents_half_even(value))


def divide_up(numerator: int, denominator: int) -> int:
    """Divide by a positive number and round towards positive infinity."""
    return -(-numerator // denominator)


def divide_half_even(numerator: int, denominator: int) -> int:
    """Divide by a positive number and round to the nearest, ties to the even one."""
    quotient, remainder = divmod(numerator, denominator)
    if 2 * remainder > denominator or (2 * remainder == denominator and quotient % 2):
        return quotient + 1
    return quotient


def cents_up(numerator: int, denominator: int) -> Units:
    """Round a fraction of units up to whole cents: what an account pays."""
    return divide_up(numerator, denominator * CENT) * CENT


def cents_down(numerator: int, denominator: int) -> Units:
    """Round a fraction of units down to whole cents: what an account receives."""
    return numerator // (denominator * CENT) * CENT


def cents_half_even(numerator: int, denominator: int = 1) -> Units:
    """Round a fraction of units to the nearest cent: what is only shown."""
    return divide_half_even(numerator, denominator * CENT) * CENT


def normalize_symbol(text: str) -> str | None:
    """Upper-case a symbol and write `/` as `-`; None when the text cannot be a symbol."""
    if SYMBOL.fullmatch(text) is None:
        return None
    return text.upper().replace("/", "-")
