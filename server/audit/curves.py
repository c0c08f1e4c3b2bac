"""Comparison of equity snapshots, the sums of an equity curve, and the log.

The sums are computed anew from all points at once, means and deviations by their definitions.
"""

from bisect import bisect_right
from collections.abc import Callable, Sequence
from fractions import Fraction
from itertools import pairwise
from math import fsum, isclose

from server.audit.replay import Epoch, Replay
from server.domain.account import Inflow
from server.domain.equity_curve import EquityCurve
from server.domain.values import DAY, Units, format_units
from server.storage.audit_rows import AccountRows, Point

TOLERANCE = 1e-9
"""The relative error allowed: a floating-point sum depends on the order of adding."""

NEARLY_ZERO = 1e-15
"""The absolute error allowed, for sums of returns that cancel each other out."""

NUMBERS_TOLD = 5

HELD = {
    (False, False): "no position",
    (True, False): "positions",
    (False, True): "short positions",
    (True, True): "long and short positions",
}
"""What an account holds, by whether it is long and whether it is short in anything."""

WORTH = {held: signs for signs, held in HELD.items()}
"""Whether what is held can be worth more than nothing, and less."""


class CurveAudit:
    """The audit of one account's snapshots; `say` gets each finding."""

    def __init__(self, rows: AccountRows, say: Callable[[str], object]) -> None:
        self._say = say
        self._points = list(rows.points())
        self._curve = rows.curve()
        self._sequences = {point.sequence for point in self._points}
        self._cash: dict[int, tuple[Units, str]] = {}

    def look(self, replay: Replay) -> None:
        """Record the state after the newest event, if a snapshot was taken then."""
        if replay.sequence in self._sequences:
            quantities = [holding.quantity for holding in replay.epoch.holdings.values()]
            is_long, is_short = any(it > 0 for it in quantities), any(it < 0 for it in quantities)
            held = HELD[is_long, is_short]
            self._cash[replay.sequence] = (replay.epoch.balance, held)

    def compare(self, epochs: Sequence[Epoch], inflows: Sequence[Inflow]) -> None:
        """Compare all snapshots, and the stored sums with those of their epoch."""
        known = [point for point in self._points if point.sequence in self._cash]
        if len(known) < len(self._points):
            self._say(f"{len(self._points) - len(known)} equity snapshots name no event of the log")
        begins = [epoch.sequence for epoch in epochs]
        if self._curve is not None and self._curve[0] not in begins:
            self._say("the equity curve belongs to no epoch of the log")
        for number, epoch in enumerate(epochs, start=1):
            of_epoch = [it for it in known if bisect_right(begins, it.sequence) == number]
            came_in = [it for it in inflows if it.sequence > epoch.sequence]
            is_kept = self._curve is not None and self._curve[0] == epoch.sequence
            curve = self._curve[1] if self._curve is not None and is_kept else None
            self._compare_epoch(epoch, of_epoch, came_in, curve)
            if curve is None and epoch is epochs[-1] and any(it.number for it in of_epoch):
                self._say("the equity curve is missing")

    def _compare_epoch(
        self,
        epoch: Epoch,
        points: Sequence[Point],
        inflows: Sequence[Inflow],
        curve: EquityCurve | None,
    ) -> None:
        numbered = sorted((it for it in points if it.number), key=lambda it: it.number)
        is_whole = len(numbered) == len(points)
        for point in numbered:
            self._compare_value(point, epoch, inflows)
        last = curve.points if curve is not None else max((it.number for it in numbered), default=0)
        first = 1 if is_whole else min((it.number for it in numbered), default=last + 1)
        self._compare_numbers(epoch, [it.number for it in numbered], range(first, last + 1))
        if curve is None:
            return
        peak = max([epoch.initial_balance, *(it.initial_value for it in points)])
        self._differ("peak", curve.peak, peak)
        if numbered:
            newest = numbered[-1]
            self._differ("day", curve.day, max(it.time // DAY for it in numbered))
            self._differ("day_value", curve.day_value, newest.initial_value)
            self._differ("day_counts", curve.day_counts, newest.day_counts)
            self._differ("every_day", curve.every_day, newest.every_day)
        if is_whole:
            self._compare_sums(epoch.initial_balance, numbered, curve)

    def _compare_value(self, point: Point, epoch: Epoch, inflows: Sequence[Inflow]) -> None:
        balance, held = self._cash[point.sequence]
        is_long, is_short = WORTH[held]
        if (point.equity < balance and not is_short) or (point.equity > balance and not is_long):
            self._say(
                f"equity snapshot {point.number} is stored as {format_units(point.equity)}, with a"
                f" balance of {format_units(balance)} and {held}"
            )
        since = epoch.bankrupt_since
        share = Fraction(0 if since is not None and since <= point.sequence else 1)
        for inflow in inflows:
            if inflow.sequence <= point.sequence:
                share *= kept_share(inflow)
        self._differ(
            f"initial_value of snapshot {point.number}",
            point.initial_value,
            max(point.equity, 0) * share.numerator / share.denominator,
        )

    def _compare_numbers(self, epoch: Epoch, numbers: Sequence[int], expected: range) -> None:
        missing = sorted(set(expected).difference(numbers))
        if missing:
            told = ", ".join(map(str, missing[:NUMBERS_TOLD]))
            more = ", and more" if len(missing) > NUMBERS_TOLD else ""
            self._say(f"equity snapshots since event {epoch.sequence} are missing: {told}{more}")
        if len(numbers) + len(missing) > len(expected):
            self._say(f"since event {epoch.sequence} more equity snapshots exist than were counted")

    def _compare_sums(self, begun_with: Units, points: Sequence[Point], curve: EquityCurve) -> None:
        values = [begun_with, *(point.initial_value for point in points)]
        self._differ("deepest_fall", curve.deepest_fall, _deepest_fall(values))
        closed, returns = _closed_days(begun_with, points)
        stored, mean = curve.closed_returns, fsum(returns) / max(len(returns), 1)
        self._differ("closed_value", curve.closed_value, closed)
        self._differ("returns", stored.count, len(returns))
        self._differ("mean_return", stored.mean, mean)
        self._differ("squares", stored.squares, fsum((it - mean) ** 2 for it in returns))
        self._differ("downside", stored.downside, fsum(min(it, 0.0) ** 2 for it in returns))
        self._differ("first_return", stored.first, returns[0] if returns else 0.0)
        self._differ("returns_alike", stored.alike, len(set(returns)) <= 1)

    def _differ(self, what: str, stored: float | None, replayed: float) -> None:
        if stored is None or not isclose(stored, replayed, rel_tol=TOLERANCE, abs_tol=NEARLY_ZERO):
            self._say(f"{what} is stored as {stored}, the snapshots make it {replayed:g}")


def kept_share(inflow: Inflow) -> Fraction:
    """Return the part of the equity after a deposit that was there before it."""
    before = max(inflow.equity_before, 0)
    return Fraction(before, before + inflow.amount)


def _deepest_fall(values: Sequence[float]) -> float:
    peak = deepest = 0.0
    for value in values:
        peak = max(peak, value)
        deepest = max(deepest, (peak - value) / peak if peak else 0.0)
    return deepest


def _closed_days(begun_with: Units, points: Sequence[Point]) -> tuple[float, list[float]]:
    """Return the last value of the newest closed day that counts, and the returns up to it."""
    ends: list[float] = [begun_with]
    value: float = begun_with
    day, day_counts = None, False
    for point in points:
        today = point.time // DAY
        if day is None or today > day:
            ends += [value] * (point.days_skipped + day_counts)
            day = today
        value, day_counts = point.initial_value, point.day_counts
    returns: list[float] = []
    for before, after in pairwise(ends):
        if not before:
            return before, returns
        returns.append((after - before) / before)
    return ends[-1], returns
