"""Replayed steps: each is played exactly once, whatever fails while it is stored."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from bottrading.v1 import order_pb2
from server.application import market_feed
from server.application.ports import StorageBroken, StorageUnavailable
from server.domain.errors import Reason
from server.domain.values import DAY, SECOND
from server.engine.frames import Kind
from server.storage.unit_of_work import SqlUnitOfWork
from tests.engine.bench import Bench, at, order_of, place, reason_of, row
from tests.support.audit import audit
from tests.support.databases import connect
from tests.support.venue import NOON, ManualClock

HOLDERS = 2
STOPS = 5
COMMITS_MAX = 20
ROWS = [
    row("01-02T15:00", "AAPL", "99", "100"),
    row("01-02T15:01", "AAPL", "98", "99", size=3),
    row("01-02T15:02", "MSFT", "400", "401"),
    # Ends the day, and reaches the stops: too many for one transaction.
    row("01-03T15:03", "AAPL", "94", "95", size=4),
    row("01-03T15:04", "AAPL", "79", "80", size=3),
    # Two quotes of one moment; the first one is gone when the second one is there.
    row("01-03T15:05", "AAPL", "96", "97", size=2),
    row("01-03T15:05", "AAPL", "97", "98", size=3),
    row("01-03T15:06", "AAPL", "199", "200"),
]
STOP = {
    "side": order_pb2.SIDE_SELL,
    "order_type": order_pb2.ORDER_TYPE_STOP,
    "stop_price": "95.00",
}
LIMIT = {"order_type": order_pb2.ORDER_TYPE_LIMIT, "limit_price": "99.00"}


@pytest.fixture(autouse=True)
def few_orders_a_transaction(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(market_feed, "ORDERS_A_TRANSACTION_MAX", 2)


def waiting(data_dir: Path) -> Bench:
    """Return a replay at its first quote, with stops below the bid and a BUY of much."""
    bench = Bench(data_dir, ManualClock(NOON), rows=ROWS)
    buyer, *holders = [bench.account(f"bot {number}") for number in range(HOLDERS + 1)]
    bench.reach(at("01-02 15:00"))
    for account in holders:
        bench.handle(place(1, account, quantity=str(2 * STOPS)))
        bench.handle(*(place(2, account, quantity="2", **STOP) for _ in range(STOPS)))
    bench.handle(place(1, buyer, quantity="100", **LIMIT))
    return bench


@contextmanager
def failing(number: int, fault: type[Exception]) -> Iterator[list[int]]:
    """Let one commit fail; collect the numbers of those before it."""
    commit, done = SqlUnitOfWork.commit, list[int]()

    def fail_once(unit: SqlUnitOfWork) -> None:
        if len(done) == number:
            done.append(-1)
            raise fault("gone")
        commit(unit)
        done.append(len(done))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SqlUnitOfWork, "commit", fail_once)
        yield done


def executed(data_dir: Path) -> list[Any]:
    """Return what was executed, account by account in the order of its log, and what is left of it.

    The latter is the money, the newest quotes and the bars.
    """
    audit(data_dir)
    connection = connect(data_dir)
    fills = "SELECT side, quantity, price, created_at FROM fills ORDER BY account_id, sequence"
    money = "SELECT balance, live_orders, sequence FROM accounts ORDER BY id"
    market = ("SELECT * FROM quotes ORDER BY symbol", "SELECT * FROM bars")
    found = [row for query in (fills, money, *market) for row in connection.execute(query)]
    connection.close()
    return found


@pytest.fixture
def calm(data_dir: Path, tmp_path: Path) -> list[Any]:
    """Return the executions when nothing fails."""
    other = tmp_path / "calm"
    shutil.copytree(data_dir, other)
    bench = waiting(other)
    bench.reach(at("01-03 15:06"))
    bench.parts.close()
    found = executed(other)
    assert len(found) > HOLDERS * STOPS
    return found


@pytest.mark.sqlite_only
@pytest.mark.parametrize("number", range(COMMITS_MAX))
def test_a_commit_that_fails_loses_no_quote_and_repeats_none(
    data_dir: Path, calm: list[Any], number: int
) -> None:
    bench = waiting(data_dir)

    with failing(number, StorageUnavailable):
        bench.reach(at("01-03 15:06"))
    bench.reach(at("01-03 15:06"))
    bench.parts.close()

    assert executed(data_dir) == calm


@pytest.mark.sqlite_only
@pytest.mark.parametrize("number", range(COMMITS_MAX))
def test_a_kill_between_two_transactions_loses_no_quote_and_repeats_none(
    data_dir: Path, calm: list[Any], number: int
) -> None:
    bench = waiting(data_dir)

    with failing(number, StorageBroken), suppress(StorageBroken):
        bench.reach(at("01-03 15:06"))
    bench.parts.close()
    again = Bench(data_dir, bench.clock, rows=ROWS)
    assert again.parts.clock() >= newest_entry(data_dir) - 1, "time went back"
    again.reach(at("01-03 15:06"))
    again.parts.close()

    assert executed(data_dir) == calm


def test_these_are_all_the_commits_there_are(data_dir: Path) -> None:
    bench = waiting(data_dir)
    with failing(-1, StorageUnavailable) as done:
        bench.reach(at("01-03 15:06"))
    bench.parts.close()
    assert HOLDERS * STOPS < len(done) <= COMMITS_MAX


def newest_entry(data_dir: Path) -> int:
    connection = connect(data_dir)
    (moment,) = connection.execute("SELECT max(updated_at) FROM orders").fetchone()
    connection.close()
    return int(moment)


def test_nothing_is_decided_while_what_was_due_before_cannot_be_stored(data_dir: Path) -> None:
    """The call would be decided at an earlier quote than events that are already stored."""
    bench = waiting(data_dir)
    account = bench.account("late")
    bench.handle(passing=True)
    bench.clock.turn(seconds=DAY // SECOND + 200)

    with failing(2, StorageUnavailable):
        answers = bench.handle(place(1, account), passing=True)
    assert [reason_of(it) for it in answers if it.kind is Kind.REFUSAL] == [Reason.UNAVAILABLE]
    *_, answer = bench.handle(place(1, account), passing=True)
    bench.parts.close()

    assert order_of(answer).filled_price == "95.00000000"


def test_the_front_is_told_of_the_quotes_that_stay_when_a_later_step_fails(
    data_dir: Path,
) -> None:
    bench = waiting(data_dir)
    bench.handle(passing=True)
    bench.clock.turn(seconds=DAY // SECOND + 400)

    with failing(2, StorageUnavailable):
        notifications = bench.handle(passing=True)
    bench.parts.close()

    kinds = [notification.kind for notification in notifications]
    assert kinds == [Kind.QUOTES_CHANGED, Kind.QUOTES_CHANGED]
    assert bench.grown


def test_signs_of_life_are_given_while_a_file_is_read_at_the_start(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An engine that is silent for too long while it loads counts as hanging."""
    monkeypatch.setattr("server.market.replay_table.MARK_BYTES", 1)
    told: list[str] = []

    bench = Bench(data_dir, ManualClock(NOON), rows=ROWS, tell_progress=lambda: told.append("on"))

    assert len(told) >= len(ROWS) - 1
    bench.parts.close()
