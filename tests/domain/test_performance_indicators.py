"""Indicators: worked by hand, undefined where they are, and as empyrical computes them."""

from collections.abc import Callable
from math import sqrt
from random import Random

import empyrical
import numpy as np
import pytest

from server.domain.account import Inflow, TradeStatistics
from server.domain.performance import (
    expectancy,
    max_drawdown_pct,
    period_returns,
    profit_factor,
    sharpe_ratio,
    sortino_ratio,
    total_return_pct,
    win_rate,
    without_inflows,
)
from server.domain.values import CENT, SCALE

NOTHING_CLOSED = TradeStatistics()


def dollars(*amounts: int) -> list[int]:
    return [amount * SCALE for amount in amounts]


def test_total_return_is_the_growth_of_what_came_in() -> None:
    assert total_return_pct(100_000 * SCALE, 112_500 * SCALE) == 12.5
    assert total_return_pct(100_000 * SCALE, 75_000 * SCALE) == -25
    assert total_return_pct(100_000 * SCALE, 100_000 * SCALE) == 0
    assert total_return_pct(100_000 * SCALE, 0) == -100


def came_in(sequence: int, amount: int, equity_before: int) -> Inflow:
    return Inflow(
        account_id="account", sequence=sequence, time=0, amount=amount * SCALE,
        equity_before=equity_before * SCALE,
    )  # fmt: skip


def test_the_return_across_two_deposits_is_that_of_the_periods_between_them() -> None:
    """100 grow to 110 and 90 come in; 200 grow to 220 and 80 come in; 300 fall to 270.

    1.1 × 1.1 × 0.9 = 1.089, though 270 came in and 270 are left.
    """
    inflows = [came_in(5, 90, 110), came_in(8, 80, 220)]
    points = [(2, 105), (5, 200), (6, 190), (8, 300), (9, 270)]
    curve = without_inflows([(number, equity * SCALE) for number, equity in points], inflows)

    expected = [105, 110, 190 * 0.55, 121, 108.9]
    assert [value / SCALE for value in curve] == pytest.approx(expected, rel=1e-12)
    assert total_return_pct(100 * SCALE, curve[-1]) == pytest.approx(8.9, rel=1e-12)
    assert max_drawdown_pct([100 * SCALE, *curve]) == pytest.approx(10, rel=1e-12)
    growth = [190 / 200 - 1, 220 / 190 - 1, -0.1]
    assert period_returns(curve[1:]) == pytest.approx([110 / 105 - 1, *growth][1:], rel=1e-12)


def test_a_deposit_moves_no_point_of_the_curve() -> None:
    inflow = came_in(7, 12_345, 98_765)
    before, after = without_inflows(
        [(6, 98_765 * SCALE), (7, (98_765 + 12_345) * SCALE)], [inflow]
    )  # fmt: skip
    assert after == pytest.approx(before, rel=1e-15)


def test_without_inflows_the_curve_is_the_equity_to_the_last_digit() -> None:
    most = 2**63 - 1
    assert without_inflows([(1, most), (2, most - 1)], []) == [most, most - 1]
    assert without_inflows([], []) == []


def test_what_was_lost_whole_stays_lost_whatever_comes_in() -> None:
    curve = without_inflows([(3, 100), (4, 0), (5, 500), (6, 900)], [came_in(5, 500, 0)])
    assert curve == [100, 0, 0, 0]
    assert total_return_pct(100, curve[-1]) == -100
    assert max_drawdown_pct(curve) == 100
    assert period_returns(curve) == [-1]


def test_trade_figures_are_shares_of_closed_trades() -> None:
    statistics = TradeStatistics(
        trades=8, wins=5, gross_profit=630 * SCALE, gross_loss=300 * SCALE
    )  # fmt: skip
    assert win_rate(statistics) == 62.5
    assert profit_factor(statistics) == 2.1
    assert expectancy(statistics) == 41.25


def test_without_closed_trades_their_figures_are_undefined() -> None:
    figures: list[Callable[[TradeStatistics], float | None]] = [win_rate, profit_factor, expectancy]
    assert [figure(NOTHING_CLOSED) for figure in figures] == [None, None, None]
    assert (NOTHING_CLOSED.longest_win_streak, NOTHING_CLOSED.longest_loss_streak) == (0, 0)


