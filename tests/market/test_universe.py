"""The universe: what the venue lists by default, and what it refuses in an operator's file."""

from collections import Counter
from pathlib import Path

import pytest

from server.domain.instrument import AssetType, LiquidityClass
from server.domain.values import CENT, SCALE, SECOND, normalize_symbol, parse_units
from server.market.universe import Universe
from server.market.universe_file import UniverseError, default_universe, load_universe

NOW = 1_795_000_000 * SECOND


def load(tmp_path: Path, text: str, *, simulated: bool = True) -> Universe:
    path = tmp_path / "own.toml"
    path.write_text(text)
    return load_universe(path, simulated=simulated)


def test_the_default_universe_lists_all_asset_types() -> None:
    counts = Counter(found.asset_type for found in default_universe().instruments(NOW).values())
    assert counts == {
        AssetType.STOCK: 20,
        AssetType.ETF: 8,
        AssetType.CRYPTO: 8,
        AssetType.FOREX: 4,
        AssetType.COMMODITY: 6,
        AssetType.OPTION: 24,
    }


@pytest.mark.parametrize("symbol", ["AAPL", "MSFT", "NVDA", "SPY", "BTC-USD", "EUR-USD"])
def test_the_best_known_instruments_are_always_there(symbol: str) -> None:
    assert symbol in default_universe().instruments(NOW)


def test_the_default_universe_is_plausible() -> None:
    universe = default_universe()
    classes = set()
    for symbol, listing in universe.listings(NOW).items():
        instrument = listing.instrument
        assert instrument.symbol == symbol == normalize_symbol(symbol)
        assert 0.05 <= listing.annual_volatility <= 1
        assert 0 < listing.spread_bps <= 200
        assert listing.level % instrument.price_tick == 0
        assert listing.level / instrument.price_tick >= 500
        assert listing.lot == (1_000 if instrument.asset_type is AssetType.FOREX else 1) * SCALE
        assert (instrument.option is not None) == (instrument.asset_type is AssetType.OPTION)
        if instrument.option is not None:
            assert instrument.option.underlying in universe.listings(NOW)
            assert 0.9 < instrument.option.strike / listing.level < 1.1
        classes.add(instrument.liquidity_class)
    assert classes == set(LiquidityClass)


def test_price_ticks_and_multipliers_follow_the_type() -> None:
    for instrument in default_universe().instruments(NOW).values():
        if instrument.asset_type in (AssetType.STOCK, AssetType.ETF, AssetType.OPTION):
            assert instrument.price_tick == CENT
        if instrument.asset_type is AssetType.FOREX:
            assert instrument.price_tick == SCALE // 100_000
        if instrument.asset_type is AssetType.OPTION:
            assert instrument.multiplier == 100
        elif instrument.asset_type is AssetType.COMMODITY:
            assert instrument.multiplier > 1
        else:
            assert instrument.multiplier == 1


STOCK = '{ name = "Own", level = 12.34, annual_volatility = 0.2, spread_bps = 5 }'
PAIR = '{ name = "Own", level = 12, price_tick = 0.1, annual_volatility = 0.2, spread_bps = 5 }'


def test_an_operator_can_list_instruments_of_their_own(tmp_path: Path) -> None:
    universe = load(
        tmp_path,
        f"""
        [STOCK]
        own = {STOCK}
        [CRYPTO]
        "own/usd" = {PAIR[:-2]}, liquidity_class = "THIN", lot = 0.001, currency = "USD" }}
        [COMMODITY]
        OIL = {PAIR[:-2]}, multiplier = 50 }}
        [OPTION]
        OWN = {{ strikes = [13, 12.5], spread_bps = 100 }}
        """,
    )
    listings = universe.listings(NOW)
    assert list(listings)[:3] == ["OWN", "OWN-USD", "OIL"]
    assert len(listings) == 3 + 8
    assert listings["OWN"].level == parse_units("12.34")
    assert listings["OWN"].annual_volatility == 0.2
    assert listings["OWN"].spread_bps == 5
    assert listings["OWN"].instrument.name == "Own"
    assert listings["OWN"].instrument.price_tick == CENT
    assert listings["OWN-USD"].instrument.liquidity_class is LiquidityClass.THIN
    assert listings["OWN-USD"].lot == SCALE // 1000
    assert listings["OIL"].instrument.multiplier == 50


