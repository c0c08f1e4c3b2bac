"""The path behind every simulated price: repeatable, without memory, of the right variance."""

import math
import random
from itertools import pairwise
from statistics import fmean

import pytest

from server.domain.invariants import BrokenInvariant
from server.market.brownian_path import HORIZON, BrownianPath

KEY = bytes(range(32))


def increments(span: int, count: int) -> list[float]:
    path = BrownianPath(KEY)
    values = [path.at(number * span) for number in range(count + 1)]
    return [after - before for before, after in pairwise(values)]


def correlation(first: list[float], second: list[float]) -> float:
    covariance = fmean(a * b for a, b in zip(first, second, strict=True))
    return covariance / math.sqrt(fmean(a * a for a in first) * fmean(b * b for b in second))


def test_the_value_at_a_tick_does_not_depend_on_what_was_asked_before() -> None:
    ticks = [0, 1, 2, 3, 1023, 1024, 1025, 10**9, HORIZON // 2, HORIZON - 1, HORIZON]
    fresh = {tick: BrownianPath(KEY).at(tick) for tick in ticks}
    order = random.Random(5)
    path = BrownianPath(KEY)
    for tick in order.choices(ticks, k=300):
        assert path.at(tick) == fresh[tick]


def test_walking_tick_by_tick_meets_the_same_values_as_leaping() -> None:
    walker = BrownianPath(KEY)
    for tick in range(5_000):
        walked = walker.at(tick)
        if tick % 61 == 0:
            assert walked == BrownianPath(KEY).at(tick)


def test_a_path_begins_at_zero_and_differs_from_key_to_key() -> None:
    assert BrownianPath(KEY).at(0) == 0
    assert BrownianPath(KEY).at(1) != BrownianPath(bytes(32)).at(1)


@pytest.mark.parametrize("tick", [-1, HORIZON + 1])
def test_there_is_no_path_beyond_its_ends(tick: int) -> None:
    with pytest.raises(BrokenInvariant):
        BrownianPath(KEY).at(tick)


@pytest.mark.parametrize("span", [1, 2, 7, 64, 3_600, 86_400, 500_000])
def test_variance_grows_with_time_at_every_horizon(span: int) -> None:
    """A pull back to a level would make the ratio fall below 1 as the span grows."""
    count = 4_000
    ratio = fmean(step * step for step in increments(span, count)) / span
    # The sample variance of normal deviates has a deviation of √(2 ÷ count): this is four of them.
    assert abs(ratio - 1) < 4 * (2 / count) ** 0.5


def test_the_end_of_a_path_is_as_free_as_the_rest() -> None:
    count = 1_000
    ends = [BrownianPath(number.to_bytes(32)).at(HORIZON) for number in range(count)]
    assert abs(fmean(end * end for end in ends) / HORIZON - 1) < 4 * (2 / count) ** 0.5


@pytest.mark.parametrize("lag", [1, 2, 3, 16, 1_000])
def test_increments_are_independent_of_earlier_ones(lag: int) -> None:
    count = 20_000
    steps = increments(1, count)
    tolerance = 4 / (count - lag) ** 0.5
    usual_size = fmean(map(abs, steps))
    sizes = [abs(step) - usual_size for step in steps]
    assert abs(correlation(steps[:-lag], steps[lag:])) < tolerance
    assert abs(correlation(sizes[:-lag], sizes[lag:])) < tolerance


@pytest.mark.parametrize("span", [60, 3_600])
def test_long_increments_are_independent_too(span: int) -> None:
    steps = increments(span, 4_000)
    assert abs(correlation(steps[:-1], steps[1:])) < 4 / 4_000**0.5


def test_increments_are_normal() -> None:
    steps = increments(1, 20_000)
    assert abs(fmean(steps)) < 4 / 20_000**0.5
    for bound, share in [(1, 0.6827), (2, 0.9545), (3, 0.9973)]:
        assert fmean(abs(step) < bound for step in steps) == pytest.approx(share, abs=0.01)
