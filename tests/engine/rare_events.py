"""Rare events that the end of a state machine forces: interest, margin calls, ruin, expiry."""

from collections.abc import Mapping
from typing import Any

from bottrading.v1 import account_pb2, key_management_pb2, market_data_pb2, order_pb2, quote_pb2
from bottrading.v1 import bot_trading_pb2 as pb
from server.domain.events import OrderUpdated
from server.domain.values import DAY, SECOND
from server.engine.frames import Kind
from tests.engine.audited import AuditedEngine
from tests.engine.bench import call
from tests.engine.drawing import price_at
from tests.engine.ledger import Ledger
from tests.engine.traded import traded_on

ORDERS_MAY_COME = 120 * SECOND
"""After this time no rate limit counts earlier orders."""
EVERYTHING = "9000"
LIMITED = {"order_type": order_pb2.ORDER_TYPE_LIMIT}


class RareEvents:
    """Lets prices ruin the first account, which is short, and an option of the second one expire.

    Each step is audited as those before.
    """

    def __init__(self, engine: AuditedEngine) -> None:
        self.engine = engine
        self.short, self.holder = list(engine.ledgers)

    def force(self) -> None:
        """Let each of the events happen once, whatever the accounts hold and owe before."""
        self.begin_short()
        self._pass(DAY)
        self._check("INTEREST")
        self.offer({"SPY": 150}, "10")
        self.engine.check_margin_calls()
        self._check("MARGIN_CALL")
        self.offer({"SPY": 100}, "1")
        self._check("MARGIN_RESTORED")
        self.begin_short()
        self.offer({"SPY": 180})
        self._check("BANKRUPT")
        self._begin(self.holder, account_pb2.MARGIN_MODE_CASH)
        self._close_what_an_order_holds()
        self._let_an_option_expire()

    def begin_short(self) -> None:
        """Begin anew, sell twice the equity short, and leave an order that opens more."""
        self._begin(self.short, account_pb2.MARGIN_MODE_MARGIN)
        self.offer({"SPY": 100, "AAPL": 100})
        self.place(self.short, symbol="SPY", side=order_pb2.SIDE_SELL, quantity="200")
        sale: dict[str, Any] = {"side": order_pb2.SIDE_SELL, **LIMITED, "limit_price": "2000"}
        self.place(self.short, symbol="AAPL", quantity="1", **sale)

    def _let_an_option_expire(self) -> None:
        """Hold an option and have an order of another one when it expires."""
        option = traded_on(self.engine.clock.now)[-1]
        self.offer({option: 100, "AAPL": 100})
        self.place(self.holder, symbol=option, quantity="1")
        self.place(self.holder, symbol=option, quantity="1", **LIMITED, limit_price="0.01")
        while option in traded_on(self.engine.clock.now):
            self._pass(12 * DAY)
        self.offer({"AAPL": 110})
        for name in ("INSTRUMENT_EXPIRED", "SETTLED"):
            self._check(name)

    def _close_what_an_order_holds(self) -> None:
        self.offer({"AAPL": 100})
        self.place(self.holder, symbol="AAPL", quantity="2")
        sale: dict[str, Any] = {"side": order_pb2.SIDE_SELL, **LIMITED, "limit_price": "2000"}
        self.place(self.holder, symbol="AAPL", quantity="1", **sale)
        self._do("ClosePosition", self.holder, pb.ClosePositionRequest(symbol="AAPL"))
        self._check("POSITION_CLOSED")

    def _begin(self, account: str, mode: account_pb2.MarginMode.ValueType) -> None:
        self._pass(ORDERS_MAY_COME)
        owner = self.engine.owners[account]
        for name, request in (
            ("ResetAccount", key_management_pb2.ResetAccountRequest(account_id=account)),
            (
                "SetMarginMode",
                key_management_pb2.SetMarginModeRequest(account_id=account, margin_mode=mode),
            ),
            (
                "SetTradingState",
                key_management_pb2.SetTradingStateRequest(
                    account_id=account, trading_state=account_pb2.TRADING_STATE_ACTIVE
                ),
            ),
        ):
            self._do(name, owner, request)
        self.known = self._ledger_of(account), len(self._ledger_of(account).events)

    def place(self, account: str, **fields: Any) -> None:
        """Place an order, which may be rejected."""
        given: dict[str, Any] = {"side": order_pb2.SIDE_BUY} | fields
        self._do("PlaceOrder", account, pb.PlaceOrderRequest(**given))

    def offer(self, percents: Mapping[str, int], size: str = EVERYTHING) -> None:
        """Publish quotes at percentages of the symbols' levels, and let the engine look at them."""
        self.publish(percents, size)
        self._pass(SECOND)

    def publish(self, percents: Mapping[str, int], size: str = EVERYTHING) -> None:
        """Publish quotes at percentages of the symbols' levels; no time passes after them."""
        self.engine.clock.now += 10 * SECOND
        prices = {symbol: price_at(percent, symbol) for symbol, percent in percents.items()}
        quotes = [
            quote_pb2.PublishedQuote(symbol=it, bid=price, bid_size=size, ask=price, ask_size=size)
            for it, price in prices.items()
        ]
        request = market_data_pb2.PublishQuotesRequest(quotes=quotes)
        self._do("PublishQuotes", "", request)

    def _pass(self, time: int) -> None:
        self.engine.clock.now += time
        self.engine.handle([], passing=True)

    def _do(self, name: str, caller: str, request: Any) -> None:
        (answer,) = self.engine.handle([call(1, name, caller, request.SerializeToString())])
        assert answer.kind is Kind.RESPONSE, answer

    def _ledger_of(self, account: str) -> Ledger:
        return self.engine.ledgers[account]

    def _check(self, name: str) -> None:
        """Check that an event, or an end of an order for this reason, came since the beginning."""
        ledger, known = self.known
        came = set[str]()
        for event in ledger.events[known:]:
            came.add(event.type.value)
            if isinstance(event, OrderUpdated) and event.order.status_reason is not None:
                came.add(event.order.status_reason.value)
        assert name in came, f"{name} does not happen"
