"""Margin calls beside positions without a fresh price: what is paid in full shields nobody."""

from tests.engine.bench import Bench, place
from tests.engine.margin import log_of, second, since, squeeze
from tests.engine.test_margin_calls import long_on_margin
from tests.support.audit import audit

STALE = 60


def long_beside_crypto(bench: Bench, quantity: str = "1") -> str:
    """Return an account with a loan that also holds BTC-USD, whose last price was 100."""
    account = long_on_margin(bench)
    bench.handle(bench.publish("BTC-USD", "100", "100", "100000"))
    bench.handle(place(2, account, symbol="BTC-USD", quantity=quantity))
    bench.clock.turn(seconds=STALE)
    return account


def test_what_is_paid_in_full_delays_no_call(bench: Bench) -> None:
    account = long_beside_crypto(bench)
    known = log_of(bench, account)

    # 1 500 x 47.61 + 100 - 50 100 is 21 415; 30 % of 71 415 and 100 are 21 524.50.
    squeeze(bench, "AAPL", "47.61")
    second(bench)

    assert since(bench, account, known) == [
        "MARGIN_CALL 21415.00 of 21524.50",
        "ACCEPTED SELL 1500 AAPL by the venue",
        "FILLED SELL 1500 AAPL 1500 at 47.61 by the venue",
    ]
    audit(bench.data_dir)


def test_what_is_paid_in_full_is_closed_at_its_next_price_and_tells_the_end(bench: Bench) -> None:
    account = long_beside_crypto(bench)
    known = log_of(bench, account)

    # 1 500 x 33.30 - 50 100 + 100 is -50: nobody knows whether BTC-USD is still worth 100.
    squeeze(bench, "AAPL", "33.30")
    second(bench)
    second(bench)
    assert since(bench, account, known) == [
        "MARGIN_CALL -50.00 of 15085.00",
        "ACCEPTED SELL 1500 AAPL by the venue",
        "FILLED SELL 1500 AAPL 1500 at 33.3 by the venue",
    ]
    squeeze(bench, "BTC-USD", "110")
    second(bench)

    assert since(bench, account, known)[3:] == [
        "MARGIN_CALL -40.00 of 110.00",
        "BANKRUPT",
        "ACCEPTED SELL 1 BTC-USD by the venue",
        "FILLED SELL 1 BTC-USD 1 at 110 by the venue",
    ]
    audit(bench.data_dir)


def test_a_call_that_goes_on_with_what_was_waiting_is_told_once(bench: Bench) -> None:
    """The fill that ends the venue's last order shows that BTC-USD can be closed now."""
    account = long_beside_crypto(bench)
    # Before any fill: 1 500 x 33.30 - 50 100 + 100 is -50.
    squeeze(bench, "AAPL", "33.30", size="10")
    known = log_of(bench, account)

    bench.handle(
        bench.publish("BTC-USD", "110", "110", "100000"),
        bench.publish("AAPL", "33.30", "33.30", "100000"),
    )

    assert since(bench, account, known) == [
        "FILLED SELL 1500 AAPL 1490 at 33.3 by the venue",
        "BANKRUPT",
        "ACCEPTED SELL 1 BTC-USD by the venue",
        "FILLED SELL 1 BTC-USD 1 at 110 by the venue",
    ]
    audit(bench.data_dir)
