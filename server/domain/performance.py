"""Figures of an epoch that follow from its totals; ratios are floating point."""

from server.domain.account import TradeStatistics
from server.domain.values import SCALE, Units


def total_return_pct(begun_with: Units, value: float) -> float:
    """Return the growth of an epoch's initial balance, in percent."""
    return 100 * (value - begun_with) / begun_with


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
