"""Planted bugs: with each wrong function of the domain, these tests must fail."""

import inspect
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from server.domain import posting
from server.domain.changes import changed
from server.domain.costs import paid
from server.domain.values import SCALE
from tests.domain.book import INSTRUMENTS
from tests.domain.planted import BUGS
from tests.domain.planted.planting import VARIABLE, BrokenPlant, PlantedBug, find, planted

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
RUN_SECONDS_MAX = 180

every_bug = pytest.mark.parametrize("bug", BUGS.values(), ids=lambda bug: bug.name)


def run_tests(bug: PlantedBug | None) -> subprocess.CompletedProcess[str]:
    """Run the tests of the domain with a bug, the quick ones first, until one fails."""
    tests = sorted(set(HERE.glob("test_*.py")) - {Path(__file__)}, reverse=True)
    alone = ["-p", "no:cacheprovider", "-p", "no:xdist", f"--confcutdir={HERE}"]
    environment = {name: value for name, value in os.environ.items() if name != VARIABLE}
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", *alone, *map(str, tests)],
        cwd=ROOT,
        env=environment | ({VARIABLE: bug.name} if bug else {}),
        timeout=RUN_SECONDS_MAX,
        capture_output=True,
        text=True,
        check=False,
    )


@every_bug
def test_a_bug_names_a_function_and_planting_changes_it(bug: PlantedBug) -> None:
    """Otherwise the function has another name by now, and the bug says nothing."""
    function = find(bug)
    code, defaults = function.__code__, function.__defaults__

    with planted(bug):
        assert function.__code__ is not code

    assert function.__code__ is code
    assert function.__defaults__ is defaults


@every_bug
def test_a_wrong_function_takes_what_the_right_one_takes(bug: PlantedBug) -> None:
    right = list(inspect.signature(find(bug)).parameters.values())
    _, *wrong = inspect.signature(bug.wrong).parameters.values()
    taken_by_place = [each for each in wrong if each.kind is each.POSITIONAL_OR_KEYWORD]
    takes_more = any(each.kind is each.VAR_POSITIONAL for each in wrong)

    assert takes_more or len(taken_by_place) == len(
        [each for each in right if each.kind is each.POSITIONAL_OR_KEYWORD]
    )
    named = {each.name for each in wrong if each.kind is each.KEYWORD_ONLY}
    assert named <= {each.name for each in right}


def test_a_bug_reaches_who_imported_the_function_by_name() -> None:
    instrument = changed(INSTRUMENTS["GOLD"], multiplier=10)
    bug = BUGS["an order pays for one unit of a contract"]

    with planted(bug):
        assert paid(instrument, 3 * SCALE * SCALE) == 3 * SCALE
        assert vars(posting)["paid"](instrument, 3 * SCALE * SCALE) == 3 * SCALE

    assert paid(instrument, 3 * SCALE * SCALE) == 30 * SCALE


def _misses_a_field(right: Any, instrument: Any, notional: int) -> Any:
    return right(changed(instrument, no_such_field=1), notional)


def _misses_a_value(right: Any, instrument: Any, notional: int) -> Any:
    return right(instrument)


@pytest.mark.parametrize("wrong", [_misses_a_field, _misses_a_value])
def test_a_bug_that_fails_by_itself_is_told_from_one_that_does_wrong(wrong: Any) -> None:
    """Otherwise a renamed field would make every test fail, as if the bug had been noticed."""
    with planted(PlantedBug("broken", "costs.paid", wrong)), pytest.raises(BrokenPlant):
        paid(INSTRUMENTS["GOLD"], SCALE)


@pytest.mark.slow
@pytest.mark.timeout(2 * RUN_SECONDS_MAX)
def test_the_tests_pass_without_a_bug() -> None:
    """Otherwise a failure would say nothing about the bug."""
    run = run_tests(None)
    assert run.returncode == pytest.ExitCode.OK, run.stdout


@pytest.mark.slow
@pytest.mark.timeout(2 * RUN_SECONDS_MAX)
@every_bug
def test_a_planted_bug_is_noticed(bug: PlantedBug) -> None:
    run = run_tests(bug)
    assert run.returncode == pytest.ExitCode.TESTS_FAILED, run.stdout
    assert BrokenPlant.__name__ not in run.stdout, run.stdout
