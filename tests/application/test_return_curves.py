"""Return curves are read once for each ranking, however many callers ask for them."""

from collections.abc import Sequence

from server.application import return_curves
from server.application.return_curves import ReturnCurves, Span
from server.domain.values import Micros


class CountedReads:
    """Past values that are all 110, and how many accounts they were read for."""

    def __init__(self) -> None:
        self.read: list[str] = []

    def past_values(
        self, wanted: Sequence[tuple[Span, Sequence[Micros]]]
    ) -> list[list[float | None]]:
        self.read += [span.account_id for span, _ in wanted]
        return [[110.0 for _ in moments] for _, moments in wanted]


def span(account_id: str, end: Micros = 200) -> Span:
    return Span(
        account_id=account_id, epoch_sequence=1, epoch_began_at=0, start=100, end=end, value=100.0
    )


def test_a_curve_is_read_once_for_a_ranking_and_again_for_the_next() -> None:
    reads = CountedReads()
    curves = ReturnCurves(reads)

    first = curves.of([(span("a"), 20.0), (span("b"), 30.0)], 3)
    again = curves.of([(span("b"), 30.0), (span("c"), 40.0)], 3)
    curves.of([(span("a", end=300), 20.0)], 3)
    curves.of([(span("a"), 20.0)], 4)

    assert [(point.time, point.return_pct) for point in first[1]] == [
        (100, 0.0),
        (150, 10.0),
        (200, 30.0),
    ]
    assert again[0] == first[1]
    assert reads.read == ["a", "b", "c", "a", "a"]


def test_curves_of_older_rankings_are_not_kept_for_ever() -> None:
    reads = CountedReads()
    curves = ReturnCurves(reads)

    for end in range(200, 200 + return_curves.CURVES_KEPT_MAX):
        curves.of([(span("a", end=end), 20.0)], 3)
    kept = curves.of([(span("a", end=300), 20.0), (span("b"), 30.0)], 3)
    curves.of([(span("a", end=300), 20.0), (span("b"), 30.0)], 3)
    curves.of([(span("a", end=200), 20.0)], 3)

    assert len(kept) == 2
    assert reads.read[return_curves.CURVES_KEPT_MAX :] == ["b", "a"]
