"""Figures of an account that lost everything and more: all are defined, the return is -100 %."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.domain.account import Account, MarginMode
from server.domain.account_changes import deposit, open_account
from server.domain.changes import changed
from server.domain.equity_curve import EquityCurve
from server.domain.performance import total_return_pct
from server.domain.posting import Decision
from server.domain.values import CENT, DAY, SCALE, Money, Units


def opened(balance: int = 100) -> Account:
    account = open_account("account", "user", Money(balance * SCALE), 0).account
    return changed(account, margin_mode=MarginMode.MARGIN)


def deposited(account: Account, amount: int, equity: int) -> Decision:
    return deposit(account, Money(amount * SCALE), Money(equity * SCALE), 0)


@pytest.mark.parametrize("equity", [0, -CENT, -5 * SCALE, -(10**18)])
@pytest.mark.parametrize("share", [1.0, 0.37])
def test_an_equity_of_zero_or_below_is_a_return_of_minus_100_percent(
    equity: Units, share: float
) -> None:
    """A logarithm of it is not defined, and a loss of more than everything is no return."""
    account = changed(opened(), initial_share=share)

    value = account.initial_value(equity)

    assert value == 0
    assert total_return_pct(account.initial_balance, value) == -100


def test_a_bankrupt_account_has_lost_everything_whatever_it_is_worth_later() -> None:
    account = changed(opened(), initial_share=0.0)

    assert [account.initial_value(equity) for equity in (7, 10**18, -3)] == [0, 0, 0]


@pytest.mark.parametrize(
    ("amount", "equity"),
    [
        pytest.param(500, 0, id="of nothing"),
        pytest.param(500, -200, id="more than the debt"),
        pytest.param(200, -200, id="as much as the debt"),
        pytest.param(50, -200, id="less than the debt"),
    ],
)
def test_a_deposit_into_a_debt_leaves_nothing_of_the_initial_balance(
    amount: int, equity: int
) -> None:
    """By the quotient of both equities, the debt of 200 would make a share of -200 ÷ 300."""
    decision = deposited(opened(), amount, equity)

    assert decision.account.initial_share == 0
    assert decision.account.balance == (100 + amount) * SCALE
    assert decision.inflow is not None
    assert decision.inflow.equity_before == equity * SCALE


def test_a_deposit_right_before_the_loss_keeps_its_share_of_it() -> None:
    """Of 100 and a deposit of 300, 100 are a quarter: at 40 the return is -90 %."""
    account = deposited(opened(), 300, 100).account

    assert account.initial_value(40 * SCALE) == 10 * SCALE
    assert account.initial_value(-40 * SCALE) == 0


@given(st.lists(st.tuples(st.integers(0, 2 * DAY), st.integers(-(10**16), 10**16)), min_size=1))
def test_a_curve_of_any_equities_has_figures_that_are_numbers(
    steps: list[tuple[int, Units]],
) -> None:
    account, now = changed(opened(), initial_share=0.7), 0
    curve = EquityCurve.begin(account.initial_balance)
    for distance, equity in steps:
        now += distance
        curve = curve.added(now, account.initial_value(equity))

        for ratio in (curve.sharpe_ratio, curve.sortino_ratio):
            assert ratio is None or math.isfinite(ratio)
        assert 0 <= curve.max_drawdown_pct <= 100


def test_the_fall_to_zero_is_one_return_and_the_last() -> None:
    """100, 80, 0 and 0: returns of -20 % and -100 %, then none."""
    account = opened()
    curve = EquityCurve.begin(account.initial_balance)
    for day, equity in enumerate((80, -30, -30, 50)):
        share = 1.0 if day < 2 else 0.0
        value = changed(account, initial_share=share).initial_value(equity * SCALE)
        curve = curve.added(day * DAY, value)

    assert curve.returns.count == 2
    assert curve.returns.mean == pytest.approx(-0.6)
    assert curve.max_drawdown_pct == 100
    assert curve.sharpe_ratio == pytest.approx(-0.6 / math.sqrt(2 * 0.4**2) * math.sqrt(252))
