"""Group commit: many calls in one batch; each has its own outcome and is all or nothing."""

import sqlite3
from pathlib import Path

import pytest

from bottrading.v1 import bot_trading_pb2 as pb
from bottrading.v1 import error_reason_pb2, order_pb2
from server.application.callers import SERVICE, Caller
from server.application.ports import StorageBroken, StorageUnavailable
from server.config import DATABASE_FILE
from server.domain.errors import Reason
from server.engine.frames import (
    NOBODY,
    Call,
    FrameBuffer,
    Kind,
    decode_refusal,
    pack_call,
    unpack_call,
)
from tests.engine.bench import KEY_ID, Bench, call, is_not_executed, order_of, place, reason_of
from tests.support.audit import audit


def test_calls_of_one_batch_see_what_those_before_them_did(bench: Bench) -> None:
    ada = bench.account("ada")
    answers = bench.handle(
        bench.publish("AAPL", "99.00", "100.00"),
        place(1, ada, quantity="600"),
        place(2, ada, quantity="500"),
        place(3, ada, side=order_pb2.SIDE_SELL, quantity="600"),
        place(4, ada, client_order_id="a"),
        place(5, ada, client_order_id="a"),
    )

    by_call = {answer.call_id: answer for answer in answers}
    assert order_of(by_call[1]).status == order_pb2.ORDER_STATUS_FILLED
    rejected = order_of(by_call[2])
    assert rejected.rejection_reason == error_reason_pb2.ERROR_REASON_INSUFFICIENT_BUYING_POWER
    assert order_of(by_call[3]).status == order_pb2.ORDER_STATUS_FILLED
    assert order_of(by_call[5]).replayed
    assert order_of(by_call[5]).id == order_of(by_call[4]).id
    bench.parts.close()
    assert len(audit(bench.data_dir)) == 4


def test_notifications_come_before_the_answers_of_their_batch(bench: Bench) -> None:
    answers = bench.handle(bench.publish("AAPL", "99.00", "100.00"))

    assert [answer.call_id for answer in answers] == [NOBODY, 7]
    assert answers[0].kind is Kind.QUOTES_CHANGED


def test_a_refused_call_leaves_its_neighbours_alone(bench: Bench) -> None:
    ada = bench.account("ada")
    answers = bench.handle(
        place(1, ada, limit_price="1.00", order_type=order_pb2.ORDER_TYPE_LIMIT),
        call(2, "PlaceOrder", ada, b"\xff"),
        place(3, ada, quantity="-1"),
        place(4, ada, limit_price="1.00", order_type=order_pb2.ORDER_TYPE_LIMIT),
    )

    assert order_of(answers[0]).status == order_pb2.ORDER_STATUS_OPEN
    assert reason_of(answers[1]) is Reason.MALFORMED_REQUEST
    assert reason_of(answers[2]) is Reason.DECIMAL_INVALID
    assert order_of(answers[3]).status == order_pb2.ORDER_STATUS_OPEN


def test_a_call_that_fails_is_told_so_and_the_others_of_its_batch_are_stored(
    bench: Bench,
) -> None:
    """An account that does not exist stands for any bug: the batch is retried one by one."""
    ada = bench.account("ada")
    limit = {"limit_price": "1.00", "order_type": order_pb2.ORDER_TYPE_LIMIT}
    answers = bench.handle(
        place(1, ada, **limit), place(2, "nobody", **limit), place(3, ada, **limit)
    )

    assert order_of(answers[0]).status == order_pb2.ORDER_STATUS_OPEN
    assert reason_of(answers[1]) is Reason.INTERNAL
    assert "nobody" not in decode_refusal(answers[1].body).message
    assert order_of(answers[2]).status == order_pb2.ORDER_STATUS_OPEN
    bench.parts.close()
    assert len(audit(bench.data_dir)) == 2


