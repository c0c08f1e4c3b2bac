"""The margin mode of an account: when it can change, and what stays."""

import pytest

from server.domain.account import Account, MarginMode, Position
from server.domain.account_changes import open_account, reset, set_margin_mode
from server.domain.changes import changed
from server.domain.errors import Reason, Refusal
from server.domain.events import AccountUpdateType
from server.domain.values import SCALE, Money, Quantity, parse_units
from tests.domain.book import BEGINNING, told_by

LATER = BEGINNING + 7


@pytest.fixture
def account() -> Account:
    return open_account("account", "user", Money(parse_units("5000")), BEGINNING).account


def make_position(symbol: str, quantity: int) -> Position:
    return Position(account_id="account", symbol=symbol, quantity=Quantity(quantity * SCALE))


def test_an_account_is_opened_as_cash_and_becomes_a_margin_account_by_one_event(
    account: Account,
) -> None:
    assert account.margin_mode is MarginMode.CASH

    decision = set_margin_mode(account, [make_position("AAPL", 3)], MarginMode.MARGIN, LATER)

    assert not isinstance(decision, Refusal)
    event = told_by(decision)
    assert decision.account == changed(
        account, margin_mode=MarginMode.MARGIN, had_margin=True, sequence=2
    )
    assert (event.type, event.sequence, event.time) == (AccountUpdateType.MARGIN_MODE, 2, LATER)
    assert (event.margin_mode, event.balance) == (MarginMode.MARGIN, account.balance)
    assert not decision.positions


@pytest.mark.parametrize("mode", MarginMode)
def test_live_orders_refuse_a_change_in_both_directions(account: Account, mode: MarginMode) -> None:
    """An order holds back money or quantity by the mode in which it was placed."""
    (other,) = set(MarginMode) - {mode}
    account = changed(account, margin_mode=other, live_orders=2)

    refusal = set_margin_mode(account, [], mode, LATER)

    assert isinstance(refusal, Refusal)
    assert refusal.reason is Reason.LIVE_ORDERS
    assert "live orders (2)" in refusal.message


@pytest.mark.parametrize(
    ("balance", "quantities", "cure"),
    [
        (-1, {"AAPL": 3}, "sell until the balance of -0.01 USD is paid,"),
        (100, {"SPY": -2, "AAPL": -1, "KO": 1}, "buy back AAPL, SPY, then"),
        (-100, {"SPY": -2}, "buy back SPY and sell until the balance of -1.00 USD is paid,"),
    ],
)
def test_a_loan_or_a_short_position_keeps_the_account_on_margin(
    account: Account, balance: int, quantities: dict[str, int], cure: str
) -> None:
    cents = balance * SCALE // 100
    account = changed(account, margin_mode=MarginMode.MARGIN, balance=cents)
    positions = [make_position(symbol, quantity) for symbol, quantity in quantities.items()]

    refusal = set_margin_mode(account, positions, MarginMode.CASH, LATER)

    assert isinstance(refusal, Refusal)
    assert refusal.reason is Reason.MARGIN_IN_USE
    assert cure in refusal.message


def test_without_loan_and_short_position_it_becomes_a_cash_account_again(
    account: Account,
) -> None:
    account = changed(account, margin_mode=MarginMode.MARGIN, balance=0)

    decision = set_margin_mode(account, [make_position("AAPL", 3)], MarginMode.CASH, LATER)

    assert not isinstance(decision, Refusal)
    assert decision.account.margin_mode is MarginMode.CASH
    assert told_by(decision).margin_mode is MarginMode.CASH


def test_a_reset_keeps_the_mode_and_counts_interest_anew(account: Account) -> None:
    account = changed(account, margin_mode=MarginMode.MARGIN, interest_paid=3 * SCALE)

    decision = reset(account, [], Money(parse_units("1000")), LATER)

    assert decision.account.margin_mode is MarginMode.MARGIN
    assert decision.account.interest_paid == 0
    assert told_by(decision).margin_mode is MarginMode.MARGIN
