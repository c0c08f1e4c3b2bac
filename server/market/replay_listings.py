"""Symbols of a replay file: the instruments that they mean, in any usual spelling."""

from datetime import date, timedelta
from functools import lru_cache

from server.application.market_ports import Calendar
from server.domain.instrument import AssetType
from server.domain.values import DAY, Micros, normalize_symbol
from server.market.listing import Listing
from server.market.moments import utc_day
from server.market.options import is_option_symbol
from server.market.replay_table import ReplayTable
from server.market.universe import Universe

LONG_BREAK = (8, 15)
"""A range of numbers of days, each longer than any market was ever closed."""

_OTHER_DOLLARS = ("USDT", "USDC", "FDUSD", "BUSD")
_ADD = (
    "add it to your copy of server/market/universe.toml, and name the copy in"
    " BOTTRADING_UNIVERSE_FILE"
)


class Listings:
    """What the symbols of a file mean on the days of its rows."""

    def __init__(self, universe: Universe, calendar: Calendar) -> None:
        self._universe = universe
        self._calendar = calendar
        self._day_start = self._day_end = 0
        self._found: dict[str, Listing] = {}
        self._is_known = lru_cache(maxsize=len(AssetType))(self._look_for_sessions)

    def find(self, text: str, time: Micros, table: ReplayTable) -> Listing:
        """Return the listing of a symbol; raise ReplayFileError if there is none."""
        if not self._day_start <= time < self._day_end:
            self._day_start = time - time % DAY
            self._day_end = self._day_start + DAY
            self._found = {}
        listing = self._found.get(text)
        if listing is None:
            listing = self._found[text] = self._find(text, time, table)
        return listing

    def _find(self, text: str, time: Micros, table: ReplayTable) -> Listing:
        listed, day = self._universe.listings(time), utc_day(time)
        symbol = normalize_symbol(text)
        listing = listed.get(symbol or "")
        if listing is None:
            listing = self._by_letters(text, time)
            if listing is None:
                raise table.error(self._problem(text, symbol, time, table))
            table.respelled[text] = listing.instrument.symbol
        # Markets without rows too, because callers may ask for any market at the time of the file.
        for asset_type in (listing.instrument.asset_type, *AssetType):
            if not self._is_known(asset_type, day):
                raise table.error(
                    f"time: the sessions of {asset_type.value} are not known on {day.isoformat()};"
                    " --sessions always-open needs none"
                )
        return listing

    def _by_letters(self, text: str, time: Micros) -> Listing | None:
        """Return what is listed under another spelling, such as Yahoo's EURUSD=X or BRK-B."""
        letters = _letters(text.upper().removesuffix("=X"))
        listed = self._universe.listings(time).items()
        found = [listing for other, listing in listed if letters and _letters(other) == letters]
        return found[0] if len(found) == 1 else None

    def _problem(self, text: str, symbol: str | None, time: Micros, table: ReplayTable) -> str:
        if table.has_symbol_of_file_name:
            return (
                f"symbol: there is no such column, and the file's name, {text}, is not a listed"
                " symbol: name the file after its symbol, such as AAPL.csv, or give the symbol,"
                f" such as --replay-symbol {self._in_dollars(text, time) or 'AAPL'}"
            )
        if symbol is None:
            return "symbol: must be 1 to 32 letters, digits, '.', '-', '=' or '/'"
        problem = f"symbol: {symbol} is not listed on {utc_day(time).isoformat()}"
        in_dollars = self._in_dollars(symbol, time)
        if in_dollars is not None:
            return f"{problem}: to play it as if it were quoted in US dollars, write {in_dollars}"
        if is_option_symbol(symbol):
            return (
                f"{problem}: options are listed for the two next monthly expiries, at the strikes"
                " of the universe"
            )
        return f"{problem}: {_ADD}"

    def _in_dollars(self, text: str, time: Micros) -> str | None:
        """Return the listed pair in US dollars for a pair in other dollars, such as USDT."""
        letters = _letters(text.upper())
        for other in _OTHER_DOLLARS:
            # Binance's files are named BTCUSDT-1m-2025-01.
            base, found, _ = letters.partition(other)
            if found and f"{base}-USD" in self._universe.listings(time):
                return f"{base}-USD"
        return None

    def _look_for_sessions(self, asset_type: AssetType, day: date) -> bool:
        # A calendar covers a span of years, and must not be asked about a moment outside of it.
        return all(
            any(
                self._calendar.session_on(asset_type, day + timedelta(days=sign * distance))
                for distance in range(*LONG_BREAK)
            )
            for sign in (-1, 1)
        )


@lru_cache(maxsize=1 << 12)
def _letters(symbol: str) -> str:
    return "".join(filter(str.isalnum, symbol))
