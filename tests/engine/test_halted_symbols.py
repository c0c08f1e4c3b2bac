"""A symbol whose trading is halted has no fresh quotes: exits and stop-outs wait, and act once."""

from pathlib import Path
from typing import Any

import pytest

from bottrading.v1 import bot_trading_pb2 as pb
from bottrading.v1 import market_data_pb2, order_pb2, quote_pb2
from server.domain.values import SECOND
from server.wire.answers import timestamp
from tests.engine.bench import Bench, call, place
from tests.engine.margin import SELL, log_of, margin_account, second, since, squeeze
from tests.engine.test_trailing_stops import stop_of
from tests.support.audit import audit

HALT: dict[str, Any] = {"seconds": 60}
EXITS: dict[str, Any] = {
    "order_class": order_pb2.ORDER_CLASS_OCO,
    "take_profit": pb.TakeProfit(limit_price="150.00"),
    "stop_loss": pb.StopLoss(trail_amount="5.00"),
    **SELL,
}


def late(bench: Bench, price: str) -> None:
    """Publish a quote of 30 s ago, which is the newest one and not fresh."""
    quote = quote_pb2.PublishedQuote(
        symbol="AAPL",
        bid=price,
        ask=price,
        bid_size="100000",
        ask_size="100000",
        time=timestamp(bench.clock.now - 30 * SECOND),
    )
    request = market_data_pb2.PublishQuotesRequest(quotes=[quote])
    *_, answer = bench.handle(call(7, "PublishQuotes", "", request.SerializeToString()))
    assert market_data_pb2.PublishQuotesResponse.FromString(answer.body).accepted == 1


def protected(bench: Bench, quantity: str) -> tuple[str, str]:
    """Return a MARGIN account and its exit, whose stop follows at 95.00."""
    account = margin_account(bench)
    bench.handle(bench.publish("AAPL", "100", "100", "100000"))
    bench.handle(place(1, account, quantity=quantity))
    (answer,) = bench.handle(place(2, account, quantity=quantity, **EXITS))
    (leg,) = pb.PlaceOrderResponse.FromString(answer.body).order.legs
    second(bench)
    return account, leg.id


@pytest.mark.parametrize("restarts", [False, True])
def test_a_halt_neither_moves_nor_triggers_a_trailing_exit_and_its_end_triggers_it_once(
    bench: Bench, data_dir: Path, *, restarts: bool
) -> None:
    account, leg = protected(bench, "10")
    known = log_of(bench, account)

    bench.clock.turn(**HALT)
    second(bench)
    for price in ("140", "90", "160"):
        late(bench, price)
        second(bench)
    if restarts:
        bench.parts.close()
        bench = Bench(data_dir, bench.clock)
        second(bench)
    stop, during = stop_of(bench, account, leg), since(bench, account, known)
    squeeze(bench, "AAPL", "80")
    squeeze(bench, "AAPL", "70")

    assert (stop, during) == ("95.00000000", [])
    assert since(bench, account, known) == [
        "TRIGGERED SELL 10 AAPL",
        "FILLED SELL 10 AAPL 10 at 80",
        "CANCELLED SELL 10 AAPL SIBLING_FILLED",
    ]
    bench.parts.close()
    audit(bench.data_dir)


def test_after_a_halt_an_exit_goes_before_the_margin_call_that_it_saves(bench: Bench) -> None:
    """1 500 x 45 - 50 000 is less than 30 % of 67 500, but nothing is left to call."""
    account, _ = protected(bench, "1500")
    known = log_of(bench, account)
    bench.clock.turn(**HALT)
    late(bench, "45")
    second(bench)
    assert since(bench, account, known) == []

    squeeze(bench, "AAPL", "45")
    second(bench)

    assert since(bench, account, known) == [
        "TRIGGERED SELL 1500 AAPL",
        "FILLED SELL 1500 AAPL 1500 at 45",
        "CANCELLED SELL 1500 AAPL SIBLING_FILLED",
    ]
    audit(bench.data_dir)


def test_after_a_halt_a_margin_call_takes_over_what_an_exit_cannot_sell(bench: Bench) -> None:
    account, _ = protected(bench, "1500")
    known = log_of(bench, account)
    bench.clock.turn(**HALT)

    squeeze(bench, "AAPL", "45", size="100")
    squeeze(bench, "AAPL", "45")

    assert since(bench, account, known) == [
        "TRIGGERED SELL 1500 AAPL",
        "PARTIALLY_FILLED SELL 1500 AAPL 100 at 45",
        "REPLACED SELL 1400 AAPL",
        "MARGIN_CALL 17500.00 of 18900.00",
        "CANCELLED SELL 1500 AAPL MARGIN_CALL",
        "CANCELLED SELL 1400 AAPL MARGIN_CALL",
        "ACCEPTED SELL 1400 AAPL by the venue",
        "FILLED SELL 1400 AAPL 1400 at 45 by the venue",
    ]
    audit(bench.data_dir)
