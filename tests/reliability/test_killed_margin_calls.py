"""A margin call over kills of the engine: it is finished once, and what delays it is told."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from bottrading.v1 import (
    account_pb2,
    bot_trading_pb2,
    key_management_pb2,
    key_management_pb2_grpc,
    market_data_pb2,
    order_pb2,
)
from bottrading.v1.order_update_pb2 import ACCOUNT_UPDATE_TYPE_MARGIN_CALL, AccountEvent
from bottrading.v1.quote_pb2 import PublishedQuote
from tests.reliability.test_killed_groups import Trader, eventually
from tests.support.audit import audit
from tests.support.databases import opened
from tests.support.process import Process, free_port

SHARES = 1_500
A_FIFTH = "300"
KILLS_MAX = 30
OPTIONS: dict[str, Any] = {"fees": "none", "slippage": "none", "requests_per_minute": "0"}


class Borrower(Trader):
    """A bot that buys shares for 150 000.00, of which it borrows 50 000.00."""

    def __init__(self, service: Process, metrics: str) -> None:
        super().__init__(service)
        self.metrics = metrics
        account = bot_trading_pb2.GetAccountRequest()
        self.account_id = self.stub.GetAccount(account, metadata=self.metadata).account.bot_user_id
        request = key_management_pb2.SetMarginModeRequest(
            account_id=self.account_id, margin_mode=account_pb2.MARGIN_MODE_MARGIN
        )
        owner = (("authorization", f"Bearer {service.token('ada')}"),)
        keys = key_management_pb2_grpc.KeyManagementStub(self.channel)
        keys.SetMarginMode(request, metadata=owner)
        self.show("100", "100000").result()
        bought = bot_trading_pb2.PlaceOrderRequest(
            symbol="AAPL", side=order_pb2.SIDE_BUY, quantity=str(SHARES)
        )
        order = self.stub.PlaceOrder(bought, metadata=self.metadata).order
        assert order.status == order_pb2.ORDER_STATUS_FILLED

    def show(self, price: str, size: str) -> Any:
        """Send a quote whose bid and ask are the same; return the future of the answer."""
        quote = PublishedQuote(symbol="AAPL", bid=price, bid_size=size, ask=price, ask_size=size)
        request = market_data_pb2.PublishQuotesRequest(quotes=[quote])
        return self.market.PublishQuotes.future(request, metadata=self.operator)

    def kill_the_engine(self) -> None:
        """Kill the engine, and wait until the next one decides calls."""
        super().kill_the_engine()
        request = bot_trading_pb2.CancelAllOrdersRequest(symbol="MSFT")
        eventually(lambda: self.stub.CancelAllOrders(request, metadata=self.metadata))

    def log(self) -> list[AccountEvent]:
        """Return the log of the account, whose entries must be numbered without a gap."""
        query = "SELECT sequence, payload FROM events WHERE account_id = ? ORDER BY sequence"
        with opened(self.service.data_dir) as connection:
            rows = list(connection.execute(query, (self.account_id,)))
        assert [number for number, _ in rows] == list(range(1, len(rows) + 1))
        return [AccountEvent.FromString(payload) for _, payload in rows]

    def calls(self) -> list[AccountEvent]:
        """Return the margin calls of the log."""
        kind = ACCOUNT_UPDATE_TYPE_MARGIN_CALL
        return [it for it in self.log() if it.account_update.type == kind]

    def sold(self) -> dict[str, float]:
        """Return how much each order of the venue has sold, by its id."""
        found = dict[str, float]()
        for event in self.log():
            order, fill = event.order_update.order, event.order_update.fill
            if order.placed_by == order_pb2.PLACED_BY_VENUE:
                found[order.id] = found.get(order.id, 0) + float(fill.quantity or 0)
        return found

    def is_over(self) -> bool:
        """Tell whether everything is sold."""
        return sum(self.sold().values()) == SHARES

    def delays(self) -> list[str]:
        """Return the lines of the metric that counts margin calls that wait for quotes."""
        lines = httpx.get(f"http://{self.metrics}/metrics").text.splitlines()
        return [line for line in lines if line.startswith("bottrading_margin_calls_delayed{")]


@pytest.fixture
def borrower(tmp_path: Path) -> Iterator[Borrower]:
    metrics = f"127.0.0.1:{free_port()}"
    options = ("--market", "published", "--metrics", metrics)
    with Process(tmp_path / "data", *options, **OPTIONS) as service:
        bot = Borrower(service, metrics)
        yield bot
        bot.channel.close()
        assert service.stop() == 0
    audit(tmp_path / "data")


@pytest.mark.timeout(180)
def test_a_call_that_kills_interrupt_is_finished_once(borrower: Borrower) -> None:
    """Each quote sells a fifth, and a kill follows it, before its answer or after it."""
    # 1 500 x 34 - 50 000 is 1 000, whatever is sold; 30 % of 300 x 34 are still 3 060.
    borrower.show("34", A_FIFTH).result()
    eventually(borrower.calls)
    kills = 0
    while not borrower.is_over():
        borrower.kill_the_engine()
        kills += 1
        assert kills < KILLS_MAX
        # The quotes are stale now, and the operator is told who waits for them.
        told = eventually(lambda: borrower.delays() or borrower.is_over())
        assert told in (True, ['bottrading_margin_calls_delayed{symbol="AAPL"} 1.0'])
        answer = borrower.show("34", A_FIFTH)
        if kills % 2:
            answer.result()

    assert kills >= 4
    eventually(borrower.delays, is_right=lambda lines: not lines)
    assert len(borrower.calls()) == 1
    assert list(borrower.sold().values()) == [SHARES]
    assert borrower.held_quantities() == []
