"""The equity curve: figures computed by hand and by empyrical, and figures that are undefined.

The curve keeps sums; the tests compute the expected values from all points at once.
"""

from collections.abc import Sequence
from functools import reduce
from math import sqrt
from random import Random

import empyrical
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.domain.account import Account, Inflow
from server.domain.account_changes import deposit, open_account
from server.domain.equity_curve import EquityCurve, Returns, TradingDays
from server.domain.errors import Refusal
from server.domain.performance import total_return_pct
from server.domain.values import CENT, DAY, SCALE, Micros, Money, Units
from tests.domain.whole_curve import day_ends, max_drawdown_pct, period_returns, without_inflows

HOUR = DAY // 24


def returns_of(values: Sequence[float]) -> Returns:
    return reduce(Returns.added, values, Returns())


def curve_of(begun_with: float, points: Sequence[tuple[Micros, float]]) -> EquityCurve:
    return reduce(lambda curve, point: curve.added(*point), points, EquityCurve.begin(begun_with))


def daily(values: Sequence[float]) -> EquityCurve:
    """Return the curve that begins with the first value and has one point a day from then on."""
    return curve_of(values[0], [(number * DAY, value) for number, value in enumerate(values[1:])])


@pytest.mark.parametrize(
    ("values", "percent"),
    [
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
    values: list[float], percent: float
) -> None:
    assert daily(values).max_drawdown_pct == percent
    assert max_drawdown_pct(values) == percent


def test_what_an_epoch_begins_with_is_its_first_peak() -> None:
    assert curve_of(200, [(0, 150), (1, 180)]).max_drawdown_pct == 25


def test_of_a_day_only_its_last_value_makes_a_return() -> None:
    """100 → 110 at the ends of two days, then 99 in the third so far; it began with 500."""
    points = [(HOUR, 500.0), (23 * HOUR, 100), (DAY, 90), (DAY + HOUR, 110), (2 * DAY, 99)]
    curve = curve_of(500, points)

    assert (curve.returns.count, curve.returns.first) == (3, -0.8)
    assert curve.returns.mean == pytest.approx(-0.8 / 3)
    assert curve.max_drawdown_pct == 82  # The falls within a day count: 500 to 90.


def test_a_day_that_nobody_looked_at_makes_no_return_of_its_own() -> None:
    assert curve_of(100, [(0, 100), (5 * DAY, 121)]).returns == returns_of([0.0, 0.21])


def test_a_clock_that_goes_back_adds_no_day() -> None:
    curve = curve_of(80, [(0, 100), (DAY, 110), (0, 120), (2 * DAY, 132)])
    assert curve.returns.count == 3
    assert curve.returns.mean == pytest.approx((0.25 + 0.2 + 0.1) / 3)


def test_the_return_of_the_first_day_belongs_to_the_ratios() -> None:
    """100 000 at noon; 90 000, 91 000, 90 500 and 91 500 at the ends of days, and 91 500 now."""
    ends = [90_000, 91_000, 90_500, 91_500, 91_500]
    curve = curve_of(100_000, [(DAY // 2 + day * DAY, end) for day, end in enumerate(ends)])
    series = np.array(period_returns([100_000, *ends]))

    assert series[0] == pytest.approx(-0.1)
    assert curve.sharpe_ratio == pytest.approx(empyrical.sharpe_ratio(series), abs=1e-9)
    assert curve.sortino_ratio == pytest.approx(empyrical.sortino_ratio(series), abs=1e-9)


SESSION = TradingDays(counts=True, skipped=0, every_day=False)
CLOSED = TradingDays(counts=False, skipped=0, every_day=False)


def test_what_changes_on_a_day_that_does_not_count_belongs_to_the_next_that_does() -> None:
    """Friday 110, Sunday evening 99 and Monday 121: 10 % twice."""
    friday = EquityCurve.begin(100).added(0, 110, SESSION)
    saturday = friday.added(DAY, 110, CLOSED)
    sunday = saturday.added(2 * DAY, 99, CLOSED)
    monday = sunday.added(3 * DAY, 121, SESSION)

    assert friday.returns == saturday.returns == sunday.returns == returns_of([0.1])
    assert monday.returns.count == 2
    assert monday.returns.mean == pytest.approx(0.1)
    assert monday.max_drawdown_pct == pytest.approx(10)


def test_a_day_is_counted_at_its_end_and_never_again() -> None:
    """On the first day nothing could be traded until its last point; the second never counts."""
    curve = EquityCurve.begin(100).added(HOUR, 100, CLOSED).added(2 * HOUR, 110, SESSION)
    curve = (
        curve.added(DAY, 110, SESSION).added(DAY + HOUR, 110, CLOSED).added(2 * DAY, 99, SESSION)
    )

    assert curve.returns.count == 2
    assert curve.returns.mean == pytest.approx(0.0, abs=1e-15)
    assert curve.added(2 * DAY, 99, CLOSED).returns == returns_of([0.1])


def test_days_that_count_have_a_return_though_no_point_was_taken() -> None:
    """What changed before belongs to the first of them; the others have seen no change."""
    three = TradingDays(counts=True, skipped=3, every_day=False)
    curve = EquityCurve.begin(100).added(0, 110, CLOSED).added(6 * DAY, 121, three)
    assert curve.returns.count == 4
    assert curve.returns.mean == pytest.approx((0.1 + 0.0 + 0.0 + 0.1) / 4)
    assert daily([100, 0]).added(9 * DAY, 50, three).returns == returns_of([-1.0])


def test_days_count_before_the_first_point_too() -> None:
    """An account traded on a day that ended before anybody looked at what it was worth."""
    days = TradingDays(counts=True, skipped=2, every_day=False)
    curve = EquityCurve.begin(100).added(2 * DAY, 110, days)
    assert (curve.returns.count, curve.returns.first) == (3, 0.0)
    assert curve.returns.mean == pytest.approx(0.1 / 3)


def test_a_point_that_is_only_shown_keeps_what_is_known_of_its_day() -> None:
    curve = EquityCurve.begin(100).added(0, 110, CLOSED)
    assert curve.added(HOUR, 120).returns == Returns()
    assert curve.added(DAY, 120).returns == returns_of([0.2])


def test_a_year_has_as_many_days_as_count() -> None:
    """252 with sessions only, 365 when something trades every day."""
    every = TradingDays(counts=True, skipped=0, every_day=True)
    values = [110.0, 99.0, 108.9]
    for days, a_year in ((SESSION, 252), (every, 365)):
        curve = EquityCurve.begin(100)
        for number, value in enumerate(values):
            curve = curve.added(number * DAY, value, days)
        series = np.array(period_returns([100.0, *values]))
        sharpe = empyrical.sharpe_ratio(series, annualization=a_year)
        sortino = empyrical.sortino_ratio(series, annualization=a_year)
        assert curve.sharpe_ratio == pytest.approx(sharpe, abs=1e-9)
        assert curve.sortino_ratio == pytest.approx(sortino, abs=1e-9)
        assert curve.added(3 * DAY, 100).every_day == (a_year == 365)


def test_a_curve_that_only_began_has_no_return() -> None:
    assert EquityCurve.begin(100).returns == Returns()


def test_returns_end_where_nothing_is_left() -> None:
    assert daily([100, 0, 50, 60]).returns == returns_of([-1.0])
    assert daily([100, 0, 0, 0]).max_drawdown_pct == 100


@pytest.mark.parametrize("values", [[], [0.01], [-0.01]])
def test_fewer_than_two_returns_have_no_ratio(values: list[float]) -> None:
    assert returns_of(values).sharpe_ratio(252) is None
    assert returns_of(values).sortino_ratio(252) is None


def test_sharpe_and_sortino_as_worked_by_hand() -> None:
    """Mean 0.01; squares 0.0004, 0.0016 and 0.0004 ÷ 2 for Sharpe; 0.0009 ÷ 3 for Sortino."""
    returns = returns_of([0.03, -0.03, 0.03])
    assert returns.sharpe_ratio(252) == pytest.approx(0.01 / sqrt(0.0012) * sqrt(252), abs=1e-12)
    assert returns.sortino_ratio(252) == pytest.approx(0.01 / sqrt(0.0003) * sqrt(252), abs=1e-12)


def test_two_returns_are_enough() -> None:
    """Mean 0.005; deviations of 0.015 twice, ÷ 1 for Sharpe; 0.0001 ÷ 2 for Sortino."""
    returns = returns_of([0.02, -0.01])
    assert returns.sharpe_ratio(252) == pytest.approx(0.005 / sqrt(0.00045) * sqrt(252), abs=1e-12)
    assert returns.sortino_ratio(252) == pytest.approx(0.005 / sqrt(0.00005) * sqrt(252), abs=1e-12)


def test_without_a_negative_return_there_is_no_downside() -> None:
    assert returns_of([0.01, 0.0, 0.02]).sortino_ratio(252) is None
    assert returns_of([0.01, 0.0, 0.02]).sharpe_ratio(252) is not None


def test_equal_returns_have_no_deviation_however_their_mean_is_rounded() -> None:
    """Growth of exactly a tenth a day once made a Sharpe ratio of 10¹⁷."""
    growth = [10**12 * 11**day // 10**day for day in range(13)]
    for days in range(3, len(growth) + 1):
        assert daily(growth[:days]).sharpe_ratio is None
    assert returns_of([-0.07] * 49).sharpe_ratio(252) is None
    assert returns_of([0.0, 0.0]).sharpe_ratio(252) is None


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
    curve = daily(equities)
    series = np.array(period_returns(equities))
    returns = curve.returns
    assert returns.sharpe_ratio(252) == pytest.approx(empyrical.sharpe_ratio(series), abs=1e-9)
    assert returns.sortino_ratio(252) == pytest.approx(empyrical.sortino_ratio(series), abs=1e-9)
    deepest = -100 * empyrical.max_drawdown(series)
    assert curve.max_drawdown_pct == pytest.approx(deepest, abs=1e-9)
    growth = 100 * empyrical.cum_returns_final(series)
    assert total_return_pct(equities[0], equities[-1]) == pytest.approx(growth, abs=1e-9, rel=1e-9)


@given(st.lists(st.tuples(st.integers(0, 2 * DAY), st.integers(1, 10**16)), min_size=1))
def test_the_sums_come_to_what_all_points_at_once_do(steps: list[tuple[int, int]]) -> None:
    """Over any distances in time: several points a day, and days without any."""
    now, points = 0, list[tuple[Micros, float]]()
    for distance, value in steps:
        now += distance
        points.append((now, float(value)))
    curve = curve_of(10**13, points)

    whole = period_returns([10**13, *day_ends(points)])
    assert curve.returns.count == len(whole)
    if whole:
        assert curve.returns.mean == pytest.approx(sum(whole) / len(whole), rel=1e-9, abs=1e-9)
        squares = sum((r - sum(whole) / len(whole)) ** 2 for r in whole)
        assert curve.returns.squares == pytest.approx(squares, rel=1e-9, abs=1e-9)
    assert curve.returns.downside == pytest.approx(sum(min(r, 0.0) ** 2 for r in whole), rel=1e-12)
    values = [10.0**13, *(value for _, value in points)]
    assert curve.max_drawdown_pct == pytest.approx(max_drawdown_pct(values), abs=1e-9)


def opened(balance: int) -> Account:
    return open_account("account", "user", Money(balance * SCALE), 0).account


def with_deposit(account: Account, amount: int, equity: int) -> tuple[Account, Inflow]:
    decision = deposit(account, Money(amount * SCALE), Money(equity * SCALE), 0)
    assert not isinstance(decision, Refusal)
    assert decision.inflow is not None
    return decision.account, decision.inflow


def test_the_return_across_two_deposits_is_that_of_the_periods_between_them() -> None:
    """100 grow to 110 and 90 come in; 200 grow to 220 and 80 come in; 300 fall to 270.

    1.1 × 1.1 × 0.9 = 1.089, though 270 came in and 270 are left.
    """
    first, (second, one) = opened(100), with_deposit(opened(100), 90, 110)
    third, two = with_deposit(second, 80, 220)
    worth = [(first, 105), (second, 200), (second, 190), (third, 300), (third, 270)]
    values = [account.initial_value(equity * SCALE) for account, equity in worth]

    expected = [105, 110, 190 * 0.55, 121, 108.9]
    assert [value / SCALE for value in values] == pytest.approx(expected, rel=1e-12)
    points = [(account.sequence, equity * SCALE) for account, equity in worth]
    assert values == pytest.approx(without_inflows(points, [one, two]), rel=1e-12)
    assert total_return_pct(100 * SCALE, values[-1]) == pytest.approx(8.9, rel=1e-12)
    assert daily([100 * SCALE, *values]).max_drawdown_pct == pytest.approx(10, rel=1e-12)


@pytest.mark.parametrize(("equity", "amount"), [(98_765, 12_345), (1, 10**9), (10**10, 1)])
def test_a_deposit_moves_no_value(equity: int, amount: int) -> None:
    before = opened(100_000)
    after, _ = with_deposit(before, amount, equity)
    value = before.initial_value(equity * SCALE)
    assert after.initial_value((equity + amount) * SCALE) == pytest.approx(value, rel=1e-15)


def test_what_was_lost_whole_stays_lost_whatever_comes_in() -> None:
    account, _ = with_deposit(opened(100), 500, 0)
    assert account.initial_value(900 * SCALE) == 0


def test_without_inflows_the_value_is_the_equity_to_the_last_digit() -> None:
    most: Units = 90_000_000 * SCALE + 1
    assert opened(100).initial_value(most) == most


def test_a_curve_differs_by_what_it_says_and_not_by_how_many_points_it_has() -> None:
    once = EquityCurve.begin(100.0).added(0, 90.0)

    assert not once.added(1, 90.0).differs(once)
    assert once.added(1, 91.0).differs(once)
