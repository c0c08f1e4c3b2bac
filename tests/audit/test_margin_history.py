"""The replay of the log of a margin account: its figures worked by hand, and every fault in it."""

from collections.abc import Callable
from decimal import Decimal
from operator import methodcaller
from typing import Any

import pytest

from bottrading.v1 import (
    account_pb2,
    fill_pb2,
    instrument_pb2,
    order_pb2,
    order_update_pb2,
)
from server.audit.groups import left_by
from server.audit.replay import Replay
from server.domain.values import format_units

STOCK = instrument_pb2.ASSET_TYPE_STOCK
BUY, SELL = order_pb2.SIDE_BUY, order_pb2.SIDE_SELL
CASH, MARGIN = account_pb2.MARGIN_MODE_CASH, account_pb2.MARGIN_MODE_MARGIN
SIDES = {"BUY": BUY, "SELL": SELL}


class Log:
    """The log of an account, as a venue without fees writes it unless told otherwise."""

    def __init__(self) -> None:
        self.events: list[order_update_pb2.AccountEvent] = []
        self.balance = Decimal(0)
        self.mode: Any = CASH
        self.state = account_pb2.TRADING_STATE_ACTIVE
        self.account("OPENED", amount="100000.00")

    def account(self, kind: str, *, amount: str | None = None, **fields: Any) -> None:
        """Add an event of the account; `amount` is the money that comes or goes."""
        if kind in ("OPENED", "RESET"):
            self.balance = Decimal(0)
        self.balance += Decimal(amount or 0)
        shown: dict[str, Any] = {"amount": amount} if kind in ("OPENED", "RESET", "DEPOSIT") else {}
        name = f"ACCOUNT_UPDATE_TYPE_{kind}"
        update = order_update_pb2.AccountUpdate(
            type=order_update_pb2.AccountUpdateType.Value(name),
            balance=str(self.balance),
            trading_state=self.state,
            margin_mode=self.mode,
            **shown,
            **fields,
        )
        self._add(account_update=update)

    def margin(self, mode: Any = MARGIN) -> None:
        """Change the margin mode."""
        self.mode = mode
        self.account("MARGIN_MODE")

    def interest(self, on_loan: str, for_shares: str) -> None:
        """Charge interest for a night."""
        charge = order_update_pb2.Interest(loan_interest=on_loan, borrow_fee=for_shares, nights=1)
        total = Decimal(on_loan) + Decimal(for_shares)
        self.account("INTEREST", amount=str(-total), interest=charge)

    def call(self, equity: str, maintenance: str) -> None:
        """Begin a margin call."""
        told = order_update_pb2.MarginCall(equity=equity, maintenance_margin=maintenance)
        self.account("MARGIN_CALL", margin_call=told)

    def bankrupt(self) -> None:
        """Tell that nothing is left."""
        self.state = account_pb2.TRADING_STATE_HALTED
        self.account("BANKRUPT")

    def order(self, name: str, side: str, quantity: str, **fields: Any) -> None:
        """Accept an order."""
        order = self._order(name, side, quantity, "OPEN", **fields)
        self._update("ACCEPTED", order)

    def trade(
        self,
        name: str,
        side: str,
        quantity: str,
        price: str,
        *,
        pnl: str | None = None,
        fee: str = "0.00",
        **fields: Any,
    ) -> None:
        """Accept an order and fill the whole of it."""
        self.order(name, side, quantity, **fields)
        amount = Decimal(quantity) * Decimal(price)
        self.balance += (-amount if side == "BUY" else amount) - Decimal(fee)
        fill = fill_pb2.Fill(
            order_id=name,
            symbol="AAPL",
            asset_type=STOCK,
            side=SIDES[side],
            quantity=quantity,
            price=price,
            amount=str(amount),
            fee=fee,
            rounding="0.00000000",
            realized_pnl=pnl,
        )
        order = self._order(name, side, quantity, "FILLED", **fields)
        self._update("FILLED", order, fill)

    def replayed(self) -> tuple[Replay, list[str]]:
        """Return the replay of the log and its findings."""
        findings: list[str] = []
        replay = Replay(findings.append)
        for event in self.events:
            replay.hear(event)
        return replay, findings

    def _order(self, name: str, side: str, quantity: str, status: str, **fields: Any) -> Any:
        given = {"placed_by": order_pb2.PLACED_BY_BOT, "asset_type": STOCK, **fields}
        return order_pb2.Order(
            id=name,
            symbol="AAPL",
            side=SIDES[side],
            quantity=quantity,
            reserved="0.00",
            status=order_pb2.OrderStatus.Value(f"ORDER_STATUS_{status}"),
            **given,
        )

    def _update(self, kind: str, order: Any, fill: Any = None) -> None:
        number = order_update_pb2.OrderUpdateType.Value(f"ORDER_UPDATE_TYPE_{kind}")
        self._add(order_update=order_update_pb2.OrderUpdate(type=number, order=order, fill=fill))

    def _add(self, **content: Any) -> None:
        number = len(self.events) + 1
        self.events.append(order_update_pb2.AccountEvent(sequence=number, **content))


