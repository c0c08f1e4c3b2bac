"""Universe files: the default one, and operators' own ones in the same form."""

import tomllib
from pathlib import Path

from server.domain.instrument import AssetType, Instrument, LiquidityClass
from server.domain.values import (
    CENT,
    SCALE,
    DecimalError,
    Price,
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


class UniverseError(ValueError):
    """The file is not a valid universe; one line names the file, the entry and the field."""


def default_universe() -> Universe:
    """Return the universe that comes with the venue."""
    return load_universe(DEFAULT_UNIVERSE_PATH)


def load_universe(path: Path) -> Universe:
    """Read a universe from a TOML file of the form that the default one documents.

    Raise UniverseError for a file that cannot be read and for a field that is missing, unknown or
    out of range. Raise it also for a symbol listed twice or an instrument not in US dollars.
    """
    entries = _read_entries(path)
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

    def __init__(self, path: Path, asset_type: AssetType, key: str, fields: object) -> None:
        self.asset_type = asset_type
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


def _read_entries(path: Path) -> list[_Entry]:
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
        entries += [_Entry(path, AssetType[section], key, line) for key, line in lines.items()]
    return entries


def _read_listing(entry: _Entry) -> Listing:
    asset_type = entry.asset_type
    if is_option_symbol(entry.symbol):
        raise entry.error("symbol", "must not look like an option's")
    if asset_type in _PAIRS and not entry.symbol.endswith("-USD"):
        raise entry.error("symbol", "must be quoted in US dollars: end with -USD")
    if entry.text("currency", "USD") != "USD":
        raise entry.error("currency", "must be USD")
    level = entry.number("level", high=LEVEL_MAX)
    instrument = Instrument(
        symbol=entry.symbol,
        name=entry.text("name"),
        asset_type=asset_type,
        price_tick=Price(
            entry.number("price_tick", _DEFAULT_PRICE_TICKS.get(asset_type), high=level)
        ),
        liquidity_class=entry.liquidity_class(),
        multiplier=_read_multiplier(entry),
    )
    lot = entry.number("lot", _DEFAULT_LOTS.get(asset_type, SCALE), high=LOT_MAX)
    if lot % instrument.quantity_step:
        raise entry.error("lot", f"must be a multiple of {_show(instrument.quantity_step)}")
    volatility = entry.number("annual_volatility", high=VOLATILITY_MAX)
    spread_bps = entry.number("spread_bps", low=0, high=SPREAD_BPS_MAX)
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
