"""Groups of orders, placed by both kinds of clients."""

from decimal import Decimal

from bottrading_client import OrderClass, StopLoss, TakeProfit
from tests.clients.python.conftest import Make


async def test_groups_are_placed_with_their_exits(make: Make) -> None:
    exits = {
        "take_profit": TakeProfit(limit_price="150", client_order_id="take"),
        "stop_loss": StopLoss(stop_price=90, limit_price="89.5", time_in_force="DAY"),
    }

    preview = await make("preview_order", "AAPL", "BUY", 10, order_class="BRACKET", **exits)
    entry = await make("place_order", "AAPL", "BUY", 10, order_class=OrderClass.BRACKET, **exits)
    assert await make("order", entry.id) == entry
    take, stop = entry.legs
    pair = await make(
        "place_order",
        "AAPL",
        "SELL",
        1,
        order_class="OCO",
        take_profit=TakeProfit(limit_price=150),
        stop_loss=StopLoss(stop_price=90),
    )

    assert [leg.leg for leg in preview.order.legs] == ["TAKE_PROFIT", "STOP_LOSS"]
    assert (entry.status, entry.order_class, entry.leg) == ("FILLED", "BRACKET", "ENTRY")
    assert (take.parent_order_id, take.held, take.client_order_id) == (entry.id, False, "take")
    assert (stop.limit_price, stop.time_in_force) == (Decimal("89.5"), "DAY")
    assert (pair.status, pair.rejection_reason) == ("REJECTED", "INSUFFICIENT_POSITION")


async def test_a_stop_loss_that_trails_is_placed_previewed_and_replaced(make: Make) -> None:
    exits = {
        "order_class": "BRACKET",
        "take_profit": TakeProfit(limit_price=150),
        "stop_loss": StopLoss(trail_percent="2.5"),
    }

    preview = await make("preview_order", "AAPL", "BUY", 10, **exits)
    entry = await make("place_order", "AAPL", "BUY", 10, **exits)
    single = await make(
        "place_order", "AAPL", "BUY", 1, order_class="OTO", stop_loss=StopLoss(trail_amount=4)
    )
    stop = entry.legs[1]
    wider = await make("replace_order", stop.id, trail_amount=5)

    for order in (preview.order, entry):
        trail = order.legs[1]
        assert (trail.order_type, trail.trail_percent) == ("TRAILING_STOP", Decimal("2.5"))
        assert (trail.trail_amount, trail.stop_price) == (None, Decimal("97.5"))
    assert single.legs[0].stop_price == 96
    assert (wider.trail_amount, wider.trail_percent, wider.stop_price) == (5, None, 95)
    assert (wider.parent_order_id, wider.leg) == (entry.id, "STOP_LOSS")