def held(replay: Replay) -> list[str]:
    """Return quantity, average cost, cost basis and opening fees of the position."""
    it = replay.epoch.holdings["AAPL"]
    figures = (it.quantity, it.average_cost, it.cost_basis, it.buy_fees)
    return [format_units(figure) for figure in figures]


def margin_log() -> Log:
    log = Log()
    log.margin()
    return log


def test_a_short_position_has_the_proceeds_as_its_negative_cost() -> None:
    """Sold 10 at 100 and 30 at 120: 4 600 in all, 115 each, for fees of 1 and 2."""
    log = margin_log()
    log.trade("a", "SELL", "10", "100.00", fee="1.00")
    log.trade("b", "SELL", "30", "120.00", fee="2.00")
    replay, findings = log.replayed()

    assert findings == []
    assert held(replay) == ["-40.00000000", "115.00000000", "-4600.00000000", "3.00000000"]
    assert replay.epoch.trades == []


def test_a_purchase_closes_a_short_position_for_a_profit() -> None:
    """Of 40 at 115, 10 are bought back at 90: 1 150 - 900 - a quarter of 3 - 0.50 = 248.75."""
    log = margin_log()
    log.trade("a", "SELL", "40", "115.00", fee="3.00")
    log.trade("b", "BUY", "10", "90.00", fee="0.50", pnl="248.75")
    replay, findings = log.replayed()

    assert findings == []
    assert held(replay) == ["-30.00000000", "115.00000000", "-3450.00000000", "2.25000000"]
    assert [format_units(pnl) for pnl in replay.epoch.trades] == ["248.75000000"]


@pytest.mark.parametrize(
    ("first", "second", "pnl", "rest"),
    [
        pytest.param("BUY", "SELL", "19.20", "-20.00000000", id="to short"),
        pytest.param("SELL", "BUY", "-20.80", "20.00000000", id="to long"),
    ],
)
def test_a_fill_through_zero_is_divided_by_quantity(
    first: str, second: str, pnl: str, rest: str
) -> None:
    """10 at 100 for 0.50, then 30 at 102 for 0.90: ten of these close, for 0.30, and 20 open."""
    log = margin_log()
    log.trade("a", first, "10", "100.00", fee="0.50")
    log.trade("b", second, "30", "102.00", fee="0.90", pnl=pnl)
    replay, findings = log.replayed()

    basis = "2040.00000000" if second == "BUY" else "-2040.00000000"
    assert findings == []
    assert held(replay) == [rest, "102.00000000", basis, "0.60000000"]
    assert [format_units(it) for it in replay.epoch.trades] == [f"{pnl}000000"]


def test_thirds_of_a_fee_are_rounded_half_to_even() -> None:
    """Of a fee of 0.01, a third closes: 0.00333333. The rest opens: 0.00666667."""
    log = margin_log()
    log.trade("a", "BUY", "1", "10.00")
    log.trade("b", "SELL", "3", "10.00", fee="0.01", pnl="0.00")
    replay, findings = log.replayed()

    assert findings == []
    assert held(replay)[3] == "0.00666667"
    assert [format_units(it) for it in replay.epoch.trades] == ["-0.00333333"]


def test_live_orders_of_both_sides_have_something_left() -> None:
    log = margin_log()
    log.order("a", "BUY", "3")
    log.order("b", "SELL", "5")
    leg = {"leg": order_pb2.ORDER_LEG_STOP_LOSS, "parent_order_id": "c", "reduce_only": True}
    log.order("c", "BUY", "2", leg=order_pb2.ORDER_LEG_TAKE_PROFIT, reduce_only=True)
    log.order("d", "BUY", "2", **leg)
    replay, findings = log.replayed()

    assert findings == []
    assert {side: left_by(replay, side)["AAPL"] // 10**8 for side in (BUY, SELL)} == {
        BUY: 5,
        SELL: 5,
    }


