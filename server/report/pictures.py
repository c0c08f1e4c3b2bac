"""Charts of a report, drawn by Matplotlib as SVG that suits any background."""

import io
from collections.abc import Iterable, Sequence
from datetime import UTC
from itertools import pairwise

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure
from matplotlib.ticker import Formatter
from numpy.typing import NDArray

from server.application.equity_history import EquityPoint
from server.domain.values import SCALE, Micros
from server.report.contents import ClosedTrade

INK = "#868e96"
"""The colour of text and axes, readable on white and on black."""
GAIN, LOSS = "#3b8bc4", "#d9822b"
"""Blue and orange can be told apart with any kind of colour vision."""
TRADES_SHOWN = 150
DECIMALS_MAX = 8

mpl.rcParams |= {
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 9.0,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "grid.color": INK,
    "grid.alpha": 0.2,
    "ytick.left": False,
    "lines.linewidth": 1.4,
}


def equity_picture(points: Sequence[EquityPoint]) -> str:
    """Draw the equity of an account; a triangle marks each deposit after the beginning."""
    figure, axes = _plot(2.9)
    times = _moments(point.time for point in points)
    worth = [point.equity / SCALE for point in points]
    axes.plot(times, worth, color=GAIN)
    marked = [number for number, point in enumerate(points) if number and point.deposits]
    axes.plot(
        times[marked],
        [worth[number] for number in marked],
        "^",
        color=LOSS,
        markersize=7,
        label="deposit",
    )
    if marked:
        axes.legend(frameon=False, loc="upper left")
    axes.yaxis.set_major_formatter(_Amounts())
    return _svg(figure, "equity")


def drawdown_picture(values: Sequence[tuple[Micros, float]]) -> str:
    """Draw the drawdown of an account, in percent."""
    figure, axes = _plot(1.6)
    peak, falls = 0.0, list[float]()
    for _, value in values:
        peak = max(peak, value)
        falls.append(100 * (value - peak) / peak if peak else 0.0)
    times = _moments(time for time, _ in values)
    axes.fill_between(times, falls, color=LOSS, alpha=0.35, linewidth=0)
    axes.plot(times, falls, color=LOSS, linewidth=1)
    axes.set_ylim(min(min(falls) * 1.1, -0.1), 0)
    axes.yaxis.set_major_formatter(_Amounts(unit=" %"))
    return _svg(figure, "drawdown")


def trades_picture(trades: Sequence[ClosedTrade]) -> str:
    """Draw the profit of each of the newest closed trades, as bars."""
    figure = Figure(figsize=(8.6, 2.1), layout="constrained")
    axes = figure.subplots()
    earned = [trade.pnl / SCALE for trade in trades[-TRADES_SHOWN:]]
    axes.bar(range(len(earned)), earned, color=[GAIN if it >= 0 else LOSS for it in earned])
    axes.axhline(0, color=INK, linewidth=0.8)
    axes.set_xticks([])
    axes.spines.bottom.set_visible(False)
    axes.margins(x=0.01)
    axes.yaxis.set_major_formatter(_Amounts())
    return _svg(figure, "trades")


class _Amounts(Formatter):
    """Labels of an axis, with as few decimals as are needed to tell its lines apart."""

    def __init__(self, unit: str = "") -> None:
        self._unit = unit

    def format_ticks(self, values: Sequence[float]) -> list[str]:
        """Return a label for each value."""
        decimals = 0
        while decimals < DECIMALS_MAX and not _are_told(values, decimals):
            decimals += 1
        return [self._text(value, decimals) for value in values]

    def __call__(self, value: float, pos: int | None = None) -> str:
        """Return the label of a single value."""
        return self.format_ticks([value])[0]

    def _text(self, value: float, decimals: int) -> str:
        # Adding 0.0 removes the sign of a zero.
        return f"{round(value, decimals) + 0.0:,.{decimals}f}{self._unit}"


def _are_told(values: Sequence[float], decimals: int) -> bool:
    """Tell whether rounding moves each value by at most 1 % of the least distance between two."""
    distances = [abs(b - a) for a, b in pairwise(values)] or [abs(value) for value in values]
    return all(abs(round(value, decimals) - value) <= min(distances) / 100 for value in values)


def _plot(height: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(8.6, height), layout="constrained")
    axes = figure.subplots()
    locator = AutoDateLocator(tz=UTC)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator, tz=UTC))
    axes.margins(x=0.01)
    return figure, axes


def _svg(figure: Figure, name: str) -> str:
    """Return only the SVG element; the name makes its ids unique among the charts."""
    buffer = io.StringIO()
    with mpl.rc_context({"svg.hashsalt": name}):
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    text = buffer.getvalue()
    return text[text.index("<svg") :]


def _moments(times: Iterable[Micros]) -> NDArray[np.datetime64]:
    return np.array(list(times), dtype="datetime64[us]")
