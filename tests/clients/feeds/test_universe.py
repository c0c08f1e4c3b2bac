"""Universe files from a source: the service reads them, and they change with care."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from bottrading_feeds import SourceError
from bottrading_feeds.universe import listed, universe_file, write_whole
from server.domain.instrument import AssetType, Instrument
from server.domain.values import parse_units
from server.market.universe_file import load_universe
from tests.clients.feeds.invented import InventedSource, listing
from tests.support.venue import NOON


def read(tmp_path: Path, text: str) -> dict[str, Instrument]:
    """Return the instruments of a file, as the service reads it."""
    path = tmp_path / "universe.toml"
    write_whole(path, text)
    return load_universe(path, simulated=False).instruments(0)


def test_the_service_lists_what_the_source_has(tmp_path: Path) -> None:
    stock: dict[str, Any] = {"asset_type": "STOCK", "currency": "USD", "session": "exchange"}
    made = universe_file(
        [
            listing("BTC-USD", name="Bitcoin"),
            listing("BRK.B", name='The "B"\n\\ €', **stock, price_tick=Decimal("0.01")),
            listing("ETH-USD", currency="USDT", quantity_step=Decimal(2)),
        ],
        "x",
    )

    found = read(tmp_path, made.text)

    assert list(found) == ["BTC-USD", "ETH-USD", "BRK.B"]
    assert found["BTC-USD"].name == "Bitcoin"
    assert found["BTC-USD"].asset_type is AssetType.CRYPTO
    assert found["BTC-USD"].price_tick == parse_units("0.1")
    assert found["BTC-USD"].quantity_step == parse_units("0.0001")
    assert found["BTC-USD"].quote_currency == "USD"
    assert found["ETH-USD"].quote_currency == "USDT"
    assert found["ETH-USD"].quantity_step == parse_units("2")
    assert (found["BRK.B"].name, found["BRK.B"].asset_type) == ('The "B"\\ €', AssetType.STOCK)
    assert made.notes == ()
    assert made.text.splitlines()[1].endswith("set BOTTRADING_SESSIONS=exchange.")


@pytest.mark.parametrize(
    ("tick", "shown"),
    [
        ("1E-10", "0.00000001"),
        ("0.000000025", "0.00000003"),
        ("1E+3", "1000"),
        ("0.5000", "0.5"),
    ],
)
def test_a_step_that_is_finer_than_the_service_can_show_becomes_coarser(
    tmp_path: Path, tick: str, shown: str
) -> None:
    fine = listing(price_tick=Decimal(tick), quantity_step=Decimal(tick))
    made = universe_file([fine], "x")

    found = read(tmp_path, made.text)["BTC-USD"]

    assert found.price_tick == parse_units(shown)
    assert found.quantity_step == parse_units(shown)
    assert f"price_tick = {shown}," in made.text


async def test_a_pair_in_a_currency_that_counts_as_dollars_is_listed_in_dollars() -> None:
    source = InventedSource(listing("BTC-USDT"), listing("ETH-USD"))

    found = await listed(source, ["BTC/USDT", "ETH/USD"], {"USDT"})

    assert [(it.symbol, it.currency) for it in found] == [("BTC-USD", "USDT"), ("ETH-USD", "USD")]


async def test_other_currencies_and_two_pairs_of_one_symbol_are_refused() -> None:
    source = InventedSource(listing("BTC-USDT"), listing("BTC-USD"), listing("BTC-EUR"))

    with pytest.raises(
        SourceError, match=r"^BTC/EUR is quoted in EUR: choose a pair in US dollars"
    ):
        await listed(source, ["BTC/USD", "BTC/EUR"], {"USDT"})
    with pytest.raises(SourceError, match=r"^BTC/USD and BTC/USDT are both BTC-USD: leave one"):
        await listed(source, ["BTC/USD", "BTC/USDT"], {"USDT"})


def test_an_instrument_that_accounts_use_is_neither_changed_nor_removed(tmp_path: Path) -> None:
    names = ("HELD-USD", "GONE-USD", "FREE-USD", "OLD-USD", "SAME-USD")
    first = universe_file(map(listing, names), "x").text
    finer = {"price_tick": Decimal("0.01"), "quantity_step": Decimal("0.0001")}

    made = universe_file(
        [
            listing("HELD-USD", **finer),
            listing("FREE-USD", **finer),
            listing("NEW-USD"),
            listing("SAME-USD"),
        ],
        "x",
        first,
        {"HELD-USD", "GONE-USD", "SAME-USD", "NEVER-USD"},
    )

    ticks = {symbol: it.price_tick for symbol, it in read(tmp_path, made.text).items()}
    tenth, hundredth = parse_units("0.1"), parse_units("0.01")
    assert ticks == {
        "HELD-USD": tenth,
        "GONE-USD": tenth,
        "SAME-USD": tenth,
        "FREE-USD": hundredth,
        "NEW-USD": tenth,
    }
    assert made.notes == (
        "HELD-USD keeps price_tick 0.1 (the source says 0.01), because accounts use it",
        "GONE-USD stays listed without quotes, because accounts use it",
    )


def test_all_fields_of_an_instrument_that_accounts_use_stay(tmp_path: Path) -> None:
    own = (
        '[STOCK]\n"A=B" = { name = "x", level = 1, liquidity_class = "THIN", spread_bps = 2.5 }\n'
        '[OPTION]\n"A=B" = { strikes = [1.5, 2], spread_bps = 3 }\n'
    )

    made = universe_file([listing("A=B", asset_type="ETF")], "x", own, {"A=B"})

    text = made.text.partition("\n\n")[2]
    assert text.replace("\n\n", "\n") == own
    assert "the type STOCK (the source says ETF)" in made.notes[0]


def test_the_underlying_of_an_option_that_accounts_hold_stays(tmp_path: Path) -> None:
    """Without its chain the service would not know the option, and would refuse to start."""
    path = tmp_path / "universe.toml"
    own = "".join(
        f'[{kind}]\n"BRK.B" = {{ {of_share} }}\nMSFT = {{ {of_share} }}\n'
        for kind, of_share in (
            ("STOCK", 'name = "x", price_tick = 0.01'),
            ("OPTION", "strikes = [400, 500], spread_bps = 3"),
        )
    )
    path.write_text(own)
    options = load_universe(path, simulated=False).instruments(NOON)
    held = next(symbol for symbol in options if symbol.startswith("BRKB"))

    made = universe_file([listing("ETH-USD", currency="USD")], "x", own, {held})

    path.write_text(made.text)
    universe = load_universe(path, simulated=False)
    assert universe.find(held, NOON) is not None
    assert universe.find("MSFT", NOON) is None
    assert made.notes == ("BRK.B stays listed without quotes, because accounts use it",)


@pytest.mark.parametrize("stored", ["[CRYPTO", "CRYPTO = 5", "[CRYPTO]\nA = 5"])
def test_a_file_that_is_no_universe_is_not_overwritten(stored: str) -> None:
    with pytest.raises(SourceError, match=r"^the file is not a universe: "):
        universe_file([listing()], "x", stored)
