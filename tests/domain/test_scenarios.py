"""The scenario tables themselves: they work as documented, and a wrong outcome is noticed."""

import pytest

from tests.domain import scenario
from tests.domain.scenario import play


def test_the_table_that_explains_tables_can_be_played() -> None:
    assert scenario.__doc__ is not None
    play(scenario.__doc__.split("\n\n")[1])


@pytest.mark.parametrize(
    "table",
    [
        "10:00:00 | a: buy 1 AAPL | a ACCEPTED",
        "10:00:00 | a: buy 1 AAPL | -",
        "10:00:00 | a: buy 1 AAPL limit 1 | a ACCEPTED\n | | a FILLED 1 at 1",
        "10:00:00 | quote AAPL 2 x 1 / 1 x 1 | -",
        "10:00:00 | show account balance | balance 100000.01",
    ],
)
def test_an_outcome_that_is_not_the_expected_one_is_told_beside_it(table: str) -> None:
    with pytest.raises(AssertionError, match=r"(?s)10:00:00 .*expected  .*found     "):
        play(table)


@pytest.mark.parametrize(
    "table", ["10:00:00 | buy 1 AAPL | -", "10:00:00 | a: buy 1 AAPL limit 1 FOREVER | -"]
)
def test_a_step_that_does_not_exist_is_no_step(table: str) -> None:
    with pytest.raises((ValueError, KeyError)):
        play(table)


def test_what_cannot_be_given_is_refused() -> None:
    with pytest.raises(AssertionError, match="cannot give"):
        play("given | balance 5, luck | -")
