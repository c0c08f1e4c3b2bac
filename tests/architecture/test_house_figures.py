"""What one order enters and how long the README is have ceilings, which only go down."""

from pathlib import Path

from bench.entered import entered_by_an_order, lines_of_readme

FILES_MAX, FUNCTIONS_MAX = 24, 107
README_LINES_MAX = 150


def test_an_order_that_fills_enters_few_files_and_functions(tmp_path: Path) -> None:
    entered = entered_by_an_order(tmp_path)

    told = "see `python -m bench.entered --list`"
    assert len({file for file, _ in entered.counted}) <= FILES_MAX, told
    assert len(entered.counted) <= FUNCTIONS_MAX, told
    assert entered.counted < entered.all


def test_the_readme_is_short() -> None:
    assert lines_of_readme() <= README_LINES_MAX