def test_without_a_loss_only_the_profit_factor_is_undefined() -> None:
    only_wins = NOTHING_CLOSED.book(5 * CENT)
    assert (win_rate(only_wins), profit_factor(only_wins)) == (100, None)
    assert expectancy(only_wins) == 0.05
    only_zero = NOTHING_CLOSED.book(0)
    assert (win_rate(only_zero), profit_factor(only_zero), expectancy(only_zero)) == (0, None, 0)
    only_losses = NOTHING_CLOSED.book(-5 * CENT)
    assert (win_rate(only_losses), profit_factor(only_losses)) == (0, 0)


@pytest.mark.parametrize(
    ("equities", "percent"),
    [
        ([], 0),
        ([100], 0),
        ([100, 110, 121], 0),
        ([100, 50], 50),
        ([100, 120, 90, 130, 117], 25),
        ([100, 90, 95, 120, 114], 10),
        ([100, 0], 100),
        ([0, 0], 0),
    ],
)
def test_drawdown_is_the_deepest_fall_from_an_earlier_peak(
    equities: list[int], percent: float
) -> None:
    assert max_drawdown_pct(dollars(*equities)) == percent


def test_returns_are_relative_changes_and_end_where_nothing_is_left() -> None:
    assert period_returns(dollars(100, 110, 99)) == [0.1, -0.1]
    assert period_returns(dollars(100, 0, 50, 60)) == [-1.0]
    assert period_returns(dollars(100)) == []
    assert period_returns([]) == []


def test_sharpe_and_sortino_as_worked_by_hand() -> None:
    """Mean 0.01; squares 0.0004, 0.0016 and 0.0004 ÷ 2 for Sharpe; 0.0009 ÷ 3 for Sortino."""
    returns = [0.03, -0.03, 0.03]
    assert sharpe_ratio(returns) == pytest.approx(0.01 / sqrt(0.0012) * sqrt(252), abs=1e-12)
    assert sortino_ratio(returns) == pytest.approx(0.01 / sqrt(0.0003) * sqrt(252), abs=1e-12)


def test_two_returns_are_enough() -> None:
    """Mean 0.005; deviations of 0.015 twice, ÷ 1 for Sharpe; 0.0001 ÷ 2 for Sortino."""
    returns = [0.02, -0.01]
    assert sharpe_ratio(returns) == pytest.approx(0.005 / sqrt(0.00045) * sqrt(252), abs=1e-12)
    assert sortino_ratio(returns) == pytest.approx(0.005 / sqrt(0.00005) * sqrt(252), abs=1e-12)


@pytest.mark.parametrize("returns", [[], [0.01], [-0.01]])
def test_fewer_than_two_returns_have_no_ratio(returns: list[float]) -> None:
    assert sharpe_ratio(returns) is None
    assert sortino_ratio(returns) is None


def test_without_a_negative_return_there_is_no_downside() -> None:
    assert sortino_ratio([0.01, 0.0, 0.02]) is None
    assert sharpe_ratio([0.01, 0.0, 0.02]) is not None


def test_equal_returns_have_no_deviation_however_their_mean_is_rounded() -> None:
    """Growth of exactly a tenth a day once made a Sharpe ratio of 10¹⁷."""
    growth = [10**12 * 11**day // 10**day for day in range(13)]
    for days in range(3, len(growth) + 1):
        assert sharpe_ratio(period_returns(growth[:days])) is None
    assert sharpe_ratio([-0.07] * 49) is None
    assert sharpe_ratio([0.0, 0.0]) is None


def random_equities(seed: int) -> list[int]:
    """Return a random walk of 2 to 400 days, calm or wild by its seed."""
    chance = Random(seed)
    equities = [100_000 * SCALE]
    for _ in range(chance.randint(2, 400)):
        change = 1 + chance.gauss(0.0005, chance.choice([0.001, 0.02, 0.2]))
        equities.append(max(int(equities[-1] / CENT * change), 1) * CENT)
    return equities


@pytest.mark.parametrize("seed", range(25))
def test_the_figures_agree_with_empyrical(seed: int) -> None:
    equities = random_equities(seed)
    returns = period_returns(equities)
    series = np.array(returns)
    assert sharpe_ratio(returns) == pytest.approx(empyrical.sharpe_ratio(series), abs=1e-9)
    assert sortino_ratio(returns) == pytest.approx(empyrical.sortino_ratio(series), abs=1e-9)
    deepest = -100 * empyrical.max_drawdown(series)
    assert max_drawdown_pct(equities) == pytest.approx(deepest, abs=1e-9)
    growth = 100 * empyrical.cum_returns_final(series)
    assert total_return_pct(equities[0], equities[-1]) == pytest.approx(growth, abs=1e-9, rel=1e-9)
