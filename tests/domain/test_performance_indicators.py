"""Indicators of closed trades: computed by hand, and undefined ones."""

from collections.abc import Callable

from server.domain.account import TradeStatistics
from server.domain.performance import expectancy, profit_factor, total_return_pct, win_rate
from server.domain.values import CENT, SCALE

NOTHING_CLOSED = TradeStatistics()


def test_total_return_is_the_growth_of_what_came_in() -> None:
    assert total_return_pct(100_000 * SCALE, 112_500 * SCALE) == 12.5
    assert total_return_pct(100_000 * SCALE, 75_000 * SCALE) == -25
    assert total_return_pct(100_000 * SCALE, 100_000 * SCALE) == 0
    assert total_return_pct(100_000 * SCALE, 0) == -100


def test_trade_figures_are_shares_of_closed_trades() -> None:
    statistics = TradeStatistics(trades=8, wins=5, gross_profit=630 * SCALE, gross_loss=300 * SCALE)
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
