"""A broken invariant stops its account, and only that one, under `python -O` too."""

import logging
import subprocess
import sys
from pathlib import Path

import pytest

from bottrading.v1 import bot_trading_pb2, key_management_pb2, order_pb2
from server.application.callers import Caller
from server.application.stopped_accounts import STOPPED
from server.domain.errors import Reason
from server.engine.frames import Answer, Call, Kind, decode_refusal
from tests.engine.bench import KEY_ID, Bench, call, order_of, place, reason_of
from tests.support.databases import connect

HERE = Path(__file__)
RUN_SECONDS_MAX = 150

RESTING_SALE = {
    "side": order_pb2.SIDE_SELL,
    "limit_price": "200.00",
    "order_type": order_pb2.ORDER_TYPE_LIMIT,
    "quantity": "4",
}
SALE = {"side": order_pb2.SIDE_SELL, "quantity": "1"}


@pytest.fixture
def broken(bench: Bench, data_dir: Path) -> tuple[Bench, str, str]:
    """Return an engine, an account whose next gain cannot be stored, and one in order."""
    ada, bob = bench.account("ada"), bench.account("bob")
    bench.handle(bench.publish("AAPL", "99.00", "100.00"))
    bench.handle(place(1, ada, quantity="10"), place(2, bob, quantity="10"))
    bench.handle(place(3, ada, **RESTING_SALE), place(4, bob, **RESTING_SALE))
    bench.parts.close()
    connection = connect(data_dir)
    connection.execute("UPDATE accounts SET gross_profit = ? WHERE id = ?", (2**63 - 1, ada))
    connection.close()
    return Bench(data_dir, bench.clock), ada, bob


def _is_stopped(answer: Answer) -> bool:
    return answer.kind is Kind.REFUSAL and decode_refusal(answer.body) == STOPPED


def test_an_order_that_breaks_an_invariant_stops_its_account(
    broken: tuple[Bench, str, str], caplog: pytest.LogCaptureFixture
) -> None:
    engine, ada, bob = broken
    with caplog.at_level(logging.ERROR):
        *_, first, second, other = engine.handle(
            engine.publish("AAPL", "150.00", "151.00"),
            place(1, ada, **SALE),
            place(2, ada),
            place(3, bob, **SALE),
        )

    assert reason_of(first) is Reason.INTERNAL
    assert not _is_stopped(first)
    assert _is_stopped(second)
    assert order_of(other).status == order_pb2.ORDER_STATUS_FILLED
    assert [record.message for record in caplog.records if ada in record.message] == [
        f"Account {ada} is stopped: account {ada}: figures outgrow 63 bits"
    ]
    engine.parts.close()


def test_a_quote_that_breaks_an_invariant_stops_the_account_of_the_order(
    broken: tuple[Bench, str, str], caplog: pytest.LogCaptureFixture
) -> None:
    """It is tried once: a later quote leaves the order as it is."""
    engine, ada, bob = broken
    with caplog.at_level(logging.ERROR):
        for ask in ("202.00", "203.00"):
            engine.handle(engine.publish("AAPL", "201.00", ask))
    *_, stopped, other = engine.handle(place(1, ada), place(2, bob))

    assert _is_stopped(stopped)
    assert order_of(other).status == order_pb2.ORDER_STATUS_FILLED
    assert len([record for record in caplog.records if ada in record.message]) == 1
    engine.parts.close()


def test_a_key_of_a_stopped_account_can_be_revoked(broken: tuple[Bench, str, str]) -> None:
    engine, *_ = broken
    engine.handle(engine.publish("AAPL", "201.00", "202.00"))
    request = key_management_pb2.RevokeBotKeyRequest(key_id=KEY_ID)
    *_, answer = engine.handle(call(1, "RevokeBotKey", "", request.SerializeToString()))

    assert answer.kind is Kind.RESPONSE
    engine.parts.close()


def test_a_person_changes_nothing_on_a_stopped_account(broken: tuple[Bench, str, str]) -> None:
    engine, ada, bob = broken
    engine.handle(engine.publish("AAPL", "201.00", "202.00"))
    body = bot_trading_pb2.CancelAllOrdersRequest().SerializeToString()
    stopped, other = engine.handle(
        *(
            Call(number, "CancelAllOrders", Caller(account_id=account_id), body)
            for number, account_id in enumerate((ada, bob), 1)
        )
    )

    assert _is_stopped(stopped)
    assert other.kind is Kind.RESPONSE
    engine.parts.close()


def test_an_account_is_tried_again_after_the_next_start(
    broken: tuple[Bench, str, str], data_dir: Path
) -> None:
    engine, ada, _ = broken
    engine.handle(engine.publish("AAPL", "201.00", "202.00"))
    engine.parts.close()
    # In PostgreSQL, quotes stay fresh over a restart, and would reach the order once more.
    engine.clock.turn(seconds=60)

    again = Bench(data_dir, engine.clock)
    *_, bought = again.handle(again.publish("AAPL", "99.00", "100.00"), place(1, ada))
    again.parts.close()

    assert order_of(bought).status == order_pb2.ORDER_STATUS_FILLED


@pytest.mark.timeout(2 * RUN_SECONDS_MAX)
def test_an_optimized_interpreter_stops_accounts_too() -> None:
    """`python -O` drops assertions of the server; pytest keeps those of the tests."""
    tests = [str(HERE), str(HERE.parents[1] / "domain/test_account_invariants.py")]
    run = subprocess.run(
        [sys.executable, "-O", "-m", "pytest", "-q", "-k", "not optimized", *tests],
        cwd=HERE.parents[2],
        timeout=RUN_SECONDS_MAX,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == pytest.ExitCode.OK, run.stdout + run.stderr
