"""Return curves: the return of ranked accounts at moments of equal distance over a period."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from server.domain.values import Micros

CURVES_KEPT_MAX = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """What the return of a place is counted over: from `start`, with `value`, to `end`.

    `value` is what the initial balance of the account's epoch had become at `start`.
    """

    account_id: str
    epoch_sequence: int
    epoch_began_at: Micros
    start: Micros
    end: Micros
    value: float

    def moments(self, count: int) -> list[Micros]:
        """Return moments of equal distance; the first is `start` and the last is `end`."""
        return [self.start + (self.end - self.start) * i // (count - 1) for i in range(count)]


@dataclass(frozen=True, slots=True)
class ReturnPoint:
    """The return from the start of a span to a moment."""

    time: Micros
    return_pct: float


class PastValues(Protocol):
    """Reads what the initial balances of accounts had become at past moments."""

    def past_values(
        self, wanted: Sequence[tuple[Span, Sequence[Micros]]]
    ) -> list[list[float | None]]:
        """Return the values of the newest snapshots at moments; None before the first."""


class ReturnCurves:
    """Return curves of places, kept while the ranking that they belong to is the newest.

    The span of a place is another one in each ranking. Readers in several threads can share curves.
    """

    def __init__(self, reads: PastValues) -> None:
        self._reads = reads
        self._kept: dict[tuple[Span, int], list[ReturnPoint]] = {}

    def of(self, spans: Sequence[tuple[Span, float]], count: int) -> list[list[ReturnPoint]]:
        """Return a curve of `count` points for each (span, return over all of it)."""
        kept = self._kept
        missing = [(span, whole) for span, whole in spans if (span, count) not in kept]
        if missing:
            read = self._read(missing, count)
            if len(kept) + len(read) > CURVES_KEPT_MAX:
                # Other threads may still read from the old one.
                kept = self._kept = {
                    key: kept[key] for span, _ in spans if (key := (span, count)) in kept
                }
            for (span, _), curve in zip(missing, read, strict=True):
                kept[span, count] = curve
        return [kept[span, count] for span, _ in spans]

    def _read(self, spans: Sequence[tuple[Span, float]], count: int) -> list[list[ReturnPoint]]:
        moments = [span.moments(count) for span, _ in spans]
        between = [(span, times[1:-1]) for (span, _), times in zip(spans, moments, strict=True)]
        curves = []
        found = self._reads.past_values(between)
        for (span, whole), times, values in zip(spans, moments, found, strict=True):
            returns = [0.0, *(_return_pct(span, value) for value in values), whole]
            curves.append([ReturnPoint(*point) for point in zip(times, returns, strict=True)])
        return curves


def _return_pct(span: Span, value: float | None) -> float:
    return 0.0 if value is None else 100 * (value - span.value) / span.value
