"""Bars of a minute are built from quotes, and longer bars from shorter ones."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.domain.bar import Bar, BarInterval, joined, minute_bars
from server.domain.quote import Quote
from server.domain.values import DAY, SECOND, Micros, Price, Quantity, Units

MINUTE = 60 * SECOND


def quote(time: Micros, last: Units, symbol: str = "AAPL") -> Quote:
    return Quote(
        symbol=symbol,
        bid=Price(1),
        bid_size=Quantity(1),
        ask=Price(10**9),
        ask_size=Quantity(1),
        last=Price(last),
        time=time,
        sequence=0,
    )


def bar(start: Micros, first: Units, high: Units, low: Units, last: Units) -> Bar:
    return Bar(symbol="AAPL", start=start, open=first, high=high, low=low, close=last)


def test_a_minute_has_its_first_highest_lowest_and_last_price() -> None:
    prices = [(0, 20), (1, 31), (2, 12), (59.999999, 25), (60, 7)]
    heard = [quote(round(at * SECOND), last) for at, last in prices]

    assert minute_bars(heard) == [bar(0, 20, 31, 12, 25), bar(MINUTE, 7, 7, 7, 7)]


def test_a_minute_without_a_quote_makes_no_bar() -> None:
    heard = [quote(0, 5), quote(10 * MINUTE, 6)]

    assert [made.start for made in minute_bars(heard)] == [0, 10 * MINUTE]


def test_a_quote_from_before_1970_is_in_the_minute_that_began_before_it() -> None:
    assert [made.start for made in minute_bars([quote(-1, 5)])] == [-MINUTE]


def test_a_longer_bar_is_made_of_the_shorter_ones_within_it() -> None:
    minutes = [
        bar(3 * MINUTE, 20, 31, 12, 25),
        bar(4 * MINUTE, 26, 28, 26, 27),
        bar(5 * MINUTE, 27, 90, 27, 80),
    ]

    made = joined(minutes, BarInterval.FIVE_MINUTES)

    assert made == [bar(0, 20, 31, 12, 27), bar(5 * MINUTE, 27, 90, 27, 80)]


@pytest.mark.parametrize("interval", BarInterval)
def test_bars_begin_at_the_multiples_of_their_length(interval: BarInterval) -> None:
    width = interval.width

    assert interval.begin(DAY) == interval.begin(DAY + width - 1) == DAY
    assert interval.begin(-1) == -width
    assert interval.begin_not_before(DAY) == DAY
    assert interval.begin_not_before(DAY + 1) == DAY + width


def naive(heard: Sequence[Quote], interval: BarInterval) -> list[Bar]:
    """Return what the definition says, one quote after another."""
    found: list[Bar] = []
    for symbol in {it.symbol for it in heard}:
        mine = [it for it in heard if it.symbol == symbol]
        for start in sorted({it.time // interval.width * interval.width for it in mine}):
            last = [it.last for it in mine if start <= it.time < start + interval.width]
            found.append(
                Bar(
                    symbol=symbol,
                    start=start,
                    open=last[0],
                    high=sorted(last)[-1],
                    low=sorted(last)[0],
                    close=last[-1],
                )
            )
    return sorted(found, key=by_symbol)


def by_symbol(one: Bar) -> tuple[str, Micros]:
    return one.symbol, one.start


gaps = st.sampled_from([0, 1, SECOND, 59 * SECOND, MINUTE, 7 * MINUTE, 50 * MINUTE, DAY // 3])
ticks = st.tuples(st.sampled_from(["AAPL", "MSFT"]), gaps, st.integers(1, 9))


@given(st.lists(ticks, max_size=60), st.integers(-DAY, DAY))
def test_bars_of_random_quotes_are_what_the_definition_says(
    drawn: list[tuple[str, Micros, Units]], time: Micros
) -> None:
    heard = []
    for symbol, gap, last in drawn:
        time += gap
        heard.append(quote(time, last, symbol))

    finer = minute_bars(heard)
    for interval in BarInterval:
        finer = joined(finer, interval)
        assert sorted(finer, key=by_symbol) == naive(heard, interval)


@pytest.mark.parametrize(
    ("later", "whole"),
    [
        (bar(0, 25, 28, 22, 23), bar(0, 20, 31, 12, 23)),
        (bar(0, 25, 40, 5, 6), bar(0, 20, 40, 5, 6)),
    ],
)
def test_a_bar_that_goes_on_keeps_how_it_began(later: Bar, whole: Bar) -> None:
    assert bar(0, 20, 31, 12, 25).until(later) == whole
