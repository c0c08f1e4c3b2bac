"""Values: how decimals are read, shown and rounded, and how symbols are written."""

from fractions import Fraction
from math import ceil, floor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.domain.invariants import BrokenInvariant
from server.domain.values import (
    CENT,
    DAY,
    SCALE,
    SECOND,
    DecimalError,
    cents_down,
    cents_half_even,
    cents_up,
    divide_half_even,
    divide_up,
    format_money,
    format_to_the_cent,
    format_units,
    normalize_symbol,
    parse_units,
)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "10 ",
        " 10",
        " 10 ",
        "10\n",
        "\n10",
        "1 0",
        "1_000",
        "1,000",
        "1e5",
        "1E5",
        "+1",
        "-1",
        "-0",
        "01",
        "00",
        "00.5",
        ".5",
        "5.",
        ".",
        "0.",
        "0.123456789",
        "12345678901",
        "10000000000.0",
        "NaN",
        "nan",
        "Infinity",
        "inf",
        "0x10",
        "1.2.3",
        "ten",
        "10\x00",
        "١٠",
        "１０",
        "²",
        "1.٥",
    ],
)
def test_a_text_that_is_no_plain_decimal_is_refused(text: str) -> None:
    with pytest.raises(DecimalError):
        parse_units(text)


@pytest.mark.parametrize(
    ("text", "units"),
    [
        ("0", 0),
        ("0.0", 0),
        ("10", 10 * SCALE),
        ("10.0", 10 * SCALE),
        ("185.00", 185 * SCALE),
        ("0.1", SCALE // 10),
        ("0.00000001", 1),
        ("0.10000000", SCALE // 10),
        ("1234567890.12345678", 1234567890_12345678),
        ("9999999999.99999999", 10**18 - 1),
    ],
)
def test_a_decimal_is_read_exactly(text: str, units: int) -> None:
    assert parse_units(text) == units


@pytest.mark.parametrize(
    ("units", "text"),
    [
        (0, "0.00000000"),
        (1, "0.00000001"),
        (-1, "-0.00000001"),
        (185 * SCALE, "185.00000000"),
        (-3 * SCALE // 2, "-1.50000000"),
        (10**18 - 1, "9999999999.99999999"),
    ],
)
def test_units_are_shown_with_eight_decimals(units: int, text: str) -> None:
    assert format_units(units) == text


@pytest.mark.parametrize(
    ("units", "text"),
    [
        (0, "0.00"),
        (CENT, "0.01"),
        (-CENT, "-0.01"),
        (-150 * CENT, "-1.50"),
        (50_000 * SCALE, "50000.00"),
    ],
)
def test_money_is_shown_with_two_decimals(units: int, text: str) -> None:
    assert format_money(units) == text


@pytest.mark.parametrize("units", [1, CENT - 1, -1, SCALE + 1])
def test_money_that_is_not_whole_cents_is_a_bug(units: int) -> None:
    with pytest.raises(BrokenInvariant):
        format_money(units)


@pytest.mark.parametrize(
    ("units", "text"),
    [
        (766_000, "0.01"),
        (500_000, "0.00"),
        (500_001, "0.01"),
        (1_500_000, "0.02"),
        (-400_000, "0.00"),
        (-500_001, "-0.01"),
        (SCALE, "1.00"),
    ],
)
def test_money_that_is_kept_exactly_is_shown_to_the_even_cent(units: int, text: str) -> None:
    assert format_to_the_cent(units) == text


@settings(derandomize=True, database=None, max_examples=200, deadline=None)
@given(st.integers(0, 10**18 - 1))
def test_what_is_shown_is_read_back(units: int) -> None:
    assert parse_units(format_units(units)) == units
    assert parse_units(format_units(units).rstrip("0").removesuffix(".")) == units


@settings(derandomize=True, database=None, max_examples=300, deadline=None)
@given(st.integers(-(10**24), 10**24), st.integers(1, 10**12))
def test_rounding_agrees_with_exact_fractions(numerator: int, denominator: int) -> None:
    exact = Fraction(numerator, denominator)
    cents = exact / CENT
    assert divide_up(numerator, denominator) == ceil(exact)
    assert divide_half_even(numerator, denominator) == round(exact)
    assert cents_up(numerator, denominator) == ceil(cents) * CENT
    assert cents_down(numerator, denominator) == floor(cents) * CENT
    assert cents_half_even(numerator, denominator) == round(cents) * CENT


@pytest.mark.parametrize(
    ("numerator", "nearest"),
    [(-5, -2), (-3, -2), (-1, 0), (1, 0), (3, 2), (5, 2), (7, 4)],
)
def test_a_tie_is_rounded_to_the_even_neighbour(numerator: int, nearest: int) -> None:
    assert divide_half_even(numerator, 2) == nearest


def test_time_is_counted_in_microseconds() -> None:
    assert (SECOND, DAY) == (1_000_000, 24 * 60 * 60 * 1_000_000)


@pytest.mark.parametrize(
    ("text", "symbol"),
    [
        ("AAPL", "AAPL"),
        ("aapl", "AAPL"),
        ("btc/usd", "BTC-USD"),
        ("BRK.B", "BRK.B"),
        ("GC=F", "GC=F"),
        ("7203", "7203"),
        ("A" * 32, "A" * 32),
        ("A" * 33, None),
        ("", None),
        ("-A", None),
        ("/A", None),
        ("A B", None),
        ("AAPL\n", None),
        ("ÄPFEL", None),
        ("\u212a", None),
        ("A_B", None),
    ],
)
def test_a_symbol_is_written_in_one_way(text: str, symbol: str | None) -> None:
    assert normalize_symbol(text) == symbol
