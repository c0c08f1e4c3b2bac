"""Memory of the engine: a batch that is not stored leaves everything in it as before."""

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bottrading.v1 import bot_trading_pb2 as pb
from bottrading.v1 import key_management_pb2, order_pb2
from server.application import market_feed
from server.application.ports import StorageUnavailable
from server.domain.errors import Reason
from server.domain.values import DAY, SECOND
from server.engine.frames import Call, Kind
from server.market.secret import secret_from_seed
from server.storage.unit_of_work import SqlUnitOfWork
from tests.engine.bench import KEY_ID, Bench, at, call, order_of, place, reason_of, row
from tests.support.memory import PLAIN, names_of_memory, parts_of_memory, remembered
from tests.support.venue import NOON, ManualClock

pytestmark = pytest.mark.sqlite_only
"""SQLite can fail after any of its instructions."""

SEED = 1
OPTION = "AAPL250117C00260000"
RESTING = {"order_type": order_pb2.ORDER_TYPE_LIMIT, "limit_price": "1.00"}
DAY_ORDER = RESTING | {"time_in_force": order_pb2.TIME_IN_FORCE_DAY}
STOP = {
    "side": order_pb2.SIDE_SELL,
    "order_type": order_pb2.ORDER_TYPE_STOP,
    "stop_price": "95.00",
}
ROWS = [
    row("01-02T15:00", "AAPL", "99", "100"),
    row("01-02T15:01", "AAPL", "98", "99"),
    row("01-02T15:02", "MSFT", "400", "401"),
    row("01-03T15:03", "AAPL", "94", "95"),
]


@dataclass(frozen=True, slots=True)
class Batch:
    """What is handled at once, after something that gives it a lot to change."""

    prepare: Callable[[Bench, str], object]
    calls: Callable[[Bench, str], Sequence[Call]] = lambda _, __: ()
    passing: bool = False
    rows: Sequence[str] = ()
    market: str = "published"
    changes_memory: bool = True


def _message(name: str, caller: str, message: Any) -> Call:
    return call(9, name, caller, message.SerializeToString())


def _opened(bench: Bench, account: str) -> None:
    bench.handle(bench.publish("AAPL", "99.00", "100.00"))
    bench.handle(
        place(1, account, quantity="10"),
        place(2, account, **DAY_ORDER),
        place(3, account, quantity="5", **STOP),
    )


def _day_later(bench: Bench, account: str) -> None:
    _opened(bench, account)
    bench.clock.now += DAY


def _with_option(bench: Bench, account: str) -> None:
    bench.clock.now = at("01-17 20:00")
    bench.handle(passing=True)
    bench.handle(bench.publish("AAPL", "270.00", "270.00"))
    bench.handle(bench.publish(OPTION, "11.00", "11.00"))
    bench.handle(place(1, account, symbol=OPTION), place(2, account, symbol=OPTION, **RESTING))
    bench.handle(passing=True)
    bench.clock.now = at("01-18 00:00")


def _second_later(bench: Bench, _: str) -> None:
    bench.clock.now = secret_from_seed(SEED).origin + DAY
    bench.handle(passing=True)
    bench.clock.now += SECOND


def _replaying(bench: Bench, account: str) -> None:
    bench.reach(at("01-02 15:00"))
    bench.handle(
        place(1, account, quantity="10"),
        place(2, account, **DAY_ORDER),
        place(3, account, quantity="5", **STOP),
    )
    bench.clock.now += at("01-03 15:03") - at("01-02 15:00")


def _deposit(account: str) -> key_management_pb2.DepositRequest:
    return key_management_pb2.DepositRequest(account_id=account, amount="5.00")


REVOKE = key_management_pb2.RevokeBotKeyRequest(key_id=KEY_ID)
BATCHES = {
    "orders": Batch(
        _opened,
        lambda _, account: [
            place(1, account),
            place(2, account, symbol="MSFT", **RESTING),
            _message("CancelAllOrders", account, pb.CancelAllOrdersRequest()),
        ],
        changes_memory=False,
    ),
    "the first order after a start": Batch(
        lambda _, __: None, lambda _, account: [place(1, account)], changes_memory=False
    ),
    "a quote that triggers a stop": Batch(
        _opened, lambda bench, _: [bench.publish("AAPL", "94.00", "95.00")]
    ),
    "a revocation": Batch(
        _opened,
        lambda _, account: [place(1, account), _message("RevokeBotKey", "", REVOKE)],
        changes_memory=False,
    ),
    "a deposit": Batch(
        _opened,
        lambda _, account: [_message("Deposit", "", _deposit(account))],
        changes_memory=False,
    ),
    "expiries and a round of snapshots": Batch(_day_later, passing=True),
    "an option that is settled": Batch(_with_option, passing=True),
    "a tick of the simulated market": Batch(_second_later, passing=True, market="simulated"),
    "steps of a replay": Batch(_replaying, passing=True, rows=ROWS),
}


