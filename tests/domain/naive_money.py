"""Money in fractions, as an auditor calculates it, without any arithmetic of the domain."""

import re
from fractions import Fraction
from math import ceil

from server.domain.events import Fill

_MULTIPLIERS = {"GOLD": 10, "CALL": 100}
_OPTION = re.compile(r"[A-Z]+[0-9]{6}[CP][0-9]{8}")
NOTHING = Fraction(0)


def real(units: int) -> Fraction:
    """Return the number that an integer of 10⁻⁸ stands for."""
    return Fraction(units, 10**8)


def multiplier_of(symbol: str) -> int:
    """Return how many units of what it is on a contract is for; 1 for what is no contract."""
    return _MULTIPLIERS.get(symbol, 100 if _OPTION.fullmatch(symbol) else 1)


def to_eight_decimals(number: Fraction) -> Fraction:
    """Return the nearest number of eight decimals, ties to the even one."""
    return Fraction(round(number * 10**8), 10**8)


def worth_of(fills: list[Fill]) -> Fraction:
    """Return what the fills of one order are worth at their prices."""
    exact = sum((real(fill.quantity) * real(fill.price) for fill in fills), NOTHING)
    return to_eight_decimals(exact * multiplier_of(fills[0].symbol)) if fills else NOTHING


def fee_of(fill: Fill, quantity: Fraction, notional: Fraction) -> Fraction:
    """Return the fee of an order whose fills have these totals."""
    match fill.asset_type.value:
        case "STOCK" | "ETF":
            fee = min(max(quantity * Fraction("0.005"), Fraction(1)), Fraction(10))
        case "CRYPTO":
            fee = max(notional / 1_000, Fraction("0.5"))
        case "FOREX":
            fee = NOTHING
        case "COMMODITY":
            fee = quantity * Fraction("1.5")
        case _:
            fee = quantity * Fraction("0.65")
    return Fraction(ceil(fee * 100), 100)
