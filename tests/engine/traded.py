"""What the state machine trades: the symbols, their price levels, ticks, steps and sizes."""

from datetime import date, timedelta

from server.domain.values import DAY, SCALE, Micros, Units, parse_units
from server.market.options import listed_expiries

_OPTION = "a call"
"""What stands in these tables for the call on AAPL that expires next."""

_LEVELS = {
    "AAPL": parse_units("250"),
    "BTC-USD": parse_units("92000"),
    "EUR-USD": parse_units("1.16"),
    "SPY": parse_units("670"),
    _OPTION: parse_units("12"),
}
_TICKS = {
    "AAPL": SCALE // 100,
    "BTC-USD": SCALE // 100,
    "EUR-USD": SCALE // 100_000,
    "SPY": SCALE // 100,
    _OPTION: SCALE // 100,
}
_STEPS = {"AAPL": 1, "BTC-USD": 1, "EUR-USD": SCALE, "SPY": 1, _OPTION: SCALE}
_SIZES = {
    "AAPL": ["0.00000001", "0.3", "7", "33.33333333", "250", "9000"],
    "BTC-USD": ["0.00000001", "0.00012", "0.003", "0.21", "0.5", "70"],
    "EUR-USD": ["1", "100", "5000", "20001.5", "60000", "900000"],
    "SPY": ["0.00000001", "0.5", "3", "12.5", "100", "4000"],
    _OPTION: ["1", "2", "3", "7", "40", "900"],
}


def traded_on(now: Micros) -> list[str]:
    """Return what can be traded at a moment: options roll with the date."""
    today = date(1970, 1, 1) + timedelta(days=now // DAY)
    call = f"AAPL{listed_expiries(today)[0]:%y%m%d}C00270000"
    return [call if symbol == _OPTION else symbol for symbol in _LEVELS]


def level_of(symbol: str) -> Units:
    """Return the price around which a symbol moves."""
    return _LEVELS[_row(symbol)]


def tick_of(symbol: str) -> Units:
    """Return what prices of a symbol are multiples of."""
    return _TICKS[_row(symbol)]


def step_of(symbol: str) -> Units:
    """Return what quantities of a symbol are multiples of."""
    return _STEPS[_row(symbol)]


def sizes_of(symbol: str) -> list[str]:
    """Return quantities of a symbol, small and large ones."""
    return _SIZES[_row(symbol)]


def _row(symbol: str) -> str:
    return symbol if symbol in _LEVELS else _OPTION
