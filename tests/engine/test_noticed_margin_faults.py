"""Faults of margin trading, planted one at a time: the state machine's audit notices each."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bottrading.v1 import order_pb2
from server.application.margin_watch import MarginWatch
from server.domain import margin, margin_calls, risk
from server.domain.errors import Reason
from server.domain.events import OrderUpdated
from server.domain.values import CENT
from tests.engine.audited import AuditedEngine
from tests.engine.rare_events import RareEvents

Patch = pytest.MonkeyPatch
SALE: dict[str, Any] = {
    "side": order_pb2.SIDE_SELL,
    "order_type": order_pb2.ORDER_TYPE_LIMIT,
    "limit_price": "670",
}


@pytest.fixture
def engine(data_dir: Path) -> Iterator[AuditedEngine]:
    made = AuditedEngine(data_dir, with_costs=True)
    yield made
    made.abandon()
    made.silence()


def test_rare_events_without_a_fault_pass_the_audit(engine: AuditedEngine) -> None:
    RareEvents(engine).force()
    RareEvents(engine).force()
    engine.restart()
    RareEvents(engine).force()


def test_a_margin_call_that_is_missed_is_noticed(engine: AuditedEngine, monkeypatch: Patch) -> None:
    monkeypatch.setattr(MarginWatch, "_look", lambda *_, **__: frozenset())

    with pytest.raises(AssertionError, match="no margin call"):
        RareEvents(engine).force()


def test_a_margin_without_live_orders_is_noticed(engine: AuditedEngine, monkeypatch: Patch) -> None:
    monkeypatch.setattr(margin, "exposed_quantity", lambda position: abs(position.quantity))

    with pytest.raises(AssertionError, match="another margin"):
        RareEvents(engine).force()


def test_interest_that_is_a_cent_too_high_is_noticed(
    engine: AuditedEngine, monkeypatch: Patch
) -> None:
    right = margin_calls._charge
    monkeypatch.setattr(margin_calls, "_charge", lambda *given: right(*given) + CENT)

    with pytest.raises(AssertionError, match="another interest"):
        RareEvents(engine).force()


@pytest.mark.sqlite_only
def test_an_order_is_judged_at_the_prices_that_a_restart_keeps(engine: AuditedEngine) -> None:
    """An engine that is killed forgets quotes of the last second, which would let it sell more."""
    scene = RareEvents(engine)
    scene.begin_short()
    scene.publish({"SPY": 50})
    engine.restart()

    scene.place(scene.short, symbol="SPY", quantity="100", **SALE)

    (*_, last) = engine.ledgers[scene.short].events
    assert isinstance(last, OrderUpdated)
    assert last.order.rejection_reason is Reason.INSUFFICIENT_BUYING_POWER


@pytest.mark.parametrize(
    ("needed", "quantity", "told"),
    [(10**20, "1", "needs less than is free"), (0, "9000", "needs more than is free")],
)
def test_an_order_that_is_wrongly_decided_is_noticed(
    engine: AuditedEngine, monkeypatch: Patch, needed: int, quantity: str, told: str
) -> None:
    scene = RareEvents(engine)
    scene.begin_short()
    monkeypatch.setattr(risk, "needed", lambda *_: needed)

    with pytest.raises(AssertionError, match=told):
        scene.place(scene.short, symbol="SPY", quantity=quantity, **SALE)