def test_a_buy_of_a_cash_account_holds_back_money_and_nothing_else() -> None:
    log = Log()
    log.order("a", "BUY", "3")

    assert left_by(log.replayed()[0], BUY) == {}


def squeezed() -> Log:
    """Return the log of an account that was short until nothing was left."""
    log = margin_log()
    log.trade("a", "SELL", "1000", "150.00")
    log.interest("0.00", "4.11")
    log.call("40000.00", "63000.00")
    log.trade(
        "b",
        "BUY",
        "1000",
        "260.00",
        pnl="-110000.00",
        placed_by=order_pb2.PLACED_BY_VENUE,
        reduce_only=True,
    )
    log.bankrupt()
    return log


def test_a_squeezed_short_costs_interest_and_everything() -> None:
    """100 000 + 150 000 - 4.11 - 260 000 are -10 004.11."""
    log = squeezed()
    replay, findings = log.replayed()

    assert findings == []
    assert format_units(replay.epoch.balance) == "-10004.11000000"
    assert format_units(replay.margin.interest_paid) == "4.11000000"
    assert (replay.margin.is_bankrupt, replay.epoch.bankrupt_since) == (True, 9)


def test_a_reset_begins_anew_in_the_same_mode() -> None:
    log = squeezed()
    log.account("RESET", amount="100000.00")
    replay, findings = log.replayed()

    assert findings == []
    assert (replay.margin.interest_paid, replay.margin.is_bankrupt) == (0, False)
    assert (replay.margin.is_margin, replay.epoch.bankrupt_since) == (True, None)


def mistaken() -> Log:
    """Return the log of a MARGIN account whose next events show another mode."""
    log = margin_log()
    log.mode = CASH
    return log


does = methodcaller
opens = does("trade", "x", "SELL", "1", "9.00")
of_venue = {"placed_by": order_pb2.PLACED_BY_VENUE}
FAULTS: dict[str, tuple[Callable[[], Log], list[Callable[[Log], object]]]] = {
    "sells more than is held": (Log, [does("trade", "x", "SELL", "1", "9.00", pnl="9.00")]),
    "shows another margin mode": (mistaken, [does("account", "TRADING_STATE")]),
    "while orders are live": (Log, [does("order", "x", "BUY", "1"), does("margin")]),
    "with a loan or a short position": (margin_log, [opens, does("margin", CASH)]),
    "event of a MARGIN account": (Log, [does("bankrupt")]),
    "charges interest without a loan": (margin_log, [does("interest", "0.01", "0.00")]),
    "without a short position": (margin_log, [does("interest", "0.00", "0.01")]),
    "charges no interest": (squeezed, [does("interest", "0.00", "0.00")]),
    "though the equity covers": (squeezed, [does("call", "2.00", "2.00")]),
    "without a loan and a short": (margin_log, [does("call", "1.00", "2.00")]),
    "bankrupt again": (squeezed, [does("bankrupt")]),
    "does not halt it": (margin_log, [does("account", "BANKRUPT")]),
    "order of the venue without": (
        margin_log,
        [does("order", "x", "BUY", "1", reduce_only=True, **of_venue)],
    ),
    "or one that can open": (squeezed, [does("order", "x", "BUY", "1", **of_venue)]),
    "by an order that may only reduce": (
        margin_log,
        [does("trade", "x", "SELL", "1", "9.00", reduce_only=True)],
    ),
    "shows a profit and closes nothing": (
        margin_log,
        [does("trade", "x", "SELL", "1", "9.00", pnl="0.00")],
    ),
    "shows another profit": (
        margin_log,
        [opens, does("trade", "y", "BUY", "1", "8.00", pnl="-1.00")],
    ),
}


@pytest.mark.parametrize("finding", FAULTS)
def test_a_fault_in_the_log_is_told(finding: str) -> None:
    before, steps = FAULTS[finding]
    log = before()
    for step in steps:
        step(log)
    _, findings = log.replayed()

    assert len(findings) == 1, findings
    assert finding in findings[0]
