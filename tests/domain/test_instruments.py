"""Instruments: which asset types an order may name for one."""

import pytest

from server.domain.instrument import AssetType
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
