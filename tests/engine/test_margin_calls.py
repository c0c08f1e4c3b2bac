"""Margin calls in the engine: when they begin, what the venue does, and when they end."""

import pytest

from bottrading.v1 import account_pb2, bot_trading_pb2, key_management_pb2, order_pb2
from server.domain.errors import Reason
from server.engine.frames import Kind
from tests.engine.bench import Bench, call, order_of, place, reason_of
from tests.engine.margin import SELL, log_of, manage, margin_account, second, since, squeeze, stored
from tests.support.audit import audit

LIMIT = {"order_type": order_pb2.ORDER_TYPE_LIMIT}


def long_on_margin(bench: Bench, subject: str = "ada") -> str:
    """Return an account with 1 500 shares for 150 000.00, of which 50 000.00 are borrowed."""
    account = margin_account(bench, subject)
    bench.handle(bench.publish("AAPL", "100", "100", "100000"))
    bench.handle(place(1, account, quantity="1500"))
    return account


def short_on_margin(bench: Bench) -> str:
    """Return an account that sold 1 000 shares short, for 100 000.00."""
    account = margin_account(bench)
    bench.handle(bench.publish("AAPL", "100", "100", "100000"))
    bench.handle(place(1, account, quantity="1000", **SELL))
    return account


def test_a_long_is_closed_when_the_equity_falls_below_the_maintenance_margin(bench: Bench) -> None:
    account = long_on_margin(bench)
    known = log_of(bench, account)
    assert known == ["ACCEPTED BUY 1500 AAPL", "FILLED BUY 1500 AAPL 1500 at 100"]

    # 1 500 x 47.62 - 50 000 = 21 430; 30 % of 71 430 is 21 429.
    squeeze(bench, "AAPL", "47.62")
    assert since(bench, account, known) == []
    # 1 500 x 47.61 - 50 000 = 21 415; 30 % of 71 415 is 21 424.50.
    squeeze(bench, "AAPL", "47.61")

    assert since(bench, account, known) == [
        "MARGIN_CALL 21415.00 of 21424.50",
        "ACCEPTED SELL 1500 AAPL by the venue",
        "FILLED SELL 1500 AAPL 1500 at 47.61 by the venue",
    ]
    assert stored(bench, "SELECT balance, live_orders FROM accounts") == [(21_415 * 10**8, 0)]
    audit(bench.data_dir)


def test_a_short_is_bought_back_when_its_price_rises(bench: Bench) -> None:
    account = short_on_margin(bench)
    known = log_of(bench, account)

    # 200 000 - 1 000 x 153.84 = 46 160; 30 % of 153 840 is 46 152.
    squeeze(bench, "AAPL", "153.84")
    assert since(bench, account, known) == []
    # 200 000 - 1 000 x 153.85 = 46 150; 30 % of 153 850 is 46 155.
    squeeze(bench, "AAPL", "153.85")

    assert since(bench, account, known) == [
        "MARGIN_CALL 46150.00 of 46155.00",
        "ACCEPTED BUY 1000 AAPL by the venue",
        "FILLED BUY 1000 AAPL 1000 at 153.85 by the venue",
    ]
    assert stored(bench, "SELECT balance FROM accounts") == [(46_150 * 10**8,)]


def test_the_venue_closes_no_more_than_it_must(bench: Bench) -> None:
    account = long_on_margin(bench)
    known = log_of(bench, account)

    # What 10 shares bring is enough: 30 % of 1 490 x 47.61 is 21 281.67.
    squeeze(bench, "AAPL", "47.61", size="10")
    squeeze(bench, "AAPL", "47.61", size="10")

    assert since(bench, account, known) == [
        "MARGIN_CALL 21415.00 of 21424.50",
        "ACCEPTED SELL 1500 AAPL by the venue",
        "PARTIALLY_FILLED SELL 1500 AAPL 10 at 47.61 by the venue",
        "CANCELLED SELL 1500 AAPL MARGIN_RESTORED by the venue",
    ]


def test_a_call_goes_on_until_enough_is_closed_and_begins_once(bench: Bench) -> None:
    account = long_on_margin(bench)
    known = log_of(bench, account)

    # 1 500 x 45 - 50 000 = 17 500; 30 % of 67 500 is 20 250: 204 shares are too many.
    squeeze(bench, "AAPL", "45", size="100")
    second(bench)
    bench.handle(bench.publish("AAPL", "45", "45", "100"))
    second(bench)
    bench.handle(bench.publish("AAPL", "45", "45", "100"))

    assert since(bench, account, known) == [
        "MARGIN_CALL 17500.00 of 20250.00",
        "ACCEPTED SELL 1500 AAPL by the venue",
        "PARTIALLY_FILLED SELL 1500 AAPL 100 at 45 by the venue",
        "PARTIALLY_FILLED SELL 1500 AAPL 100 at 45 by the venue",
        "PARTIALLY_FILLED SELL 1500 AAPL 100 at 45 by the venue",
        "CANCELLED SELL 1500 AAPL MARGIN_RESTORED by the venue",
    ]


