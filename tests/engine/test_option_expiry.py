"""Option expiry: when an expired option is settled, and that it can no longer be traded."""

from pathlib import Path

import pytest

from bottrading.v1 import bot_trading_pb2 as pb
from bottrading.v1 import order_pb2
from server.domain.errors import Reason
from server.domain.values import DAY, SCALE
from server.engine.frames import Kind, decode_refusal
from tests.engine.bench import Bench, at, call, order_of, place, reason_of, row
from tests.engine.ledger import StoredBook, connect
from tests.support.venue import NOON, ManualClock

CALL = "AAPL250117C00260000"
MIDNIGHT = at("01-18 00:00")


def stored(bench: Bench, account: str) -> StoredBook:
    """Return an account with its orders as the database has them."""
    connection = connect(bench.data_dir)
    book = StoredBook(connection, account)
    book.read_orders()
    connection.close()
    return book


def on_the_last_day(bench: Bench) -> str:
    """Let an account buy a call in its last minute, while its underlying has no quote."""
    bench.clock.now = MIDNIGHT - 1_000_000
    account = bench.account("ada")
    bench.handle(bench.publish(CALL, "11.00", "11.00"))
    (answer,) = bench.handle(place(1, account, symbol=CALL))
    assert order_of(answer).status == order_pb2.ORDER_STATUS_FILLED
    return account


def test_an_expired_option_waits_for_the_first_quote_of_what_it_is_on(bench: Bench) -> None:
    """It does not wait for the next midnight, because the money would be missing for a day."""
    account = on_the_last_day(bench)
    bench.clock.now = MIDNIGHT
    bench.handle(passing=True)
    assert stored(bench, account).positions[CALL].quantity

    bench.clock.now = MIDNIGHT + DAY // 2
    bench.handle(bench.publish("AAPL", "270.00", "270.00"))
    bench.handle(passing=True)

    book = stored(bench, account)
    assert not book.positions[CALL].quantity
    assert book.account.realized_pnl == -100 * SCALE


RESTING = {"symbol": CALL, "order_type": order_pb2.ORDER_TYPE_LIMIT, "limit_price": "10.00"}


def test_after_its_last_day_an_option_is_not_traded_though_no_second_passed_yet(
    bench: Bench,
) -> None:
    account = on_the_last_day(bench)
    resting = order_of(bench.handle(place(1, account, client_order_id="mine", **RESTING))[0])
    bench.clock.now = MIDNIGHT

    preview = pb.PreviewOrderRequest(symbol=CALL, side=order_pb2.SIDE_BUY, quantity="1")
    new = pb.ReplaceOrderRequest(order_id=resting.id, limit_price="12.00")
    told = bench.handle(
        place(1, account, symbol=CALL),
        call(2, "PreviewOrder", account, preview.SerializeToString()),
        call(3, "ReplaceOrder", account, new.SerializeToString()),
    )
    again = order_of(bench.handle(place(4, account, client_order_id="mine", **RESTING))[0])
    bench.handle(bench.publish(CALL, "8.00", "9.00"))

    assert [reason_of(answer) for answer in told] == [Reason.INSTRUMENT_EXPIRED] * 3
    fields = [[it.field for it in decode_refusal(answer.body).violations] for answer in told]
    assert fields == [["symbol"], ["symbol"], []]
    assert (again.id, again.replayed) == (resting.id, True)
    assert stored(bench, account).orders[resting.id].status.value == "OPEN"
    bench.handle(passing=True)
    assert stored(bench, account).orders[resting.id].status_reason is not None


def test_an_option_that_waits_for_its_settlement_is_not_closed(bench: Bench) -> None:
    """CloseAllPositions counts it as skipped, and closes the rest."""
    account = on_the_last_day(bench)
    bench.handle(bench.publish("MSFT", "99", "100"))
    bench.handle(place(1, account, symbol="MSFT"))
    bench.clock.now = MIDNIGHT

    one, everything = bench.handle(
        call(1, "ClosePosition", account, pb.ClosePositionRequest(symbol=CALL).SerializeToString()),
        call(2, "CloseAllPositions", account, b""),
    )

    assert reason_of(one) is Reason.INSTRUMENT_EXPIRED
    closed = pb.CloseAllPositionsResponse.FromString(everything.body)
    assert [order.symbol for order in closed.orders] == ["MSFT"]
    assert closed.skipped_positions == 1
    assert stored(bench, account).positions[CALL].quantity


@pytest.mark.parametrize(("moment", "expired"), [("01-17 20:59", False), ("01-18 00:00", True)])
def test_an_order_that_waits_while_time_passes_is_decided_at_the_time_that_comes(
    data_dir: Path, moment: str, expired: bool
) -> None:
    """An option may expire after its order was read and before it is decided."""
    rows = [
        row("01-17T20:58", "AAPL", "299", "300"),
        row("01-17T20:58", CALL, "39", "40"),
        row("01-21T14:30", "AAPL", "299", "300"),
    ]
    bench = Bench(data_dir, ManualClock(NOON), rows=rows)
    account = bench.account("ada")
    bench.reach(at("01-17 20:58"))

    bench.clock.now += at(moment) - bench.parts.clock()
    *_, answer = bench.handle(place(1, account, symbol=CALL), passing=True)
    bench.parts.close()

    assert (answer.kind is Kind.REFUSAL) is expired
