"""Verifying groups on margin: exits are for what their entry opens beyond an old position."""

from pathlib import Path

import pytest

from bottrading.v1 import order_pb2
from server.audit.verifying import verify
from server.config import DATABASE_FILE
from tests.support.accounts import on_margin
from tests.support.venue import VenueFactory


@pytest.mark.parametrize(
    ("bid_size", "held", "quantities"),
    [
        # Of the 80 that the entry sells, the first 50 close a long position.
        ("30", True, ["80.00000000"]),
        ("75", False, ["25.00000000"]),
        ("100", False, ["30.00000000"]),
    ],
)
async def test_exits_wait_until_their_entry_opens_something(
    data_dir: Path, start_venue: VenueFactory, bid_size: str, held: bool, quantities: list[str]
) -> None:
    venue = await start_venue()
    bot = await venue.bot("ada", operator=True)
    await on_margin(bot, "ada")
    await venue.publish("AAPL", "100", "100")
    await bot.place("AAPL", "BUY", "50")
    await venue.publish("AAPL", "100", "100", size=bid_size)
    entry = await bot.place(
        "AAPL",
        "SELL",
        "80",
        limit_price="100",
        order_class=order_pb2.ORDER_CLASS_BRACKET,
        take_profit={"limit_price": "90"},
        stop_loss={"stop_price": "110"},
    )
    await venue.stop()

    assert [leg.held for leg in entry.legs] == [held] * 2
    assert {leg.side for leg in entry.legs} == {order_pb2.SIDE_BUY}
    assert sorted({leg.quantity for leg in entry.legs}) == quantities
    assert verify(data_dir / DATABASE_FILE).findings == []