def test_the_largest_margin_is_closed_first_and_orders_in_the_way_are_cancelled(
    bench: Bench,
) -> None:
    account = long_on_margin(bench)
    bench.handle(bench.publish("MSFT", "50", "50", "100000"))
    bench.handle(bench.publish("SPY", "10", "10", "100000"))
    bench.handle(
        place(2, account, symbol="MSFT", quantity="100"),
        place(3, account, symbol="MSFT", quantity="40", limit_price="90", **LIMIT, **SELL),
        place(4, account, symbol="SPY", quantity="1", limit_price="5", **LIMIT),
        place(5, account, quantity="700", limit_price="150", **LIMIT, **SELL),
    )
    known = log_of(bench, account)

    # 1 500 x 45 + 100 x 50 - 55 000 = 17 500; 30 % of 72 500 is 21 750.
    squeeze(bench, "AAPL", "45", size="100")
    added = since(bench, account, known)
    bench.handle(bench.publish("MSFT", "50", "50", "100000"))
    second(bench)

    assert added == [
        "MARGIN_CALL 17500.00 of 21750.00",
        "CANCELLED BUY 1 SPY MARGIN_CALL",
        "CANCELLED SELL 700 AAPL MARGIN_CALL",
        "ACCEPTED SELL 1500 AAPL by the venue",
        "PARTIALLY_FILLED SELL 1500 AAPL 100 at 45 by the venue",
        # Still 17 500 of 20 400: the next position follows.
        "CANCELLED SELL 40 MSFT MARGIN_CALL",
        "ACCEPTED SELL 100 MSFT by the venue",
        "FILLED SELL 100 MSFT 100 at 50 by the venue",
    ]
    assert since(bench, account, known) == added, "a call began twice"


@pytest.mark.parametrize(
    "state", [account_pb2.TRADING_STATE_HALTED, account_pb2.TRADING_STATE_REDUCING]
)
def test_a_call_goes_past_the_trading_state(
    bench: Bench, state: account_pb2.TradingState.ValueType
) -> None:
    account = long_on_margin(bench)
    request = key_management_pb2.SetTradingStateRequest(account_id=account, trading_state=state)
    assert manage(bench, "ada", "SetTradingState", request).kind is Kind.RESPONSE

    squeeze(bench, "AAPL", "47.61")

    assert log_of(bench, account)[-1] == "FILLED SELL 1500 AAPL 1500 at 47.61 by the venue"


def test_nobody_but_the_venue_ends_or_changes_its_orders(bench: Bench) -> None:
    account = long_on_margin(bench)
    squeeze(bench, "AAPL", "40", size="10")
    known = log_of(bench, account)
    ((order_id,),) = stored(bench, "SELECT id FROM orders WHERE live")

    requests = {
        "CancelOrder": bot_trading_pb2.CancelOrderRequest(order_id=order_id),
        "ReplaceOrder": bot_trading_pb2.ReplaceOrderRequest(order_id=order_id, quantity="20"),
    }
    for name, request in requests.items():
        *_, answer = bench.handle(call(1, name, account, request.SerializeToString()))
        assert reason_of(answer) is Reason.ORDER_NOT_LIVE
    everything = bot_trading_pb2.CancelAllOrdersRequest().SerializeToString()
    *_, answer = bench.handle(call(1, "CancelAllOrders", account, everything))
    told = bot_trading_pb2.CancelAllOrdersResponse.FromString(answer.body)
    assert not told.orders
    halt = key_management_pb2.SetTradingStateRequest(
        account_id=account, trading_state=account_pb2.TRADING_STATE_HALTED
    )
    manage(bench, "ada", "SetTradingState", halt)

    assert since(bench, account, known) == ["TRADING_STATE"]


def test_a_deposit_ends_a_call(bench: Bench) -> None:
    account = long_on_margin(bench)
    squeeze(bench, "AAPL", "40", size="10")
    known = log_of(bench, account)
    request = key_management_pb2.DepositRequest(account_id=account, amount="90000")
    manage(bench, "operator", "Deposit", request)

    second(bench)

    # No loan is left, and nothing is at risk.
    assert since(bench, account, known) == [
        "DEPOSIT",
        "CANCELLED SELL 1500 AAPL MARGIN_RESTORED by the venue",
    ]


