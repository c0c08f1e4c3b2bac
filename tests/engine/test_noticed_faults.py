"""Faults of storage and market, planted one at a time: the state machine's audit notices each."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bottrading.v1 import market_data_pb2, order_pb2, quote_pb2
from server.application.market_feed import MarketFeed, QuoteBoard
from server.domain.values import CENT, SECOND
from server.engine.frames import Call
from server.storage import mapping
from server.storage.pending import Pending
from tests.engine.audited import AuditedEngine
from tests.engine.bench import call, place
from tests.engine.ledger import STALE_AFTER
from tests.support.databases import opened

Patch = pytest.MonkeyPatch


@pytest.fixture
def engine(data_dir: Path) -> Iterator[AuditedEngine]:
    made = AuditedEngine(data_dir, with_costs=True)
    yield made
    made.abandon()
    made.silence()


def _publish(engine: AuditedEngine, bid: str, ask: str) -> Call:
    engine.clock.now += 1
    quote = quote_pb2.PublishedQuote(
        symbol="AAPL", bid=bid, ask=ask, bid_size="1000", ask_size="1000"
    )
    request = market_data_pb2.PublishQuotesRequest(quotes=[quote])
    return call(7, "PublishQuotes", "", request.SerializeToString())


def _trade(engine: AuditedEngine) -> None:
    """Buy, rest an order, and let a quote reach it."""
    account = next(iter(engine.ledgers))
    limit = {"limit_price": "99.00", "order_type": order_pb2.ORDER_TYPE_LIMIT}
    engine.handle([_publish(engine, "100.00", "100.01")])
    engine.handle([place(1, account, quantity="10"), place(2, account, quantity="3", **limit)])
    engine.handle([_publish(engine, "98.00", "98.01")])
    engine.handle([place(3, account, quantity="5", side=order_pb2.SIDE_SELL)])


def _check(engine: AuditedEngine) -> None:
    for ledger in engine.ledgers.values():
        ledger.compare_everything()


def test_trading_without_a_fault_passes_the_audit(engine: AuditedEngine) -> None:
    _trade(engine)
    _check(engine)


def test_an_event_that_is_decided_and_not_encoded_is_noticed(
    engine: AuditedEngine, monkeypatch: Patch
) -> None:
    add = Pending.add_event

    def forgetful(pending: Pending, event: Any) -> None:
        if event.sequence != 3:
            add(pending, event)

    monkeypatch.setattr(Pending, "add_event", forgetful)

    with pytest.raises(AssertionError, match="a gap in the log"):
        _trade(engine)


def test_a_reservation_of_the_account_that_is_a_cent_too_high_is_noticed(
    engine: AuditedEngine, monkeypatch: Patch
) -> None:
    right = mapping.account_values

    def wrong(account: Any) -> mapping.Values:
        values = right(account)
        return values | {"reserved": values["reserved"] + CENT}

    monkeypatch.setattr(mapping, "account_values", wrong)

    with pytest.raises(AssertionError, match="wrongly reserved"):
        _trade(engine)


def test_a_quote_that_is_not_shown_to_resting_orders_is_noticed(
    engine: AuditedEngine, monkeypatch: Patch
) -> None:
    monkeypatch.setattr(MarketFeed, "_fill", lambda *_: None)

    with pytest.raises(AssertionError, match="an order waits"):
        _trade(engine)


def _buy_later(engine: AuditedEngine, seconds: int) -> None:
    """Buy at a quote of an earlier run, on an engine that takes every quote for fresh."""
    engine.handle([_publish(engine, "100.00", "100.01")])
    engine.handle([], passing=True)
    engine.restart()
    engine.clock.turn(seconds=seconds)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(QuoteBoard, "is_fresh", lambda *_: True)
        engine.handle([place(1, next(iter(engine.ledgers)), quantity="1")])


@pytest.mark.sqlite_only
def test_trading_on_quotes_of_an_earlier_run_is_noticed(engine: AuditedEngine) -> None:
    """In PostgreSQL, quotes stay fresh over a restart."""
    with pytest.raises(AssertionError, match="executed on a stale quote"):
        _buy_later(engine, seconds=0)


def test_trading_on_old_quotes_is_noticed(engine: AuditedEngine) -> None:
    with pytest.raises(AssertionError, match="executed on a stale quote"):
        _buy_later(engine, seconds=STALE_AFTER // SECOND + 1)


CHANGES: dict[str, tuple[str, str | None]] = {
    "a fill by a cent": (f"UPDATE fills SET amount = amount + {CENT}", "other fills"),
    "a fill is gone": ("DELETE FROM fills", "other fills"),
    "an order's fee by a cent": (f"UPDATE orders SET fees = fees + {CENT}", None),
    "a balance by a cent": (f"UPDATE accounts SET balance = balance - {CENT}", "balance"),
    "a position by the least": ("UPDATE positions SET quantity = quantity + 1", None),
    "an event is gone": ("DELETE FROM events WHERE sequence = 4", "the log"),
    "an event is another": (
        "UPDATE events SET payload = substr(payload, 2) WHERE sequence = 4",
        "the log",
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_is_changed_in_the_database_is_noticed(engine: AuditedEngine, change: str) -> None:
    _trade(engine)
    statement, told = CHANGES[change]
    with opened(engine.data_dir) as other:
        other.execute(statement)

    with pytest.raises(AssertionError, match=told):
        _check(engine)
