"""The equity curve of an account, as the sums from which its figures follow: it keeps no points.

A value is what the money that the epoch began with is worth (`Account.initial_value`), so that
what came in later moves none of them. Ratios are for people, so in floating point.
"""

from dataclasses import dataclass
from math import sqrt
from typing import Self

from server.domain.changes import changed
from server.domain.values import DAY, Micros

TRADING_DAYS_A_YEAR = 252


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

    @property
    def sharpe_ratio(self) -> float | None:
        """Return mean ÷ sample standard deviation × √252 (W. F. Sharpe, 1994, risk-free rate 0).

        None with fewer than two returns or when all are equal.
        """
        if self.count < 2 or self.alike:
            return None
        deviation = sqrt(self.squares / (self.count - 1))
        return self.mean / deviation * sqrt(TRADING_DAYS_A_YEAR)

    @property
    def sortino_ratio(self) -> float | None:
        """Return mean ÷ downside deviation × √252 (F. A. Sortino, 1994, target 0).

        The downside deviation is the root mean square of min(r, 0) over all returns. None with
        fewer than two returns or without a negative one.
        """
        if self.count < 2 or not self.downside:
            return None
        return self.mean / sqrt(self.downside / self.count) * sqrt(TRADING_DAYS_A_YEAR)


@dataclass(frozen=True, slots=True, kw_only=True)
class EquityCurve:
    """What is remembered of a curve up to its newest point.

    `day_value` is the newest value, of the UTC day `day`, which is None before the first one.
    `closed_value` is the last value of the latest earlier day that has any, what the epoch began
    with before that, and `closed_returns` are those up to it.
    """

    peak: float
    deepest_fall: float = 0.0
    day: int | None = None
    day_value: float = 0.0
    closed_value: float
    closed_returns: Returns = Returns()

    @classmethod
    def begin(cls, value: float) -> Self:
        """Return the curve of an epoch that begins: its first day's return starts at its value."""
        return cls(peak=value, closed_value=value)

    def added(self, time: Micros, value: float) -> "EquityCurve":
        """Return the curve with a later point; where the clock went back, it is of the same day."""
        day, peak = time // DAY, max(self.peak, value)
        fall = (peak - value) / peak if peak else 0.0
        curve = self if self.day is None or day <= self.day else self._closed()
        return changed(
            curve, peak=peak, deepest_fall=max(self.deepest_fall, fall), day_value=value,
            day=day if self.day is None else max(day, self.day),
        )  # fmt: skip

    @property
    def returns(self) -> Returns:
        """Return those from the epoch's beginning to the last values of days, and to the newest.

        Where nothing was left they end.
        """
        if self.day is None or not self.closed_value:
            return self.closed_returns
        return self.closed_returns.added((self.day_value - self.closed_value) / self.closed_value)

    @property
    def max_drawdown_pct(self) -> float:
        """Return the deepest fall from an earlier peak, in percent, positive."""
        return 100 * self.deepest_fall

    def _closed(self) -> "EquityCurve":
        ended = self.closed_value == 0
        return changed(
            self, closed_value=0.0 if ended else self.day_value, closed_returns=self.returns
        )  # fmt: skip
