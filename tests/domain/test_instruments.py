"""Instruments: which asset types, quantities and prices an order may name for one."""

import pytest

from server.domain.changes import changed
from server.domain.errors import Reason
from server.domain.instrument import AssetType
from server.domain.values import CENT, Price, Quantity, parse_units
from tests.domain.book import INSTRUMENTS


@pytest.mark.parametrize(
    ("symbol", "others"),
    [
        ("AAPL", set()),
        ("SPY", {AssetType.STOCK}),
        ("BTC-USD", {AssetType.STOCK}),
        ("EUR-USD", set()),
        ("GOLD", set()),
        ("CALL", set()),
    ],
)
def test_an_order_names_the_own_type_or_stock_for_what_trades_alike(
    symbol: str, others: set[AssetType]
) -> None:
    instrument = INSTRUMENTS[symbol]
    named = {kind for kind in AssetType if instrument.may_be_called(kind)}
    assert named == others | {instrument.asset_type}


@pytest.mark.parametrize(("quantity", "is_right"), [("3", True), ("0.5", False)])
def test_a_quantity_is_a_multiple_of_the_step(quantity: str, is_right: bool) -> None:
    violation = INSTRUMENTS["EUR-USD"].off_step(Quantity(parse_units(quantity)))

    assert (violation is None) is is_right
    if violation is not None:
        assert (violation.field, violation.reason) == ("quantity", Reason.QUANTITY_OFF_STEP)


@pytest.mark.parametrize(("price", "is_right"), [("1.25", True), ("1.255", False)])
def test_a_price_is_a_multiple_of_the_tick(price: str, is_right: bool) -> None:
    instrument = changed(INSTRUMENTS["AAPL"], price_tick=CENT)

    violation = instrument.off_tick("stop_price", Price(parse_units(price)))

    assert (violation is None) is is_right
    if violation is not None:
        assert (violation.field, violation.reason) == ("stop_price", Reason.PRICE_OFF_TICK)
        assert violation.message == (
            "`stop_price` must be a multiple of 0.01000000 for AAPL, not 1.25500000."
        )
