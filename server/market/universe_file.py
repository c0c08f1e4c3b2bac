"""Universe files: the default one, and operators' own ones in the same form."""

import re
import tomllib
from pathlib import Path

from server.domain.instrument import AssetType, Instrument, LiquidityClass
from server.domain.values import (
    CENT,
    SCALE,
    DecimalError,
    Price,
    Quantity,
    Units,
    format_units,
    normalize_symbol,
    parse_units,
)
from server.market.listing import Listing
from server.market.options import (
    STRIKE_LIMIT,
    STRIKE_STEP,
    OptionChain,
    is_option_symbol,
    symbol_root,
)
from server.market.universe import Universe

DEFAULT_UNIVERSE_PATH = Path(__file__).with_name("universe.toml")

LEVEL_MAX: Units = 10**9 * SCALE
VOLATILITY_MAX: Units = 5 * SCALE
SPREAD_BPS_MAX: Units = 1_000 * SCALE
MULTIPLIER_MAX = 1_000_000
LOT_MAX: Units = 1_000_000 * SCALE
OPTION_ROOT_LENGTH_MAX = 6

_DEFAULT_PRICE_TICKS: dict[AssetType, Units] = {
    AssetType.STOCK: CENT,
    AssetType.ETF: CENT,
    AssetType.FOREX: SCALE // 100_000,
}
_DEFAULT_LOTS: dict[AssetType, Units] = {AssetType.FOREX: 1_000 * SCALE}
_PAIRS = (AssetType.FOREX, AssetType.CRYPTO)
_UNDERLYINGS = (AssetType.STOCK, AssetType.ETF)
_CURRENCY = re.compile("[A-Z0-9]{1,10}")


class UniverseError(ValueError):
    """The file is not a valid universe; one line names the file, the entry and the field."""


def default_universe() -> Universe:
    """Return the universe that comes with the venue."""
    return load_universe(DEFAULT_UNIVERSE_PATH)


def load_universe(path: Path, *, simulated: bool = True) -> Universe:
    """Read a universe from a TOML file of the form that the default one documents.

    Fields that only the simulated market needs may be missing unless `simulated` is set. Raise
    UniverseError for a file that cannot be read and for a field that is missing, unknown or out of
    range. Raise it also for a symbol listed twice or an instrument not in US dollars.
    """
    entries = _read_entries(path, simulated=simulated)
    listings: dict[str, Listing] = {}
    chains: dict[str, OptionChain] = {}
    for entry in entries:
        if entry.asset_type is not AssetType.OPTION:
            listing = _read_listing(entry)
            if listing.instrument.symbol in listings:
                raise entry.error("symbol", "is listed twice")
            listings[listing.instrument.symbol] = listing
    for entry in entries:
        if entry.asset_type is AssetType.OPTION:
            chain = _read_chain(entry, listings)
            if chain.root in chains:
                raise entry.error("underlying", "must have letters that no other chain has")
            chains[chain.root] = chain
    if not listings:
        raise UniverseError(f"{path}: must list at least one instrument")
    return Universe(listings=listings.values(), chains=chains.values())


class _Entry:
    """An entry of the file: fields are taken one by one, and none may be left in the end."""

    def __init__(
        self, path: Path, asset_type: AssetType, key: str, fields: object, *, simulated: bool
    ) -> None:
        self.asset_type = asset_type
        self._is_simulated = simulated
        self._where = f"{path}: {asset_type.value} {key!r}"
        if not isinstance(fields, dict):
            raise UniverseError(f"{self._where}: must be a table of fields")
        self._fields = dict(fields)
        symbol = normalize_symbol(key)
        if symbol is None:
            raise self.error("symbol", "must be 1 to 32 letters, digits, '.', '-', '=' or '/'")
        self.symbol = symbol

    def error(self, field: str, problem: str) -> UniverseError:
        return UniverseError(f"{self._where}: {field}: {problem}")

    def text(self, field: str, default: str | None = None) -> str:
        value = self._take(field, default)
        if not isinstance(value, str) or not value or not value.isprintable():
            raise self.error(field, "must be a text of one line")
        return value

    def liquidity_class(self) -> LiquidityClass:
        value = self.text("liquidity_class", LiquidityClass.LIQUID.value)
        if value not in LiquidityClass.__members__:
            raise self.error("liquidity_class", "must be LIQUID or THIN")
        return LiquidityClass[value]

    def number(
        self, field: str, default: Units | None = None, *, low: Units = 1, high: Units
    ) -> Units:
        value = self._take(field, None if default is None else format_units(default))
        return self._read_number(field, value, low, high)

    def numbers(self, field: str, *, low: Units, high: Units) -> list[Units]:
        values = self._take(field, None)
        if not isinstance(values, list) or not values:
            raise self.error(field, "must be a list of at least one number")
        return [self._read_number(field, value, low, high) for value in values]

    def simulated_number(self, field: str, *, low: Units = 1, high: Units) -> Units:
        """Take a number that only the simulated market needs; 0 if it is not given."""
        if field not in self._fields:
            if self._is_simulated:
                raise self.error(field, "is missing: the simulated market needs it")
            return 0
        return self.number(field, low=low, high=high)

    def quantity_step(self) -> Quantity | None:
        if "quantity_step" not in self._fields:
            return None
        return Quantity(self.number("quantity_step", high=LOT_MAX))

    def quote_currency(self) -> str:
        value = self.text("quote_currency", "USD")
        if _CURRENCY.fullmatch(value) is None:
            raise self.error("quote_currency", "must be 1 to 10 capital letters or digits")
        return value

    def finish(self) -> None:
        if self._fields:
            unknown = ", ".join(map(repr, self._fields))
            raise self.error(unknown, f"is no field of {self.asset_type.value}: remove it")

    def _take(self, field: str, default: str | None) -> object:
        value = self._fields.pop(field, default)
        if value is None:
            raise self.error(field, "is missing")
        return value

    def _read_number(self, field: str, value: object, low: Units, high: Units) -> Units:
        try:
            number = parse_units(str(value))
        except DecimalError:
            number = -1
        if not low <= number <= high:
            raise self.error(field, f"must be a decimal from {_show(low)} to {_show(high)}")
        return number