def test_a_gap_through_zero_makes_an_account_bankrupt_until_a_reset(bench: Bench) -> None:
    account = short_on_margin(bench)
    bench.handle(bench.publish("SPY", "10", "10", "100000"))
    bench.handle(place(2, account, symbol="SPY", quantity="1", limit_price="5", **LIMIT))
    known = log_of(bench, account)

    squeeze(bench, "AAPL", "250")

    assert since(bench, account, known) == [
        "MARGIN_CALL -50000.00 of 75000.00",
        "BANKRUPT",
        "CANCELLED BUY 1 SPY TRADING_HALTED",
        "ACCEPTED BUY 1000 AAPL by the venue",
        "FILLED BUY 1000 AAPL 1000 at 250 by the venue",
    ]
    query = "SELECT balance, trading_state, initial_share FROM accounts"
    assert stored(bench, query) == [(-50_000 * 10**8, "HALTED", 0.0)]
    known = log_of(bench, account)
    second(bench)
    assert since(bench, account, known) == [], "there is nothing to close"

    reset = key_management_pb2.ResetAccountRequest(account_id=account)
    manage(bench, "ada", "ResetAccount", reset)
    assert stored(bench, query) == [(100_000 * 10**8, "ACTIVE", 1.0)]


def test_prices_that_are_stale_begin_no_call(bench: Bench) -> None:
    account = long_on_margin(bench)
    bench.handle(bench.publish("MSFT", "50", "50", "100000"))
    bench.handle(place(2, account, symbol="MSFT", quantity="1"))
    known = log_of(bench, account)
    bench.clock.turn(seconds=20)
    squeeze(bench, "AAPL", "40")
    assert since(bench, account, known) == [], "the price of MSFT is stale"

    squeeze(bench, "MSFT", "50")

    assert since(bench, account, known)[0].startswith("MARGIN_CALL")


def test_a_fill_is_followed_by_a_look(bench: Bench) -> None:
    """The price fell within the second: an order of the account shows it, not the next look."""
    account = long_on_margin(bench)
    second(bench)
    bench.handle(bench.publish("AAPL", "47.60", "47.60", "100000"))
    known = log_of(bench, account)

    (answer,) = bench.handle(place(2, account, quantity="1", **SELL))

    assert order_of(answer).status == order_pb2.ORDER_STATUS_FILLED
    assert since(bench, account, known)[1:] == [
        "FILLED SELL 1 AAPL 1 at 47.6",
        "MARGIN_CALL 21400.00 of 21405.72",
        "ACCEPTED SELL 1499 AAPL by the venue",
        "FILLED SELL 1499 AAPL 1499 at 47.6 by the venue",
    ]


def test_a_cash_account_is_never_called(bench: Bench) -> None:
    account = bench.account("ada")
    bench.handle(bench.publish("AAPL", "100", "100", "100000"))
    bench.handle(place(1, account, quantity="1000"))

    squeeze(bench, "AAPL", "0.01")

    assert stored(bench, "SELECT count(*) FROM events") == [(3,)]


def deposit(bench: Bench, account: str, amount: str) -> None:
    request = key_management_pb2.DepositRequest(account_id=account, amount=amount)
    assert manage(bench, "operator", "Deposit", request).kind is Kind.RESPONSE


@pytest.mark.parametrize("stale", [False, True])
def test_a_deposit_that_comes_before_the_look_does_not_hide_a_bankruptcy(
    bench: Bench, *, stale: bool
) -> None:
    """The return is -100 % from then on; so the log tells it, and the account is HALTED."""
    account = short_on_margin(bench)
    bench.handle(place(2, account, quantity="1", limit_price="50", **LIMIT))
    second(bench)
    known = log_of(bench, account)
    bench.handle(bench.publish("AAPL", "250", "250", "100000"))
    if stale:
        bench.clock.turn(seconds=20)

    deposit(bench, account, "500000")
    deposit(bench, account, "1")
    second(bench)

    assert since(bench, account, known) == [
        "BANKRUPT",
        "CANCELLED BUY 1 AAPL TRADING_HALTED",
        "DEPOSIT",
        "DEPOSIT",
    ]
    query = "SELECT balance, trading_state, initial_share FROM accounts WHERE had_margin"
    assert stored(bench, query) == [(700_001 * 10**8, "HALTED", 0.0)]
    audit(bench.data_dir)
