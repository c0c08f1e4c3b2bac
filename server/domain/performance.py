"""Key performance indicators, one function each: ratios for people, so in floating point."""

from collections.abc import Sequence
from itertools import pairwise
from math import fsum, sqrt

from server.domain.account import TradeStatistics
from server.domain.values import SCALE, Units

TRADING_DAYS_A_YEAR = 252


def total_return_pct(deposits: Units, equity: Units) -> float:
    """Return the growth of the money that came in, in percent."""
    return 100 * (equity - deposits) / deposits


def win_rate(statistics: TradeStatistics) -> float | None:
    """Return wins ÷ closed trades × 100; None without closed trades."""
    return 100 * statistics.wins / statistics.trades if statistics.trades else None


def profit_factor(statistics: TradeStatistics) -> float | None:
    """Return gross profit ÷ gross loss; None without a loss."""
    return statistics.gross_profit / statistics.gross_loss if statistics.gross_loss else None


def expectancy(statistics: TradeStatistics) -> float | None:
    """Return the mean profit or loss of a closed trade in US dollars; None without any."""
    if not statistics.trades:
        return None
    return (statistics.gross_profit - statistics.gross_loss) / statistics.trades / SCALE


def max_drawdown_pct(equities: Sequence[Units]) -> float:
    """Return the deepest fall from an earlier peak, in percent, positive."""
    peak, deepest = 0, 0.0
    for equity in equities:
        peak = max(peak, equity)
        if peak:
            deepest = max(deepest, (peak - equity) / peak)
    return 100 * deepest


def period_returns(equities: Sequence[Units]) -> list[float]:
    """Return the relative change from each point to the next; points of zero equity end it."""
    returns: list[float] = []
    for before, after in pairwise(equities):
        if before <= 0:
            break
        returns.append((after - before) / before)
    return returns


def sharpe_ratio(returns: Sequence[float]) -> float | None:
    """Return mean ÷ sample standard deviation × √252 (W. F. Sharpe, 1994, risk-free rate 0).

    None with fewer than two returns or when all are equal.
    """
    # The mean of equal numbers may be rounded, and their deviation then be tiny but not zero.
    if len(returns) < 2 or min(returns) == max(returns):
        return None
    mean = fsum(returns) / len(returns)
    deviation = sqrt(fsum((r - mean) ** 2 for r in returns) / (len(returns) - 1))
    return mean / deviation * sqrt(TRADING_DAYS_A_YEAR)


def sortino_ratio(returns: Sequence[float]) -> float | None:
    """Return mean ÷ downside deviation × √252 (F. A. Sortino, 1994, target 0).

    The downside deviation is the root mean square of min(r, 0) over all returns. None with
    fewer than two returns or without a negative one.
    """
    if len(returns) < 2:
        return None
    downside = sqrt(fsum(min(r, 0.0) ** 2 for r in returns) / len(returns))
    mean = fsum(returns) / len(returns)
    return mean / downside * sqrt(TRADING_DAYS_A_YEAR) if downside else None