def _read_entries(path: Path, *, simulated: bool) -> list[_Entry]:
    try:
        # Decimals stay text, so that no price passes through binary floating point.
        document = tomllib.loads(path.read_text("utf-8"), parse_float=str)
    except OSError as error:
        raise UniverseError(f"{path}: {error.strerror}") from error
    except ValueError as error:
        raise UniverseError(f"{path}: {error}") from error
    entries = []
    for section, lines in document.items():
        if section not in AssetType.__members__ or not isinstance(lines, dict):
            known = ", ".join(f"[{name}]" for name in AssetType.__members__)
            raise UniverseError(f"{path}: {section!r}: must be one of the tables {known}")
        entries += [
            _Entry(path, AssetType[section], key, line, simulated=simulated)
            for key, line in lines.items()
        ]
    return entries


def _read_listing(entry: _Entry) -> Listing:
    asset_type = entry.asset_type
    if is_option_symbol(entry.symbol):
        raise entry.error("symbol", "must not look like an option's")
    if asset_type in _PAIRS and not entry.symbol.endswith("-USD"):
        raise entry.error("symbol", "must be quoted in US dollars: end with -USD")
    if entry.text("currency", "USD") != "USD":
        raise entry.error("currency", "must be USD")
    level = entry.simulated_number("level", high=LEVEL_MAX)
    instrument = Instrument(
        symbol=entry.symbol,
        name=entry.text("name"),
        asset_type=asset_type,
        price_tick=Price(
            entry.number(
                "price_tick", _DEFAULT_PRICE_TICKS.get(asset_type), high=level or LEVEL_MAX
            )
        ),
        liquidity_class=entry.liquidity_class(),
        multiplier=_read_multiplier(entry),
        own_quantity_step=entry.quantity_step(),
        quote_currency=entry.quote_currency(),
    )
    step = instrument.quantity_step
    usual_lot = -(-_DEFAULT_LOTS.get(asset_type, SCALE) // step) * step
    lot = entry.number("lot", usual_lot, high=LOT_MAX)
    if lot % step:
        raise entry.error("lot", f"must be a multiple of {_show(step)}")
    volatility = entry.simulated_number("annual_volatility", high=VOLATILITY_MAX)
    spread_bps = entry.simulated_number("spread_bps", low=0, high=SPREAD_BPS_MAX)
    entry.finish()
    return Listing(
        instrument=instrument,
        level=level,
        annual_volatility=volatility / SCALE,
        spread_bps=spread_bps / SCALE,
        lot=lot,
    )


def _read_multiplier(entry: _Entry) -> int:
    if entry.asset_type is not AssetType.COMMODITY:
        return 1
    multiplier = entry.number("multiplier", low=SCALE, high=MULTIPLIER_MAX * SCALE)
    if multiplier % SCALE:
        raise entry.error("multiplier", "must be a whole number")
    return multiplier // SCALE


def _read_chain(entry: _Entry, listings: dict[str, Listing]) -> OptionChain:
    underlying = listings.get(entry.symbol)
    if underlying is None or underlying.instrument.asset_type not in _UNDERLYINGS:
        raise entry.error("underlying", "must be a STOCK or ETF of this file")
    if len(symbol_root(entry.symbol)) > OPTION_ROOT_LENGTH_MAX:
        raise entry.error("underlying", f"has more than {OPTION_ROOT_LENGTH_MAX} letters")
    strikes = entry.numbers("strikes", low=STRIKE_STEP, high=STRIKE_LIMIT - STRIKE_STEP)
    if any(strike % STRIKE_STEP for strike in strikes):
        raise entry.error("strikes", f"must be multiples of {_show(STRIKE_STEP)}")
    if len(set(strikes)) < len(strikes):
        raise entry.error("strikes", "must not have the same strike twice")
    spread_bps = entry.number("spread_bps", low=0, high=SPREAD_BPS_MAX)
    liquidity_class = entry.liquidity_class()
    entry.finish()
    return OptionChain(
        underlying=underlying,
        strikes=tuple(sorted(strikes)),
        spread_bps=spread_bps / SCALE,
        liquidity_class=liquidity_class,
    )


def _show(value: Units) -> str:
    return format_units(value).rstrip("0").rstrip(".")
