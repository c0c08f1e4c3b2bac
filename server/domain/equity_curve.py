"""The equity curve of an account, kept as the sums that its figures need, without its points.

A value is what the initial balance of the epoch has become (`Account.initial_value`), so that
deposits do not change any figure. Ratios are only shown to people, so they are floating point.
"""

from dataclasses import dataclass
from math import sqrt
from typing import Self

from server.domain.changes import changed
from server.domain.values import DAY, Micros

SESSION_DAYS_A_YEAR = 252
DAYS_A_YEAR = 365


@dataclass(frozen=True, slots=True, kw_only=True)
class TradingDays:
    """Which days count for an account: those with a session of an asset type that it traded.

    `counts` tells whether the day of the new point counts. `skipped` is the number of counting
    days between the day of the newest point and that day. `every_day` tells that one of the
    traded asset types trades every day of the year.
    """

    counts: bool
    skipped: int
    every_day: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Returns:
    """Sums over the returns of periods, in order (B. P. Welford, Technometrics, 1962).

    `squares` is the sum of the squared deviations from `mean`; `downside` is the sum of the
    squares of min(r, 0). `alike` tells that all returns equal `first`. It is needed because the
    mean of equal numbers may be rounded: their deviation is then tiny but not zero.
    """

    count: int = 0
    mean: float = 0.0
    squares: float = 0.0
    downside: float = 0.0
    first: float = 0.0
    alike: bool = True

    def added(self, value: float) -> "Returns":
        """Return the sums with one more return."""
        count, deviation = self.count + 1, value - self.mean
        mean = self.mean + deviation / count
        first = self.first if self.count else value
        return Returns(
            count=count,
            mean=mean,
            squares=self.squares + deviation * (value - mean),
            downside=self.downside + min(value, 0.0) ** 2,
            first=first,
            alike=self.alike and value == first,
        )

    def sharpe_ratio(self, a_year: int) -> float | None:
        """Return mean ÷ sample standard deviation × √a_year (W. F. Sharpe, 1994, risk-free rate 0).

        None with fewer than two returns or when all are equal.
        """
        if self.count < 2 or self.alike:
            return None
        deviation = sqrt(self.squares / (self.count - 1))
        return self.mean / deviation * sqrt(a_year)

    def sortino_ratio(self, a_year: int) -> float | None:
        """Return mean ÷ downside deviation × √a_year (F. A. Sortino, 1994, target 0).

        The downside deviation is the root mean square of min(r, 0) over all returns. None with
        fewer than two returns or without a negative one.
        """
        if self.count < 2 or not self.downside:
            return None
        return self.mean / sqrt(self.downside / self.count) * sqrt(a_year)


@dataclass(frozen=True, slots=True, kw_only=True)
class EquityCurve:
    """The state of a curve up to its newest point; `points` is the number of points.

    `day_value` is the newest value and `day` its UTC day, None before the first point.
    `closed_value` is the last value of the latest earlier day that counts; before such a day, the
    value at the beginning of the epoch. `closed_returns` are the returns up to then. `day_counts`
    tells whether `day` counts. A change on a day that does not count is part of the return of the
    next counting day. `every_day` is that of the newest point with TradingDays.
    """

    peak: float
    deepest_fall: float = 0.0
    day: int | None = None
    day_value: float = 0.0
    closed_value: float
    closed_returns: Returns = Returns()
    day_counts: bool = True
    every_day: bool = False
    points: int = 0

    @classmethod
    def begin(cls, value: float) -> Self:
        """Return the curve of a new epoch; the return of the first day starts at `value`."""
        return cls(peak=value, closed_value=value, day_value=value)

    def added(self, time: Micros, value: float, days: TradingDays | None = None) -> "EquityCurve":
        """Return the curve with one more point; a point of an earlier day joins the newest day.

        A day is closed once, when a point of a later day arrives. `days` is None for a point that
        is shown and not stored: then a new day counts, and no day in between does.
        """
        day, peak = time // DAY, max(self.peak, value)
        fall = (peak - value) / peak if peak else 0.0
        curve = self
        if self.day is None or day > self.day:
            curve = changed(self._closed(days.skipped if days else 0), day=day, day_counts=True)
        if days is not None:
            curve = changed(curve, day_counts=days.counts, every_day=days.every_day)
        return changed(
            curve,
            peak=peak,
            deepest_fall=max(self.deepest_fall, fall),
            day_value=value,
            points=self.points + 1,
        )

    def differs(self, before: "EquityCurve") -> bool:
        """Tell whether later points changed anything but their number."""
        return changed(self, points=before.points) != before

    @property
    def returns(self) -> Returns:
        """Return the daily returns since the beginning of the epoch.

        Each day that counts has one, including the unfinished last day. There are no more returns
        after a value of zero.
        """
        if self.day is None or not self.closed_value or not self.day_counts:
            return self.closed_returns
        return self.closed_returns.added(self._change)

    @property
    def sharpe_ratio(self) -> float | None:
        """Return the ratio of the daily returns, annualised by the counting days of a year."""
        return self.returns.sharpe_ratio(self._days_a_year)

    @property
    def sortino_ratio(self) -> float | None:
        """Return the ratio of the daily returns, annualised by the counting days of a year."""
        return self.returns.sortino_ratio(self._days_a_year)

    @property
    def max_drawdown_pct(self) -> float:
        """Return the largest drawdown from an earlier peak, in percent, as a positive number."""
        return 100 * self.deepest_fall

    @property
    def _change(self) -> float:
        return (self.day_value - self.closed_value) / self.closed_value

    @property
    def _days_a_year(self) -> int:
        return DAYS_A_YEAR if self.every_day else SESSION_DAYS_A_YEAR

    def _closed(self, skipped: int) -> "EquityCurve":
        """Return the curve with its day closed, then `skipped` counting days without a point."""
        curve = self
        for _ in range(skipped + (self.day is not None and self.day_counts)):
            if curve.closed_value:
                returns = curve.closed_returns.added(curve._change)
                curve = changed(curve, closed_value=curve.day_value, closed_returns=returns)
        return curve
