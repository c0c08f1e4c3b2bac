"""Closed trades, as an auditor counts them."""

from fractions import Fraction

from server.domain.account import TradeStatistics
from tests.domain.naive_money import NOTHING, real


def compare_closed_trades(statistics: TradeStatistics, trades: list[Fraction]) -> None:
    """Check the figures over closed trades, whose profits are in order."""
    assert statistics.trades == len(trades)
    assert statistics.wins == sum(pnl > 0 for pnl in trades)
    assert real(statistics.gross_profit) == sum((max(pnl, NOTHING) for pnl in trades), NOTHING)
    assert real(statistics.gross_loss) == sum((max(-pnl, NOTHING) for pnl in trades), NOTHING)
    assert statistics.longest_win_streak == _longest([pnl > 0 for pnl in trades])
    assert statistics.longest_loss_streak == _longest([pnl < 0 for pnl in trades])


def _longest(series: list[bool]) -> int:
    longest = running = 0
    for continues in series:
        running = running + 1 if continues else 0
        longest = max(longest, running)
    return longest
