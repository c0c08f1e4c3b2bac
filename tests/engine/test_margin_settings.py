"""Settings of margin trading: percentages, which the engine gets as exact numbers."""

import pytest

from server.config import SettingsError, load
from server.domain.values import SCALE


def test_the_engine_gets_the_percentages_of_margin_trading() -> None:
    settings = load(margin_initial="50", margin_maintenance="25.5", margin_loan_rate="0")

    told = settings.for_engine()

    assert (told.margin_initial, told.margin_maintenance) == (50 * SCALE, 255 * SCALE // 10)
    assert (told.margin_loan_rate, told.margin_borrow_rate) == (0, SCALE)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (
            {"margin_maintenance": "50.1"},
            "margin_maintenance must be greater than 0 and at most margin_initial, which is 50,"
            " not 50.1",
        ),
        (
            {"margin_initial": "0", "margin_maintenance": "0"},
            "margin_maintenance must be greater than 0 and at most margin_initial, which is 0,"
            " not 0",
        ),
        ({"margin_initial": "101"}, "margin_initial: must be at most 100, not '101'"),
        (
            {"margin_loan_rate": "8 %"},
            "margin_loan_rate: must be a decimal such as 8 or 8.25, not '8 %'",
        ),
        (
            {"margin_borrow_rate": "-1"},
            "margin_borrow_rate: must be a decimal such as 8 or 8.25, not '-1'",
        ),
    ],
)
def test_a_wrong_percentage_is_told_in_one_line(options: dict[str, str], told: str) -> None:
    with pytest.raises(SettingsError) as raised:
        load(**options)

    assert str(raised.value).removeprefix("settings: ") == told
