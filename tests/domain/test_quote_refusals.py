"""Quotes: which are applied, and which are refused and why."""

from dataclasses import replace
from typing import Any

import pytest

from server.domain.quote import Quote, QuoteRefusal, refusal
from server.domain.values import SECOND, Price, parse_units
from tests.domain.book import make_quote

NOW = 1_000 * SECOND
FIVE_SECONDS = 5 * SECOND
GOOD = make_quote("AAPL", "99", "1", "100", "1", last="99.50", time=NOW, sequence=7)
APPLIED = replace(GOOD, time=NOW - SECOND, sequence=9)

WRONG_IN_ORDER: list[tuple[QuoteRefusal, dict[str, Any]]] = [
    (QuoteRefusal.PRICE_NOT_POSITIVE, {"last": 0}),
    (QuoteRefusal.SIZE_NEGATIVE, {"ask_size": -1}),
    (QuoteRefusal.CROSSED, {"bid": parse_units("100.00000001")}),
    (QuoteRefusal.SEQUENCE_NEGATIVE, {"sequence": -1}),
    (QuoteRefusal.TIME_INVALID, {"time": NOW + FIVE_SECONDS + 1}),
]


@pytest.mark.parametrize("applied", [None, APPLIED])
@pytest.mark.parametrize(
    "change",
    [
        {},
        {"bid": parse_units("100")},
        {"bid_size": 0, "ask_size": 0},
        {"last": 1},
        {"time": NOW + FIVE_SECONDS},
        {"time": APPLIED.time, "sequence": APPLIED.sequence + 1},
        {"sequence": 0},
    ],
)
def test_a_good_quote_is_applied(applied: Quote | None, change: dict[str, Any]) -> None:
    assert refusal(replace(GOOD, **change), applied, NOW) is None


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"bid": 0}, QuoteRefusal.PRICE_NOT_POSITIVE),
        ({"bid": -1}, QuoteRefusal.PRICE_NOT_POSITIVE),
        ({"ask": 0}, QuoteRefusal.PRICE_NOT_POSITIVE),
        ({"bid_size": -1}, QuoteRefusal.SIZE_NEGATIVE),
        ({"time": APPLIED.time - 1, "sequence": 99}, QuoteRefusal.OUT_OF_DATE),
        ({"time": APPLIED.time, "sequence": 8}, QuoteRefusal.OUT_OF_DATE),
        ({"time": APPLIED.time, "sequence": 9}, QuoteRefusal.DUPLICATE),
        *((change, refused) for refused, change in WRONG_IN_ORDER),
    ],
)
def test_a_bad_quote_is_refused(change: dict[str, Any], expected: QuoteRefusal) -> None:
    assert refusal(replace(GOOD, **change), APPLIED, NOW) is expected


def test_the_first_thing_wrong_is_told() -> None:
    """Each quote has one more fault that stands earlier; the order is the enum's."""
    faults: dict[str, Any] = {}
    for expected, change in reversed(WRONG_IN_ORDER):
        faults |= change
        assert refusal(replace(GOOD, **faults), replace(APPLIED, time=2 * NOW), NOW) is expected
    order = list(QuoteRefusal)
    told = [refused for refused, _ in WRONG_IN_ORDER]
    assert sorted(told, key=order.index) == told
    assert order[-2:] == [QuoteRefusal.OUT_OF_DATE, QuoteRefusal.DUPLICATE]


def test_without_an_earlier_quote_any_age_is_applied() -> None:
    assert refusal(replace(GOOD, time=0, sequence=0), None, NOW) is None


@pytest.mark.parametrize(
    ("last", "mark"), [("98", "99"), ("99", "99"), ("99.4", "99.4"), ("100", "100"), ("101", "100")]
)
def test_the_mark_is_the_last_price_within_bid_and_ask(last: str, mark: str) -> None:
    assert replace(GOOD, last=Price(parse_units(last))).mark == parse_units(mark)
