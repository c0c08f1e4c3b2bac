"""Groups over kills of the engine: no exit is orphaned, and no position is without its exits."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import grpc
import pytest

from bottrading.v1 import bot_trading_pb2 as pb
from bottrading.v1 import bot_trading_pb2_grpc, market_data_pb2, market_data_pb2_grpc, order_pb2
from bottrading.v1.quote_pb2 import PublishedQuote
from tests.support.audit import audit
from tests.support.process import POLL_SECONDS, START_SECONDS_MAX, Process, channel, make_key

T = TypeVar("T")

BRACKET, OCO = order_pb2.ORDER_CLASS_BRACKET, order_pb2.ORDER_CLASS_OCO
BUY, SELL, LIMIT = order_pb2.SIDE_BUY, order_pb2.SIDE_SELL, order_pb2.ORDER_TYPE_LIMIT
OPEN, FILLED, CANCELLED = (
    order_pb2.ORDER_STATUS_OPEN,
    order_pb2.ORDER_STATUS_FILLED,
    order_pb2.ORDER_STATUS_CANCELLED,
)
STOPS: list[dict[str, Any]] = [
    {"stop_price": "85.00"},
    {"trail_amount": "5.00"},
]
"""A stop-loss that stays, and one that follows the market."""


def eventually(call: Callable[[], T], is_right: Callable[[T], bool] = bool) -> T:
    """Repeat a call until the engine answers as it should; health may be that of the killed one."""
    deadline = time.monotonic() + START_SECONDS_MAX
    while True:
        try:
            found = call()
            if is_right(found):
                return found
        except grpc.RpcError:
            pass
        assert time.monotonic() < deadline, "the engine does not come back"
        time.sleep(POLL_SECONDS)


class Trader:
    """A bot on a market whose quotes it publishes."""

    def __init__(self, service: Process) -> None:
        self.service = service
        self.channel = channel(service.grpc)
        self.stub = bot_trading_pb2_grpc.BotTradingStub(self.channel)
        self.market = market_data_pb2_grpc.MarketDataStub(self.channel)
        self.metadata = (("x-bot-key", make_key(service)),)
        self.operator = (("authorization", f"Bearer {service.token('op', '--operator')}"),)

    def publish(self, bid: str, ask: str) -> None:
        quote = PublishedQuote(symbol="AAPL", bid=bid, bid_size="500", ask=ask, ask_size="500")
        request = market_data_pb2.PublishQuotesRequest(quotes=[quote])
        eventually(lambda: self.market.PublishQuotes(request, metadata=self.operator))

    def place(self, **fields: Any) -> order_pb2.Order:
        request = pb.PlaceOrderRequest(symbol="AAPL", quantity="10", **fields)
        return self.stub.PlaceOrder(request, metadata=self.metadata).order

    def order(self, order_id: str) -> order_pb2.Order:
        request = pb.GetOrderRequest(order_id=order_id)
        return self.stub.GetOrder(request, metadata=self.metadata).order

    def held_quantities(self) -> list[tuple[str, str]]:
        found = self.stub.ListPositions(pb.ListPositionsRequest(), metadata=self.metadata)
        return [(it.quantity, it.reserved_quantity) for it in found.positions]

    def kill_the_engine(self) -> None:
        os.kill(self.service.engine(), signal.SIGKILL)
        self.service.wait_until_ready()
        audit(self.service.data_dir)


@pytest.fixture
def trader(tmp_path: Path) -> Iterator[Trader]:
    options = ("--market", "published")
    with Process(tmp_path / "data", *options, fees="none", slippage="none") as service:
        bot = Trader(service)
        yield bot
        bot.channel.close()
        assert service.stop() == 0
    audit(tmp_path / "data")


@pytest.mark.parametrize("stop_loss", STOPS)
@pytest.mark.timeout(90)
def test_a_bracket_survives_kills_before_and_after_its_entrys_first_fill(
    trader: Trader, stop_loss: dict[str, Any]
) -> None:
    trader.publish("99.00", "100.00")
    entry = trader.place(
        side=BUY,
        order_type=LIMIT,
        limit_price="90.00",
        order_class=BRACKET,
        take_profit=pb.TakeProfit(limit_price="110.00"),
        stop_loss=pb.StopLoss(**stop_loss),
    )

    trader.kill_the_engine()
    waiting = eventually(lambda: trader.order(entry.id))
    trader.publish("89.00", "90.00")
    filled = trader.order(entry.id)
    trader.kill_the_engine()
    released = eventually(lambda: trader.order(entry.id))
    reserved = trader.held_quantities()
    trader.publish("84.00", "85.00")
    sold = trader.order(entry.id)

    assert waiting == entry
    assert [(leg.status, leg.held) for leg in waiting.legs] == [(OPEN, True)] * 2
    assert filled.status == FILLED
    assert [(leg.status, leg.held) for leg in released.legs] == [(OPEN, False)] * 2
    assert [leg.quantity for leg in released.legs] == ["10.00000000"] * 2
    assert reserved == [("10.00000000", "10.00000000")]
    take, stop = sold.legs
    assert (stop.status, stop.filled_price) == (FILLED, "84.00000000")
    assert (take.status, take.status_reason) == (
        CANCELLED,
        order_pb2.STATUS_REASON_SIBLING_FILLED,
    )
    assert trader.held_quantities() == []


@pytest.mark.timeout(90)
def test_an_oco_survives_a_kill_and_its_trail_goes_on_from_what_is_stored(trader: Trader) -> None:
    trader.publish("99.00", "100.00")
    trader.place(side=BUY)
    pair = trader.place(
        side=SELL,
        order_class=OCO,
        take_profit=pb.TakeProfit(limit_price="130.00"),
        stop_loss=pb.StopLoss(trail_amount="5.00"),
    )
    trader.publish("120.00", "121.00")
    # The front shows what is stored.
    shown = eventually(
        lambda: trader.order(pair.id), lambda it: it.legs[0].stop_price == "115.00000000"
    )

    trader.kill_the_engine()
    after = eventually(lambda: trader.order(pair.id))
    trader.publish("115.00", "116.00")
    sold = trader.order(pair.id)

    assert after == shown
    assert (sold.status, sold.status_reason) == (
        CANCELLED,
        order_pb2.STATUS_REASON_SIBLING_FILLED,
    )
    assert (sold.legs[0].status, sold.legs[0].filled_price) == (FILLED, "115.00000000")
    assert trader.held_quantities() == []
