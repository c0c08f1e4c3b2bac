"""Expired options become money, and that closes a trade."""

from dataclasses import replace

import pytest

from server.domain.account import Account, Position, TradingState
from server.domain.account_changes import set_trading_state, settle
from server.domain.events import AccountUpdateType
from server.domain.instrument import AssetType, Instrument, OptionRight, OptionTerms
from server.domain.values import CENT, DAY, parse_units

ACCOUNT = Account(
    id="account", user_id="user", created_at=0, deposits=parse_units("10000"),
    balance=parse_units("8000"), sequence=7,
)  # fmt: skip
POSITION = Position(
    account_id="account", symbol="CALL", quantity=parse_units("3"),
    cost_basis=parse_units("1998.05"), buy_fees=parse_units("1.95"),
)  # fmt: skip


def option(right: OptionRight) -> Instrument:
    terms = OptionTerms(
        underlying="AAPL", strike=parse_units("100"), expiry="2026-12-18", expires_at=DAY,
        right=right,
    )  # fmt: skip
    return Instrument(
        symbol="CALL", name="CALL", asset_type=AssetType.OPTION, price_tick=CENT, multiplier=100,
        option=terms,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("right", "price", "amount"),
    [
        (OptionRight.CALL, "107.50", "2250.00"),
        (OptionRight.CALL, "100.00", "0"),
        (OptionRight.CALL, "93.00", "0"),
        (OptionRight.PUT, "93.00", "2100.00"),
        (OptionRight.PUT, "100.01", "0"),
        (OptionRight.CALL, "100.00009999", "0.02"),
    ],
)
def test_an_expired_option_pays_what_exercise_pays(
    right: OptionRight, price: str, amount: str
) -> None:
    """Three contracts of 100, rounded down to the cent, against 2 000.00 paid with fees."""
    decision = settle(ACCOUNT, POSITION, option(right), parse_units(price), DAY)
    paid, pnl = parse_units(amount), parse_units(amount) - parse_units("2000")
    account, event = decision.account, decision.event

    assert account.balance == ACCOUNT.balance + paid
    assert account.realized_pnl == pnl
    assert (account.sequence, event.sequence, event.time) == (8, 8, DAY)
    assert (account.statistics.trades, account.statistics.wins) == (1, int(pnl > 0))
    assert decision.position is not None
    assert (decision.position.quantity, decision.position.cost_basis) == (0, 0)
    assert decision.position.buy_fees == 0
    assert event.type is AccountUpdateType.SETTLED
    assert event.settlement is not None
    assert (event.settlement.amount, event.settlement.realized_pnl) == (paid, pnl)
    assert event.settlement.quantity == POSITION.quantity
    assert event.amount is None, "no money came in from outside"
    assert event.balance == account.balance


def test_only_an_option_that_no_order_holds_can_be_settled() -> None:
    stock = replace(option(OptionRight.CALL), option=None)
    with pytest.raises(AssertionError, match="no option"):
        settle(ACCOUNT, POSITION, stock, CENT, DAY)
    held = replace(POSITION, reserved_quantity=1)
    with pytest.raises(AssertionError, match="in use"):
        settle(ACCOUNT, held, option(OptionRight.CALL), CENT, DAY)


def test_a_trading_state_is_one_event() -> None:
    decision = set_trading_state(ACCOUNT, TradingState.HALTED, DAY)
    assert decision.account == replace(ACCOUNT, trading_state=TradingState.HALTED, sequence=8)
    assert decision.event.type is AccountUpdateType.TRADING_STATE
    assert decision.event.trading_state is TradingState.HALTED
    assert decision.position is None
