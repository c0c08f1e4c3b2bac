"""The figures of an equity curve from all its points at once, which its sums must agree with."""

from collections.abc import Iterable, Sequence
from itertools import pairwise

from server.domain.account import Inflow
from server.domain.values import DAY, Micros, Units


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


def day_ends(points: Iterable[tuple[Micros, float]]) -> list[float]:
    """Return the last value of each UTC day; the days are in order."""
    return list({time // DAY: value for time, value in points}.values())


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