@pytest.mark.parametrize("name", BATCHES)
def test_wherever_the_database_fails_memory_is_as_before(data_dir: Path, name: str) -> None:
    batch = BATCHES[name]
    bench = _bench(data_dir, batch)
    account = bench.account("ada")
    batch.prepare(bench, account)
    calls = batch.calls(bench, account)
    before, known = _memory(bench), _known(bench)

    failures = 0
    while True:
        with _failing_after(bench, 3**failures) as failed:
            answers = bench.handle(*calls, passing=batch.passing)
        if not failed:
            break
        failures += 1
        assert _memory(bench) == before
        assert _known(bench).items() <= known.items()
        assert [reason_of(answer) for answer in answers] == [Reason.UNAVAILABLE] * len(calls)
        assert bench.grown == set()
    after = _memory(bench)
    bench.parts.close()

    assert failures > 5
    assert (after != before) is batch.changes_memory


def test_a_step_of_a_replay_that_fails_after_a_part_leaves_memory_as_before(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What of it is on disk says that the step is still to be played."""
    monkeypatch.setattr(market_feed, "ORDERS_A_TRANSACTION_MAX", 2)
    bench = Bench(data_dir, ManualClock(NOON), rows=ROWS)
    account = bench.account("ada")
    bench.reach(at("01-02 15:00"))
    bench.handle(place(1, account, quantity="10"), *(place(2, account, **STOP) for _ in range(5)))
    bench.reach(at("01-02 15:02"))
    bench.clock.now += at("01-03 15:03") - bench.parts.clock()
    before = _memory(bench)

    with _failing_commit(1):
        told = bench.handle(passing=True)

    assert bench.grown == {account}
    assert _memory(bench) == before
    bench.parts.close()
    assert [it.kind for it in told] == []


def test_the_front_is_told_of_a_quote_at_which_a_part_is_stored(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In real time it does not come again: what filled at it must not be all that shows it."""
    monkeypatch.setattr(market_feed, "ORDERS_A_TRANSACTION_MAX", 2)
    bench = Bench(data_dir, ManualClock(NOON))
    account = bench.account("ada")
    bench.handle(bench.publish("AAPL", "99.00", "100.00"))
    bench.handle(place(1, account, quantity="10"), *(place(2, account, **STOP) for _ in range(5)))

    with _failing_commit(1):
        told = bench.handle(bench.publish("AAPL", "94.00", "94.50"))
    (answer,) = bench.handle(place(3, account))
    quote = bench.parts.feed.board.get("AAPL")
    bench.parts.close()

    assert [it.kind for it in told] == [Kind.QUOTES_CHANGED, Kind.REFUSAL]
    assert order_of(answer).filled_price == "94.50000000"
    assert quote is not None


def test_nothing_is_left_on_a_stage_between_two_batches(bench: Bench) -> None:
    account = bench.account("ada")
    _opened(bench, account)
    bench.handle(passing=True)

    parts = parts_of_memory(bench.parts)

    assert len(parts) > 8
    assert {vars(part)["_stage"] for part in parts} == {None}


def test_all_that_may_change_unstaged_is_there(data_dir: Path, tmp_path: Path) -> None:
    """A name that is gone would let the next one of that name change unseen."""
    names = set[str]()
    for name in ("orders", "steps of a replay", "a tick of the simulated market"):
        batch, directory = BATCHES[name], tmp_path / name
        shutil.copytree(data_dir, directory)
        bench = _bench(directory, batch)
        names |= names_of_memory(bench.parts)
        bench.parts.close()
    assert PLAIN.keys() <= names


def _bench(data_dir: Path, batch: Batch) -> Bench:
    market = "replay" if batch.rows else batch.market
    return Bench(data_dir, ManualClock(NOON), rows=batch.rows, market=market, seed=SEED)


def _memory(bench: Bench) -> dict[str, Any]:
    return remembered(bench.parts)


def _known(bench: Bench) -> dict[object, object]:
    """Return what is remembered of the database: what is forgotten of it is read again."""
    writer = bench.parts.writer
    held: list[Mapping[Any, object]] = [writer.accounts, writer.positions, writer.permissions]
    return {key: value for known in held for key, value in known.items()}


@contextmanager
def _failing_after(bench: Bench, instructions: int) -> Iterator[list[int]]:
    """Let the database fail once, after so many instructions; collect whether it has."""
    driver: Any = bench.parts.writer.session.connection.connection.driver_connection
    left, failed = instructions, list[int]()

    def fail_once() -> int:
        nonlocal left
        left -= 1
        if left == 0:
            failed.append(instructions)
        return int(left == 0)

    driver.set_progress_handler(fail_once, 1)
    yield failed
    driver.set_progress_handler(None, 1)


@contextmanager
def _failing_commit(number: int) -> Iterator[None]:
    """Let one commit fail, after so many others."""
    commit, left = SqlUnitOfWork.commit, number

    def fail_once(unit: SqlUnitOfWork) -> None:
        nonlocal left
        left -= 1
        if left == -1:
            raise StorageUnavailable("gone")
        commit(unit)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SqlUnitOfWork, "commit", fail_once)
        yield
