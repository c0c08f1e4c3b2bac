"""Absurd prices of what MARGIN accounts hold: they call nobody, and stop nothing."""

from server.domain.values import DAY
from tests.engine.bench import Bench, place
from tests.engine.margin import SELL, log_of, margin_account, since, squeeze, stored
from tests.engine.test_margin_calls import long_on_margin
from tests.support.audit import audit
from tests.support.venue import NOON


def test_a_price_that_outgrows_the_equity_calls_no_long_position(bench: Bench) -> None:
    account = long_on_margin(bench)
    known = log_of(bench, account)

    # 1 500 shares are worth more than an equity can be shown with, and 30 % of them are, too.
    squeeze(bench, "AAPL", "900000000")
    squeeze(bench, "AAPL", "100")

    assert since(bench, account, known) == []


def test_a_fee_for_borrowed_shares_outgrows_no_figure_and_others_are_charged(bench: Bench) -> None:
    account, other = margin_account(bench), long_on_margin(bench, "bob")
    bench.handle(bench.publish("MSFT", "0.01", "0.01", "9999999"))
    bench.handle(place(1, account, symbol="MSFT", quantity="9999999", **SELL))
    squeeze(bench, "MSFT", "9000000000")
    known, others = log_of(bench, account), log_of(bench, other)

    for nights in (1, 2):
        bench.clock.now = (NOON // DAY + nights) * DAY
        bench.handle(passing=True)

    # The balance is 199 999.99, and falls to -90 000 000 000.00 at most.
    assert since(bench, account, known) == ["INTEREST 0.00 and 90000000000.00 for 1"]
    query = f"SELECT balance FROM accounts WHERE id = '{account}'"
    assert stored(bench, query) == [(19_999_999 * 10**6 - 9 * 10**18,)]
    assert since(bench, other, others) == [
        "INTEREST 10.96 and 0.00 for 1",
        "INTEREST 10.97 and 0.00 for 1",
    ]
    audit(bench.data_dir)
