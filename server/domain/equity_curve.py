"""The equity curve of an account, as the sums from which its figures follow: it keeps no points.

A value is what the money that the epoch began with is worth (`Account.initial_value`), so that
what came in later moves none of them. Ratios are for people, so in floating point.
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
    """Which days count for an account: those on which something that it traded could be traded.

    `counts` is that of the point's day, `skipped` the number of such days between the newest
    point's day and this one. `every_day` tells that something trades every day of the year.
    """

    counts: bool
    skipped: int
    every_day: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Returns:
    """Sums over the returns of periods, in order (B. P. Welford, Technometrics, 1962).

    `squares` are those of the deviations from `mean`, `downside` those of min(r, 0). `alike`
    tells that all are `first`: the mean of equal numbers may be rounded, and their deviation
    then be tiny but not zero.
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
    """What is remembered of a curve up to its newest point, the last of `points`.

    `day_value` is the newest value, of the UTC day `day`, which is None before the first point.
    `closed_value` is the last value of the latest earlier day that counts, what the epoch began
    with before that, and `closed_returns` are those up to it. `day_counts` tells whether `day`
    does; what changes on a day that does not is part of the return of the next one that does.
    `every_day` is that of the newest point that told it.
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
        """Return the curve of an epoch that begins: its first day's return starts at its value."""
        return cls(peak=value, closed_value=value, day_value=value)

    def added(self, time: Micros, value: float, days: TradingDays | None = None) -> "EquityCurve":
        """Return the curve with a later point; where the clock went back, it is of the same day.

        A day is counted or not once, when a point of a later one comes. Without `days`, as for
        what is shown before it is stored, a new day counts and nothing is known of those between.
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
        """Return those from the epoch's beginning to the last values of days, and to the newest.

        Only days that count have one, today so far among them. Where nothing was left they end.
        """
        if self.day is None or not self.closed_value or not self.day_counts:
            return self.closed_returns
        return self.closed_returns.added(self._change)

    @property
    def sharpe_ratio(self) -> float | None:
        """Return that of the returns, a year having as many as there are days that count."""
        return self.returns.sharpe_ratio(self._days_a_year)

    @property
    def sortino_ratio(self) -> float | None:
        """Return that of the returns, a year having as many as there are days that count."""
        return self.returns.sortino_ratio(self._days_a_year)

    @property
    def max_drawdown_pct(self) -> float:
        """Return the deepest fall from an earlier peak, in percent, positive."""
        return 100 * self.deepest_fall

    @property
    def _change(self) -> float:
        return (self.day_value - self.closed_value) / self.closed_value

    @property
    def _days_a_year(self) -> int:
        return DAYS_A_YEAR if self.every_day else SESSION_DAYS_A_YEAR

    def _closed(self, skipped: int) -> "EquityCurve":
        """Return the curve after the end of its day, and of days that count without a point."""
        curve = self
        for _ in range(skipped + (self.day is not None and self.day_counts)):
            if curve.closed_value:
                returns = curve.closed_returns.added(curve._change)
                curve = changed(curve, closed_value=curve.day_value, closed_returns=returns)
        return curve