def test_a_batch_that_is_not_stored_leaves_no_trace_in_memory(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk is full for one commit: quotes, money and positions are as before."""
    ada = bench.account("ada")
    bench.handle(bench.publish("AAPL", "99.00", "100.00"))
    bench.handle(place(1, ada, quantity="10"))

    with monkeypatch.context() as broken:
        broken.setattr(bench.parts.writer, "end_transaction", _full)
        quote = bench.publish("AAPL", "49.00", "50.00")
        failed = bench.handle(quote, place(2, ada, quantity="10"))
    after = bench.handle(place(3, ada, quantity="10"))

    assert [reason_of(answer) for answer in failed] == [Reason.UNAVAILABLE] * 2
    assert order_of(after[0]).filled_price == "100.00000000"
    bench.parts.close()
    assert len(audit(bench.data_dir)) == 2


def _full() -> None:
    raise StorageUnavailable("SQLITE_FULL")


def test_a_disk_error_stops_the_engine_rather_than_going_on(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> None:
        raise StorageBroken("SQLITE_IOERR_FSYNC")

    ada = bench.account("ada")
    monkeypatch.setattr(bench.parts.writer, "end_transaction", broken)

    with pytest.raises(StorageBroken):
        bench.handle(place(1, ada), place(2, ada))


@pytest.mark.sqlite_only
def test_a_locked_database_is_unavailable_and_nothing_is_lost(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = bench.account("ada")
    bench.parts.writer.session.connection.exec_driver_sql("PRAGMA busy_timeout = 1")
    bench.parts.writer.session.connection.rollback()
    other = sqlite3.connect(bench.data_dir / DATABASE_FILE, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    limit = {"limit_price": "1.00", "order_type": order_pb2.ORDER_TYPE_LIMIT}

    locked = bench.handle(place(1, ada, **limit), place(2, ada, **limit))
    other.execute("ROLLBACK")
    other.close()
    free = bench.handle(place(3, ada, **limit))

    assert [reason_of(answer) for answer in locked] == [Reason.UNAVAILABLE] * 2
    assert [is_not_executed(answer) for answer in locked] == [True] * 2
    assert order_of(free[0]).status == order_pb2.ORDER_STATUS_OPEN


@pytest.mark.sqlite_only
def test_quotes_of_an_earlier_run_value_positions_but_are_not_traded_on(
    bench: Bench, data_dir: Path
) -> None:
    ada = bench.account("ada")
    bench.handle(bench.publish("AAPL", "99.00", "100.00"))
    bench.handle(passing=True)
    bench.parts.close()

    again = Bench(data_dir, bench.clock)
    order = order_of(again.handle(place(1, ada))[0])
    quote = again.parts.feed.board.get("AAPL")
    again.parts.close()

    assert order.rejection_reason == error_reason_pb2.ERROR_REASON_NO_QUOTE
    assert quote is not None
    assert quote.ask == 100 * 10**8


@pytest.mark.sqlite_only
def test_a_quote_that_comes_again_after_a_restart_is_traded_on_and_shown_once_only(
    bench: Bench, data_dir: Path
) -> None:
    """A source gives the same quote within its second, and must not be taken for a duplicate."""
    ada = bench.account("ada")
    quote = bench.publish("AAPL", "99.00", "100.00", size="10")
    bench.handle(quote, place(1, ada, quantity="6"))
    bench.handle(passing=True)
    bench.parts.close()

    again = Bench(data_dir, bench.clock)
    rung, *_ = again.handle(quote)
    order = order_of(again.handle(place(2, ada, quantity="6"))[0])
    (repeated,) = again.handle(quote)
    again.parts.close()

    assert rung.kind is Kind.QUOTES_CHANGED
    assert (order.status, order.filled_quantity) == (
        order_pb2.ORDER_STATUS_PARTIALLY_FILLED,
        "4.00000000",
    )
    assert repeated.kind is Kind.RESPONSE, "nothing has changed"


def test_frames_survive_any_way_of_being_cut() -> None:
    bot = Caller(account_id="a" * 36, user_id=KEY_ID, bot_key_id=KEY_ID)
    sent = [
        Call(1, "PlaceOrder", bot, b"x"),
        Call(300, "Deposit", Caller(account_id=KEY_ID, user_id=KEY_ID), b"x" * 300),
        Call(0, "RecordUsage", SERVICE, b""),
    ]
    frames = map(pack_call, sent)
    stream = b"".join(frames)
    for size in (1, 7, len(stream)):
        buffer = FrameBuffer()
        calls = [
            unpack_call(frame)
            for start in range(0, len(stream), size)
            for frame in buffer.feed(stream[start : start + size])
        ]
        assert calls == sent


def test_cancelling_all_orders_takes_those_of_the_same_batch_and_nobody_elses(
    bench: Bench,
) -> None:
    ada, bob = bench.account("ada"), bench.account("bob")
    limit = {"limit_price": "1.00", "order_type": order_pb2.ORDER_TYPE_LIMIT}

    answers = bench.handle(
        place(1, ada, **limit),
        place(2, bob, **limit),
        place(3, ada, symbol="MSFT", **limit),
        call(4, "CancelAllOrders", ada, b""),
    )

    cancelled = pb.CancelAllOrdersResponse.FromString(answers[3].body).orders
    assert [order.id for order in cancelled] == [order_of(answers[2]).id, order_of(answers[0]).id]
    assert order_of(bench.handle(place(5, bob, **limit))[0]).status == order_pb2.ORDER_STATUS_OPEN
    bench.parts.close()
    audit(bench.data_dir)


def test_an_order_in_the_memory_of_a_batch_is_still_its_accounts_alone(bench: Bench) -> None:
    ada, bob = bench.account("ada"), bench.account("bob")
    limit = {"limit_price": "1.00", "order_type": order_pb2.ORDER_TYPE_LIMIT}
    order = order_of(bench.handle(place(1, ada, **limit))[0])
    request = pb.CancelOrderRequest(order_id=order.id).SerializeToString()

    answers = bench.handle(
        call(2, "CancelOrder", ada, request), call(3, "CancelOrder", bob, request)
    )

    assert answers[0].kind is Kind.RESPONSE
    assert reason_of(answers[1]) is Reason.ORDER_NOT_FOUND


def test_a_commit_that_failed_after_it_was_stored_is_read_anew(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is not known whether a failed commit was stored, so no cache may be trusted."""
    ada = bench.account("ada")
    bench.handle(bench.publish("AAPL", "99.00", "100.00"))
    bench.handle(place(1, ada, quantity="10"))
    writer = bench.parts.writer
    commit = writer.end_transaction

    def stored_and_failed() -> None:
        commit()
        raise StorageUnavailable("SQLITE_BUSY")

    with monkeypatch.context() as broken:
        broken.setattr(writer, "end_transaction", stored_and_failed)
        bench.handle(place(2, ada, quantity="10"))
    bench.handle(place(3, ada, quantity="10"))

    bench.parts.close()
    assert len(audit(bench.data_dir)) == 3
