"""Decided orders: each is decided in its current state, and stored as the decision marks it."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bottrading.v1 import order_pb2
from server.application import market_feed
from server.application.orders import end, end_all
from server.domain.matching import reach
from server.domain.order import Order, OrderTicket, OrderType, Side, StatusReason, TimeInForce
from server.domain.posting import Decision, check
from server.domain.quote import Quote
from server.domain.trading import cancel, fill_resting, place
from server.domain.values import SCALE, Price, Quantity
from server.storage.unit_of_work import SqlUnitOfWork
from tests.engine.bench import Bench, order_of
from tests.engine.bench import place as place_call
from tests.engine.ledger import StoredBook, connect
from tests.support.venue import NOON, ManualClock

LIMIT: dict[str, Any] = {"order_type": order_pb2.ORDER_TYPE_LIMIT, "limit_price": "99.00"}


class Interrupted:
    """Runs an action once, when the first part of the reached orders is stored."""

    def __init__(self) -> None:
        self.act: Callable[[], object] = lambda: None

    def __call__(self) -> None:
        act, self.act = self.act, lambda: None
        act()


@pytest.fixture
def between_parts() -> Interrupted:
    return Interrupted()


@pytest.fixture
def bench(data_dir: Path, between_parts: Interrupted) -> Iterator[Bench]:
    made = Bench(data_dir, ManualClock(NOON), tell_progress=between_parts)
    yield made
    made.parts.close()


def two_orders(bench: Bench) -> tuple[str, list[str]]:
    """Let an account have two orders that a quote at 99 fills, and return their ids."""
    account = bench.account("ada")
    bench.handle(bench.publish("AAPL", "99.00", "100.00"))
    answers = bench.handle(*(place_call(number, account, **LIMIT) for number in (1, 2)))
    return account, [order_of(answer).id for answer in answers]


def stored(bench: Bench, account: str) -> dict[str, Order]:
    connection = connect(bench.data_dir)
    book = StoredBook(connection, account)
    book.read_orders()
    connection.close()
    return dict(book.orders)


def lower_quote(bench: Bench) -> Quote:
    bench.clock.now += 1
    return Quote(
        symbol="AAPL",
        bid=Price(98 * SCALE),
        bid_size=Quantity(1_000 * SCALE),
        ask=Price(99 * SCALE),
        ask_size=Quantity(1_000 * SCALE),
        last=Price(99 * SCALE),
        time=bench.clock.now,
        sequence=0,
    )


def cancel_in(unit: SqlUnitOfWork, account: str, order_id: str, now: int) -> None:
    order = unit.order(account, order_id)
    assert order is not None
    end(order, unit, now, StatusReason.REQUESTED)


@pytest.mark.parametrize("at_once", [1, 500])
def test_an_order_that_ended_while_a_quote_is_shown_is_not_decided_from_its_old_row(
    bench: Bench,
    between_parts: Interrupted,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    at_once: int,
) -> None:
    """This holds whether a checkpoint has already stored the decisions or not."""
    account, (first, second) = two_orders(bench)
    (answer,) = bench.handle(place_call(3, account, **LIMIT))
    third = order_of(answer).id
    monkeypatch.setattr(market_feed, "ORDERS_A_TRANSACTION_MAX", at_once)
    quote, now = lower_quote(bench), bench.clock.now
    with SqlUnitOfWork(bench.parts.writer) as unit:
        if at_once == 1:
            between_parts.act = lambda: cancel_in(unit, account, third, now)
        else:
            fill = fill_resting

            def fill_and_cancel(*given: Any) -> Decision | None:
                decision = fill(*given)
                assert decision is not None
                unit.keep(decision)
                cancel_in(unit, account, third, now)
                return None

            monkeypatch.setattr(market_feed, "fill_resting", fill_and_cancel)
        bench.parts.feed.apply([quote], unit, now)
        unit.commit()

    found = stored(bench, account)
    assert {order_id: order.status.value for order_id, order in found.items()} == {
        first: "FILLED",
        second: "FILLED",
        third: "CANCELLED",
    }
    assert not caplog.records, "nothing was impossible"


@pytest.mark.parametrize("is_stored", [False, True])
def test_an_order_that_was_reached_is_loaded_as_it_is_now(bench: Bench, is_stored: bool) -> None:
    account, (first, second) = two_orders(bench)
    bench.clock.now += 1
    with SqlUnitOfWork(bench.parts.writer) as unit:
        cancel_in(unit, account, first, bench.clock.now)
        instrument = bench.parts.feed.instruments.find("AAPL")
        assert instrument is not None
        costs = bench.parts.feed.market(instrument, bench.clock.now).costs
        reached = unit.reached_orders([reach(lower_quote(bench), instrument, costs)])
        cancel_in(unit, account, second, bench.clock.now)
        if is_stored:
            unit.checkpoint()
        (loaded,) = [it.load() for it in reached]
    assert (loaded.id, loaded.status.value) == (second, "CANCELLED")


def test_an_order_that_ended_since_it_was_read_is_not_ended_again(bench: Bench) -> None:
    account, ids = two_orders(bench)
    with SqlUnitOfWork(bench.parts.writer) as unit:
        live = unit.live_orders(account, None)
        before = unit.account(account).sequence
        ended = end_all([*live, *live], unit, NOON, StatusReason.REQUESTED)
        assert unit.account(account).sequence == before + 2
        unit.commit()
    assert [order.id for order in ended] == [*ids[::-1], *ids[::-1]]
    assert {order.status.value for order in ended} == {"CANCELLED"}


def ticket(account: str, client_order_id: str) -> OrderTicket:
    return OrderTicket(
        account_id=account,
        bot_key_id="",
        symbol="AAPL",
        side=Side.BUY,
        order_type=OrderType.LIMIT,
        quantity=Quantity(SCALE),
        limit_price=Price(98 * SCALE),
        stop_price=None,
        time_in_force=TimeInForce.GTC,
        client_order_id=client_order_id,
    )


def joined(*decisions: Decision) -> Decision:
    """Return one decision about the orders of several that follow each other."""
    whole = decisions[-1]
    for decision in reversed(decisions[:-1]):
        whole = replace(
            whole,
            orders={**decision.orders, **whole.orders},
            new_orders=decision.new_orders | whole.new_orders,
            events=decision.events + whole.events,
        )
    return check(whole)


def test_a_decision_about_new_and_changed_orders_is_stored_as_it_marks_them(bench: Bench) -> None:
    account, (first, _) = two_orders(bench)
    instrument = bench.parts.feed.instruments.find("AAPL")
    assert instrument is not None
    with SqlUnitOfWork(bench.parts.writer) as unit:
        market = bench.parts.feed.market(instrument, bench.clock.now)
        decisions = []
        state, position = unit.account(account), unit.position(account, "AAPL")
        for name in ("new-1", "new-2"):
            decisions.append(place(ticket(account, name), name, state, position, market, str))
            state, position = decisions[-1].account, decisions[-1].positions["AAPL"]
        order = unit.order(account, first)
        assert order is not None
        decisions.append(cancel(order, state, position, market.now, StatusReason.REQUESTED))
        unit.keep(joined(*decisions))
        again = unit.order_by_client_id(account, "new-2")
        assert again is not None
        assert again.id == "new-2"
        unit.commit()

    found = stored(bench, account)
    assert found[first].status.value == "CANCELLED"
    assert {found[name].status.value for name in ("new-1", "new-2")} == {"OPEN"}
    connection = connect(bench.data_dir)
    query = "SELECT sequence FROM events WHERE account_id = ? ORDER BY sequence"
    numbers = [row.sequence for row in connection.execute(query, (account,))]
    connection.close()
    assert numbers == [1, 2, 3, 4, 5, 6]
