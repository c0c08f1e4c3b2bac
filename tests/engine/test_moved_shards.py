"""What happens to accounts whose shards another engine takes: nothing is lost or done twice."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from bottrading.v1 import bot_trading_pb2 as pb
from bottrading.v1 import order_pb2
from server.application import snapshots
from server.application.callers import Caller
from server.domain.errors import Reason
from server.domain.named_ids import user_id
from server.domain.values import DAY, SECOND, Micros
from server.engine.frames import Call, Kind
from server.wire.contract import Spends
from tests.engine.bench import KEY_ID, Bench, call, order_of, place, reason_of
from tests.engine.margin import log_of, margin_account
from tests.engine.several import Engine, Engines
from tests.support.audit import audit
from tests.support.venue import NOON

End = Callable[[Engines, Engine], None]
ENDS = pytest.mark.parametrize("end", [Engines.leave, Engines.kill])
MIDNIGHT: Micros = (NOON // DAY + 1) * DAY
LIMIT: dict[str, Any] = {"order_type": order_pb2.ORDER_TYPE_LIMIT}


def trail(number: int, account: str, amount: str) -> Call:
    kind, sell = order_pb2.ORDER_TYPE_TRAILING_STOP, order_pb2.SIDE_SELL
    return place(number, account, side=sell, order_type=kind, trail_amount=amount)


def stop_of(bench: Bench, account: str, order: order_pb2.Order) -> str:
    """Return the stop that an answer of the engine shows: one to a replacement without changes."""
    request = pb.ReplaceOrderRequest(order_id=order.id, trail_amount=order.trail_amount)
    (answer,) = bench.handle(call(9, "ReplaceOrder", account, request.SerializeToString()))
    assert answer.kind is Kind.RESPONSE, answer
    return pb.ReplaceOrderResponse.FromString(answer.body).order.stop_price


def trailing(engines: Engines) -> tuple[list[str], list[order_pb2.Order]]:
    """Let an account of each of two engines have an order whose stop has moved to 100 and to 102.

    Both engines have numbered them alike.
    """
    first, second = engines.running
    accounts = [it.account(it.someone()) for it in (first, second)]
    engines.publish("99.00", "100.00")
    first.handle(place(1, accounts[0], quantity="9"))
    second.handle(place(1, accounts[1], quantity="9"))
    orders = [order_of(first.handle(trail(2, accounts[0], "10.00"))[0])]
    engines.publish("110.00", "111.00")
    engines.publish("104.00", "105.00")
    orders.append(order_of(second.handle(trail(2, accounts[1], "2.00"))[0]))
    engines.pass_time()
    return accounts, orders


@ENDS
def test_trailing_stops_go_on_from_the_best_prices_that_they_have_seen(
    engines: Engines, end: End
) -> None:
    first, second = engines.two()
    accounts, orders = trailing(engines)
    numbers = engines.query("SELECT DISTINCT trail_number FROM orders WHERE trail_number > 0")
    end(engines, first)
    engines.settle()
    stops = [stop_of(second, *it) for it in zip(accounts, orders, strict=True)]
    engines.publish("101.00", "102.00")

    assert numbers == [(1,)]
    assert stops == ["100.00000000", "102.00000000"]
    filled = "SELECT id FROM orders WHERE order_type = 'TRAILING_STOP' AND status = 'FILLED'"
    assert engines.query(filled) == [(orders[1].id,)]
    engines.publish("120.00", "121.00")
    engines.publish("110.00", "111.00")
    assert len(engines.query(filled)) == 2


def test_a_best_price_that_is_not_stored_is_handed_over(engines: Engines) -> None:
    first, second = engines.two()
    accounts, orders = trailing(engines)
    engines.publish("107.00", "108.00")
    engines.publish("105.50", "106.50")
    engines.leave(second)
    engines.settle()

    assert stop_of(first, accounts[1], orders[1]) == "105.00000000"


def test_orders_that_stay_trail_on_while_others_move(engines: Engines) -> None:
    """The engine that joins gets only some of the shards that follow the same prices."""
    first = engines.start()
    engines.publish("99.00", "100.00")
    accounts = [first.account(f"person {number}") for number in range(12)]
    for account in accounts:
        first.handle(place(1, account, quantity="9"))
    orders = [order_of(first.handle(trail(2, it, "5.00"))[0]) for it in accounts]
    engines.publish("110.00", "111.00")
    engines.start()
    engines.settle()
    owners = [next(it for it in engines.running if it.owns(f"person {n}")) for n in range(12)]
    stops = {stop_of(*it) for it in zip(owners, accounts, orders, strict=True)}
    engines.publish("112.00", "113.00")
    engines.publish("107.00", "108.00")

    assert len(set(map(id, owners))) == 2
    assert stops == {"105.00000000"}
    filled = "SELECT count(*) FROM orders WHERE trail_amount > 0 AND status = 'FILLED'"
    assert engines.query(filled) == [(12,)]
    audit(engines.running[0].data_dir)


def test_an_engine_that_starts_alone_numbers_all_trails_together(engines: Engines) -> None:
    """So the venue can be copied to a database with other shards."""
    engines.two()
    accounts, orders = trailing(engines)
    for engine in [*engines.running]:
        engines.leave(engine)
    divided = engines.query("SELECT DISTINCT marks_id FROM shards WHERE shard < 64")
    alone = engines.start()
    stops = [stop_of(alone, *it) for it in zip(accounts, orders, strict=True)]

    assert len(divided) == 2
    assert len(engines.query("SELECT DISTINCT marks_id FROM shards WHERE shard < 64")) == 1
    assert len(engines.query("SELECT DISTINCT marks_id FROM trails")) == 1
    assert stops == ["100.00000000", "102.00000000"]
    engines.publish("104.00", "105.00")
    later = order_of(alone.handle(trail(5, accounts[0], "3.00"))[0])
    engines.publish("105.00", "106.00")
    assert stop_of(alone, accounts[0], later) == "102.00000000"
    assert stop_of(alone, accounts[1], orders[1]) == "103.00000000"


@ENDS
def test_an_order_is_filled_that_a_quote_reached_while_nobody_owned_it(
    engines: Engines, end: End
) -> None:
    first, second = engines.two()
    account = second.account(second.someone())
    engines.publish("99.00", "100.00")
    order_of(second.handle(place(1, account, limit_price="90.00", **LIMIT))[0])
    end(engines, second)
    engines.publish("89.00", "90.00")
    assert engines.query("SELECT status FROM orders") == [("OPEN",)]
    engines.settle()

    assert engines.query("SELECT status FROM orders") == [("FILLED",)]
    audit(first.data_dir)


@ENDS
def test_orders_are_ended_once(engines: Engines, end: End) -> None:
    first, second = engines.two()
    day = order_pb2.TIME_IN_FORCE_DAY
    engines.publish("99.00", "100.00")
    for engine in (first, second):
        account = engine.account(engine.someone())
        engine.handle(place(1, account, limit_price="90.00", time_in_force=day, **LIMIT))
    engines.clock.now = NOON + DAY
    second.handle(passing=True)
    expired = "SELECT count(*) FROM orders WHERE status_reason = 'EXPIRED_DAY'"
    assert engines.query(expired) == [(1,)]
    end(engines, first)
    engines.settle()
    engines.pass_time()

    assert engines.query(expired) == [(2,)]
    audit(second.data_dir)


@pytest.mark.parametrize(("end", "passed"), [(Engines.leave, 8), (Engines.kill, 3)])
def test_what_was_spent_counts_at_the_next_owner(engines: Engines, end: End, passed: int) -> None:
    """A quarter of the limit may have followed what a dead engine has stored."""
    first, second = engines.two(orders_per_minute=20, requests_per_minute=1000)
    subject = first.someone()
    account = first.account(subject)
    engines.publish("99.00", "100.00")
    caller = Caller(account_id=account, user_id=user_id("i", subject), bot_key_id=KEY_ID)
    orders = [spending(number, caller) for number in range(12)]
    assert len(accepted(first, orders)) == 12
    end(engines, first)
    engines.settle()
    again = [spending(number, caller) for number in range(12, 24)]

    assert len(accepted(second, again)) == passed
    engines.clock.turn(seconds=120)
    engines.publish("99.00", "100.00")
    assert len(accepted(second, again)) == 12


def spending(number: int, caller: Caller) -> Call:
    order = place(number, caller.account_id, quantity="0.1")
    return replace(order, caller=caller, spends=Spends.ORDER)


def accepted(bench: Bench, calls: list[Call]) -> list[Any]:
    """Return the answers of orders that were accepted; the others were too many."""
    answers = [it for it in bench.handle(*calls) if it.kind is not Kind.SPENT]
    refused = {reason_of(it) for it in answers if it.kind is Kind.REFUSAL}
    assert refused <= {Reason.ORDER_RATE_EXCEEDED}
    return [it for it in answers if it.kind is Kind.RESPONSE]


SNAPSHOTS = "SELECT count(*) FROM equity_snapshots GROUP BY account_id"


@ENDS
def test_each_account_gets_one_snapshot_at_a_time(engines: Engines, end: End) -> None:
    first, second = engines.two(snapshot_interval_seconds=60)
    engines.publish("99.00", "100.00")
    for engine in (first, second):
        engine.handle(place(1, engine.account(engine.someone())))
    engines.clock.turn(seconds=60)
    engines.pass_time()
    before = engines.query(SNAPSHOTS)
    end(engines, first)
    engines.settle()
    engines.pass_time()
    assert engines.query(SNAPSHOTS) == before
    engines.clock.turn(seconds=60)
    engines.pass_time()

    assert before == [(1,), (1,)]
    assert engines.query(SNAPSHOTS) == [(2,), (2,)]


def test_a_round_of_snapshots_is_finished_by_the_next_owner(
    engines: Engines, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshots, "ACCOUNTS_AT_ONCE", 1)
    first, second = engines.two(snapshot_interval_seconds=60)
    first.handle(first.publish("AAPL", "99.00", "100.00"))
    subjects = [first.someone()]
    subjects.append(first.someone(but=subjects))
    for subject in subjects:
        first.handle(place(1, first.account(subject)))
    engines.clock.turn(seconds=60)
    first.handle(passing=True)
    assert engines.query(SNAPSHOTS) == [(1,)]
    engines.kill(first)
    engines.settle()
    for _ in range(4):
        second.handle(passing=True)

    assert engines.query(SNAPSHOTS) == [(1,), (1,)]


@ENDS
def test_interest_is_charged_once(engines: Engines, end: End) -> None:
    """The one who takes over has charged its own accounts for the day, and then those it took."""
    first, second = engines.two()
    accounts = [margin_account(it, it.someone()) for it in (first, second)]
    engines.publish("100", "100")
    for engine, account in zip((first, second), accounts, strict=True):
        order_of(engine.handle(place(1, account, quantity="1200"))[0])
    engines.pass_time()
    engines.clock.now = MIDNIGHT + SECOND
    second.handle(passing=True)
    end(engines, first)
    engines.settle()
    logs = [[it for it in log_of(second, name) if "INTEREST" in it] for name in accounts]
    engines.pass_time()
    later = [[it for it in log_of(second, name) if "INTEREST" in it] for name in accounts]
    engines.clock.now = MIDNIGHT + DAY
    engines.pass_time()
    last = [[it for it in log_of(second, name) if "INTEREST" in it] for name in accounts]

    assert list(map(len, logs)) == [0, 1]
    assert list(map(len, later)) == [1, 1]
    assert list(map(len, last)) == [2, 2]
    audit(second.data_dir)
