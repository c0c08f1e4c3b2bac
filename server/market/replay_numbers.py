"""Numbers of a replay file: exact decimals, and floats with noise or an exponent."""

import re
from decimal import ROUND_HALF_EVEN, Context, Decimal
from functools import lru_cache

from server.domain.values import Units, parse_units

FIELD_LENGTH_MAX = 4_096

SHOWN_MAX: Units = 10**18 - 1
"""The largest price and size of a quote: ten digits before the point."""

CAPS = {"bid_size": SHOWN_MAX, "ask_size": SHOWN_MAX, "volume": 4 * SHOWN_MAX}
"""The largest value that each column can have; larger ones are capped."""

# Numbers as programs write floats: any number of digits, and perhaps an exponent.
_FLOAT = re.compile(r"(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]{1,2})?")
_EXACT = Context(prec=FIELD_LENGTH_MAX + 200, rounding=ROUND_HALF_EVEN)
_NOTHING = {"", "-", "n/a", "na", "nan", "none", "null"}
_COMMA = re.compile(r"[0-9]+(?:,[0-9]+)+(?:\.[0-9]+)?|[0-9.]+,[0-9]+")

# Cached, because neighbouring rows repeat prices and sizes, and parsing takes most of the time.
read_units = lru_cache(maxsize=1 << 14)(parse_units)


@lru_cache(maxsize=1 << 14)
def read_float(text: str) -> Units | None:
    """Read a number that may have more digits than a quote; None for anything else."""
    if _FLOAT.fullmatch(text) is None:
        return None
    units = _EXACT.scaleb(Decimal(text), 8)
    return int(units.to_integral_value(ROUND_HALF_EVEN, _EXACT))


def number_problem(column: str, text: str) -> str:
    """Return what is wrong with a text that is no number that a quote can show."""
    problem = f"{column}: must be a decimal of at most 10 digits before the point, such as 185.5"
    if text.lower() in _NOTHING:
        hint = "leave it empty" if column == "volume" else "leave out a row without one"
        return f"{problem}; {hint}"
    if _COMMA.fullmatch(text) is not None:
        return f"{problem}; {text} must have a point, and no separators of thousands"
    return problem
