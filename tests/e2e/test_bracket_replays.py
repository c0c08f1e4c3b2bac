"""Brackets in a replay that `serve` plays: a bar that reaches both exits takes the stop alone."""

from pathlib import Path
from typing import Any

import pytest

from bottrading_client import BotTradingClient, Order, StopLoss, TakeProfit
from tests.e2e.test_lock_step import SAMPLE
from tests.support.process import Process, make_key

BARS = """\
2025-01-02,AAPL,100,101,99,100,1000000
2025-01-03,AAPL,100,120,80,85,1000000
2025-01-06,AAPL,85,86,84,85,1000000
"""


@pytest.mark.parametrize(
    "stop_loss", [StopLoss(stop_price=90), StopLoss(trail_amount=5), StopLoss(trail_percent=10)]
)
@pytest.mark.timeout(60)
def test_in_a_bar_that_reaches_both_exits_the_stop_is_taken_and_only_it(
    tmp_path: Path, stop_loss: StopLoss
) -> None:
    header = SAMPLE.read_text().splitlines()[0]
    bars = tmp_path / "bars.csv"
    bars.write_text(f"{header}\n{BARS}")
    options = ["--market", "replay", "--replay-file", str(bars), "--replay-clock", "step"]
    with (
        Process(tmp_path / "data", *options, "--step-participants", "1") as service,
        BotTradingClient(make_key(service), service.grpc) as bot,
    ):
        told = bot.advance_clock(next_bar="1d")
        entry = bot.place_order(
            "AAPL",
            "BUY",
            10,
            order_class="BRACKET",
            take_profit=TakeProfit(limit_price=110),
            stop_loss=stop_loss,
        )
        while not told.ended:
            told = bot.advance_clock(next_bar="1d", from_time=told.time)
        take, stop = bot.order(entry.id).legs
        sold = _sold(bot.fills())

    assert (stop.status, take.status, take.status_reason) == (
        "FILLED",
        "CANCELLED",
        "SIBLING_FILLED",
    )
    assert take.filled_quantity == 0
    assert sold == {stop.id: 10}
    assert _price(stop) < 96


def _sold(fills: Any) -> dict[str, int]:
    sold: dict[str, int] = {}
    for fill in fills:
        if fill.side == "SELL":
            sold[fill.order_id] = sold.get(fill.order_id, 0) + int(fill.quantity)
    return sold


def _price(order: Order) -> float:
    assert order.filled_price is not None
    return float(order.filled_price)
