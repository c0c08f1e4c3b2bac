"""Closes within batches: all or nothing on disk, and each as of what came before it."""

import pytest

from bottrading.v1 import bot_trading_pb2 as pb
from bottrading.v1 import order_pb2
from server.application.ports import StorageUnavailable
from server.domain.errors import Reason
from server.engine.frames import Call
from tests.engine.bench import Bench, call, order_of, place, reason_of
from tests.support.audit import audit

STOP = {
    "side": order_pb2.SIDE_SELL,
    "order_type": order_pb2.ORDER_TYPE_STOP,
    "stop_price": "50",
    "quantity": "10",
}


def close(number: int, account: str, **fields: str) -> Call:
    request = pb.ClosePositionRequest(symbol="AAPL", **fields)
    return call(number, "ClosePosition", account, request.SerializeToString())


def read(number: int, account: str) -> Call:
    """Return a call whose answer has all live orders, and ends them."""
    return call(number, "CancelAllOrders", account, pb.CancelAllOrdersRequest().SerializeToString())


def _full() -> None:
    raise StorageUnavailable("SQLITE_FULL")


def test_a_close_that_is_not_stored_leaves_the_protective_stop_and_can_be_repeated(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = bench.account("ada")
    bench.handle(bench.publish("AAPL", "99.00", "100.00"), place(1, ada, quantity="10"))
    (placed,) = bench.handle(place(2, ada, **STOP))

    with monkeypatch.context() as broken:
        broken.setattr(bench.parts.writer, "end_transaction", _full)
        failed = bench.handle(
            close(3, ada, client_order_id="bye"), call(4, "CloseAllPositions", ada, b"")
        )
    (live,) = bench.handle(read(5, ada))
    first, again = bench.handle(
        close(6, ada, client_order_id="bye"), close(7, ada, client_order_id="bye")
    )

    assert [reason_of(answer) for answer in failed] == [Reason.UNAVAILABLE] * 2
    orders = pb.CancelAllOrdersResponse.FromString(live.body).orders
    assert [order.id for order in orders] == [order_of(placed).id]
    assert order_of(first).status == order_pb2.ORDER_STATUS_FILLED
    assert (order_of(again).id, order_of(again).replayed) == (order_of(first).id, True)
    bench.parts.close()
    assert len(audit(bench.data_dir)) == 3


def test_a_batch_buys_protects_closes_and_buys_again(bench: Bench) -> None:
    """Each call sees those before it, although nothing of the batch is on disk yet."""
    ada, bob = bench.account("ada"), bench.account("bob")
    answers = bench.handle(
        bench.publish("AAPL", "99.00", "100.00"),
        place(1, ada, quantity="10"),
        place(2, ada, **STOP),
        place(3, bob, quantity="10"),
        close(4, ada, percentage="50"),
        call(5, "CloseAllPositions", ada, b""),
        close(6, ada),
        place(8, ada, quantity="3"),
        close(9, ada),
    )

    by_call = {answer.call_id: answer for answer in answers}
    half, rest = order_of(by_call[4]), by_call[5]
    assert half.quantity == "5.00000000"
    closing = pb.CloseAllPositionsResponse.FromString(rest.body).orders
    assert [order.quantity for order in closing] == ["5.00000000"]
    assert reason_of(by_call[6]) is Reason.POSITION_NOT_FOUND
    assert order_of(by_call[9]).quantity == "3.00000000"
    bench.parts.close()
    audit(bench.data_dir)
