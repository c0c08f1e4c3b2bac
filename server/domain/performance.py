"""Key performance indicators, one function each: ratios for people, so in floating point.

All of them count from the beginning of the account's epoch. Those of a curve take it without
what came in during the epoch, as `without_inflows` makes it.
"""

from collections.abc import Sequence
from itertools import pairwise
from math import fsum, sqrt

from server.domain.account import Inflow, TradeStatistics
from server.domain.values import SCALE, Units

TRADING_DAYS_A_YEAR = 252


def without_inflows(
    equities: Sequence[tuple[int, Units]], inflows: Sequence[Inflow]
) -> list[float]:
    """Return what (sequence, equity) points would be had nothing come in: the unit values.

    A point counts for equity × Π B ÷ (B + D) over all inflows with a sequence up to its own, D
    being the amount and B the equity right before it: what came in bought a share of the
    account at its value of then. So money that comes in moves no point, and the growth from one
    point to another is the time-weighted return Π E ÷ (B + D) − 1 of the periods between
    inflows (D. Spaulding, Investment Performance Measurement). Where B is zero all was lost,
    and stays so. Both are in order of their sequences.
    """
    # An integer as long as nothing came in, so that money stays exact.
    values, share, counted = list[float](), 1.0 if inflows else 1, 0
    for sequence, equity in equities:
        while counted < len(inflows) and inflows[counted].sequence <= sequence:
            before = inflows[counted].equity_before
            share *= before / (before + inflows[counted].amount)
            counted += 1
        values.append(equity * share)
    return values


def total_return_pct(begun_with: Units, equity: float) -> float:
    """Return the growth of the money that an epoch began with, in percent."""
    return 100 * (equity - begun_with) / begun_with


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


def max_drawdown_pct(equities: Sequence[float]) -> float:
    """Return the deepest fall from an earlier peak, in percent, positive."""
    peak, deepest = 0.0, 0.0
    for equity in equities:
        peak = max(peak, equity)
        if peak:
            deepest = max(deepest, (peak - equity) / peak)
    return 100 * deepest


def period_returns(equities: Sequence[float]) -> list[float]:
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