def test_only_the_simulated_market_needs_a_level_a_volatility_and_a_spread(tmp_path: Path) -> None:
    text = '[STOCK]\nA = { name = "A" }\n[CRYPTO]\nB-USD = { name = "B", price_tick = 100 }\n'
    with pytest.raises(UniverseError, match="level: is missing: the simulated market needs it"):
        load(tmp_path, text)
    listings = load(tmp_path, text, simulated=False).listings(NOW)
    assert listings["A"].instrument.price_tick == CENT
    assert listings["B-USD"].instrument.price_tick == 100 * SCALE
    assert listings["B-USD"].spread_bps == 0


@pytest.mark.parametrize(("step", "lot"), [("0.25", "1"), ("0.4", "1.2"), ("20", "20")])
def test_an_instrument_can_have_a_quantity_step_of_its_own(
    tmp_path: Path, step: str, lot: str
) -> None:
    text = f"[STOCK]\nA = {STOCK[:-2]}, quantity_step = {step} }}\nB = {STOCK}"
    listings = load(tmp_path, text).listings(NOW)
    assert listings["A"].instrument.quantity_step == parse_units(step)
    assert listings["A"].lot == parse_units(lot)
    assert listings["B"].instrument.quantity_step == 1


def test_an_instrument_says_which_currency_counts_as_dollars(tmp_path: Path) -> None:
    text = f'[CRYPTO]\nA-USD = {PAIR[:-2]}, quote_currency = "USDT" }}\nB-USD = {PAIR}'
    instruments = load(tmp_path, text).instruments(NOW)
    assert instruments["A-USD"].quote_currency == "USDT"
    assert instruments["B-USD"].quote_currency == "USD"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "must list at least one instrument"),
        ("[STOCK]", "must list at least one instrument"),
        ("[STOCK", "Expected ']'"),
        ("\0", "Invalid statement"),
        ("[BOND]", "'BOND': must be one of the tables [STOCK], [CRYPTO], "),
        ("STOCK = 5", "'STOCK': must be one of the tables"),
        ("[STOCK]\nA = 5", "STOCK 'A': must be a table of fields"),
        (f"[STOCK]\nA = {STOCK}\nA = {STOCK}", "Cannot overwrite a value"),
        (f"[STOCK]\nA = {STOCK}\na = {STOCK}", "STOCK 'a': symbol: is listed twice"),
        (f"[STOCK]\nA = {STOCK}\n[ETF]\nA = {STOCK}", "ETF 'A': symbol: is listed twice"),
        (f'[STOCK]\n"A B" = {STOCK}', "STOCK 'A B': symbol: must be 1 to 32 letters"),
        (f'[STOCK]\n"A\\n" = {STOCK}', r"STOCK 'A\n': symbol: must be 1 to 32 letters"),
        (f"[STOCK]\nAAPL261218C00200000 = {STOCK}", "symbol: must not look like an option's"),
        (f"[FOREX]\nUSD-JPY = {PAIR}", "FOREX 'USD-JPY': symbol: must be quoted in US dollars"),
        (f"[CRYPTO]\nBTC-EUR = {PAIR}", "CRYPTO 'BTC-EUR': symbol: must be quoted in US dollars"),
        (f'[STOCK]\nA = {STOCK[:-2]}, currency = "EUR" }}', "STOCK 'A': currency: must be USD"),
        (f"[STOCK]\nA = {STOCK[:-2]}, currency = 5 }}", "currency: must be a text of one line"),
        (f"[STOCK]\nA = {STOCK[:-2]}, sped = 5 }}", "STOCK 'A': 'sped': is no field of STOCK"),
        (f"[STOCK]\nA = {STOCK[:-2]}, multiplier = 5 }}", "'multiplier': is no field of STOCK"),
        (f'[STOCK]\nA = {STOCK[:-2]}, liquidity_class = "DEEP" }}', "must be LIQUID or THIN"),
        (f"[STOCK]\nA = {STOCK[:-2]}, lot = 0 }}", "lot: must be a decimal from 0.00000001 to"),
        (f"[FOREX]\nA-USD = {STOCK[:-2]}, lot = 0.5 }}", "lot: must be a multiple of 1"),
        (f"[CRYPTO]\nA-USD = {STOCK}", "CRYPTO 'A-USD': price_tick: is missing"),
        (
            f"[STOCK]\nA = {STOCK[:-2]}, quantity_step = 0 }}",
            "quantity_step: must be a decimal from",
        ),
        (f'[STOCK]\nA = {STOCK[:-2]}, quote_currency = "usdt" }}', "must be 1 to 10 capital"),
        (f"[COMMODITY]\nA = {PAIR}", "COMMODITY 'A': multiplier: is missing"),
        (f"[COMMODITY]\nA = {PAIR[:-2]}, multiplier = 1.5 }}", "multiplier: must be a whole"),
        (
            f"[COMMODITY]\nA = {PAIR[:-2]}, multiplier = 0 }}",
            "multiplier: must be a decimal from 1",
        ),
        ("[STOCK]\nA = { level = 1 }", "STOCK 'A': name: is missing"),
        ('[STOCK]\nA = { name = "A" }', "STOCK 'A': level: is missing"),
        (
            f"[STOCK]\nA = {STOCK.replace('12.34', '-1')}",
            "level: must be a decimal from 0.00000001",
        ),
        (f"[STOCK]\nA = {STOCK.replace('12.34', 'nan')}", "level: must be a decimal"),
        (f"[STOCK]\nA = {STOCK.replace('12.34', '1e3')}", "level: must be a decimal"),
        (f"[STOCK]\nA = {STOCK.replace('12.34', 'true')}", "level: must be a decimal"),
        (f"[STOCK]\nA = {STOCK.replace('12.34', '0.001')}", "price_tick: must be a decimal from"),
        (f"[STOCK]\nA = {STOCK.replace('0.2', '6')}", "annual_volatility: must be a decimal from"),
        (f"[STOCK]\nA = {STOCK.replace('0.2', '0')}", "annual_volatility: must be a decimal from"),
        (
            f"[STOCK]\nA = {STOCK.replace('= 5', '= 1001')}",
            "spread_bps: must be a decimal from 0 to",
        ),
        ("[OPTION]\nA = { strikes = [1] }", "OPTION 'A': underlying: must be a STOCK or ETF"),
    ],
)
def test_a_faulty_file_is_refused_in_one_line_that_names_the_place(
    tmp_path: Path, text: str, problem: str
) -> None:
    with pytest.raises(UniverseError) as caught:
        load(tmp_path, text)
    message = str(caught.value)
    assert message.startswith(f"{tmp_path / 'own.toml'}: ")
    assert problem in message
    assert message.isprintable()


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("A = { spread_bps = 5 }", "OPTION 'A': strikes: is missing"),
        ("A = { strikes = [], spread_bps = 5 }", "strikes: must be a list of at least one number"),
        ("A = { strikes = 5, spread_bps = 5 }", "strikes: must be a list of at least one number"),
        (
            "A = { strikes = [0], spread_bps = 5 }",
            "strikes: must be a decimal from 0.001 to 99999.9",
        ),
        ("A = { strikes = [100000], spread_bps = 5 }", "strikes: must be a decimal from 0.001 to"),
        ("A = { strikes = [1.0005], spread_bps = 5 }", "strikes: must be multiples of 0.001"),
        ("A = { strikes = [1, 1.0], spread_bps = 5 }", "strikes: must not have the same strike"),
        ("A = { strikes = [1] }", "OPTION 'A': spread_bps: is missing"),
        ("A = { strikes = [1], spread_bps = 5, lot = 2 }", "'lot': is no field of OPTION"),
        ("X-USD = { strikes = [1], spread_bps = 5 }", "underlying: must be a STOCK or ETF"),
        ("LONGNAME = { strikes = [1], spread_bps = 5 }", "underlying: has more than 6 letters"),
        (
            'A = { strikes = [1], spread_bps = 5 }\n"A.=" = { strikes = [1], spread_bps = 5 }',
            "OPTION 'A.=': underlying: must have letters that no other chain has",
        ),
    ],
)
def test_a_faulty_option_chain_is_refused(tmp_path: Path, line: str, problem: str) -> None:
    text = f"""
        [STOCK]
        A = {STOCK}
        "A.=" = {STOCK}
        LONGNAME = {STOCK}
        [CRYPTO]
        X-USD = {PAIR}
        [OPTION]
    """
    with pytest.raises(UniverseError) as caught:
        load(tmp_path, text + line)
    assert problem in str(caught.value)


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(UniverseError, match=r"missing\.toml: No such file or directory"):
        load_universe(tmp_path / "missing.toml")
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(UniverseError, match=r"binary\.toml: .*decode"):
        load_universe(tmp_path / "binary.toml")
