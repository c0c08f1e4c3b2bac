"""Closes of positions during a margin call: they leave what the venue does, and add nothing."""

from bottrading.v1 import bot_trading_pb2 as pb
from bottrading.v1 import order_pb2
from tests.engine.bench import Bench, call, order_of, place
from tests.engine.margin import SELL, log_of, since, squeeze, stored
from tests.engine.test_closes import close
from tests.engine.test_margin_calls import long_on_margin
from tests.support.audit import audit

STOP = {"order_type": order_pb2.ORDER_TYPE_STOP, "stop_price": "20"}


def long_in_two(bench: Bench) -> str:
    """Return an account with a loan that also holds MSFT, which two stop orders protect."""
    account = long_on_margin(bench)
    bench.handle(bench.publish("MSFT", "50", "50", "100"))
    bench.handle(
        place(2, account, symbol="MSFT", quantity="100"),
        place(3, account, symbol="MSFT", quantity="60", **STOP, **SELL),
        place(4, account, symbol="MSFT", quantity="40", **STOP, **SELL),
    )
    return account


def close_all(bench: Bench, account: str) -> pb.CloseAllPositionsResponse:
    (answer,) = bench.handle(call(5, "CloseAllPositions", account, b""))
    return pb.CloseAllPositionsResponse.FromString(answer.body)


def test_closing_all_positions_leaves_what_the_call_that_it_begins_closes(bench: Bench) -> None:
    account = long_in_two(bench)
    squeeze(bench, "MSFT", "50", size="0")
    known = log_of(bench, account)
    bench.handle(bench.publish("AAPL", "40", "40", "10"))

    told = close_all(bench, account)

    assert since(bench, account, known) == [
        "ACCEPTED SELL 1500 AAPL",
        "PARTIALLY_FILLED SELL 1500 AAPL 10 at 40",
        "MARGIN_CALL 10000.00 of 19380.00",
        "CANCELLED SELL 1500 AAPL MARGIN_CALL",
        "ACCEPTED SELL 1490 AAPL by the venue",
        "CANCELLED SELL 40 MSFT MARGIN_CALL",
        "CANCELLED SELL 60 MSFT MARGIN_CALL",
        "ACCEPTED SELL 100 MSFT by the venue",
    ]
    assert [order.placed_by for order in told.orders] == [
        order_pb2.PLACED_BY_BOT,
        order_pb2.PLACED_BY_VENUE,
    ]
    assert stored(bench, "SELECT live_orders FROM accounts") == [(2,)]
    audit(bench.data_dir)


def test_closing_all_positions_passes_over_those_that_the_call_has_closed(bench: Bench) -> None:
    account = long_in_two(bench)
    squeeze(bench, "MSFT", "50")
    bench.handle(bench.publish("AAPL", "40", "40", "10"))

    told = close_all(bench, account)

    assert [order.symbol for order in told.orders] == ["AAPL"]
    assert log_of(bench, account)[-1] == "FILLED SELL 100 MSFT 100 at 50 by the venue"
    audit(bench.data_dir)


def test_closing_a_position_leaves_the_order_of_the_venue(bench: Bench) -> None:
    account = long_on_margin(bench)
    squeeze(bench, "AAPL", "40", size="0")
    known = log_of(bench, account)

    answers = bench.handle(
        close(3, account), close(4, account, quantity="1"), close(5, account, client_order_id="x")
    )

    assert since(bench, account, known) == []
    told = {(order_of(it).placed_by, order_of(it).replayed) for it in answers}
    assert told == {(order_pb2.PLACED_BY_VENUE, True)}
