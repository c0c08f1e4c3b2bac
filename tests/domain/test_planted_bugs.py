"""Planted bugs: the domain's rules broken one at a time in a copy, where these tests must fail."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.domain import planted_account_bugs, planted_bugs
from tests.domain.planted_bugs import PlantedBug

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
BUGS = planted_bugs.BUGS + planted_account_bugs.BUGS
RUN_SECONDS_MAX = 180


def run_tests(directory: Path) -> subprocess.CompletedProcess[str]:
    """Run the tests of a copy, the quick ones first, until one fails."""
    tests = sorted((directory / "tests/domain").glob("test_*.py"), reverse=True)
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *map(str, tests)],
        cwd=directory,
        timeout=RUN_SECONDS_MAX,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def project_copy(tmp_path: Path) -> Path:
    """Return a directory with the domain and its tests, without this one."""
    left_out = shutil.ignore_patterns("__pycache__", Path(__file__).name)
    for package in ("server", "tests"):
        shutil.copytree(ROOT / package / "domain", tmp_path / package / "domain", ignore=left_out)
        shutil.copy(ROOT / package / "__init__.py", tmp_path / package)
    return tmp_path


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_a_bug_can_be_planted(bug: PlantedBug) -> None:
    """Otherwise it is planted in code that has gone, and says nothing."""
    code = (ROOT / "server/domain" / f"{bug.module}.py").read_text()
    assert code.count(bug.right) == 1, "the code has changed: plant this bug anew"


@pytest.mark.slow
@pytest.mark.timeout(2 * RUN_SECONDS_MAX)
def test_a_copy_without_a_bug_passes(project_copy: Path) -> None:
    """Otherwise a failure would say nothing about the bug."""
    run = run_tests(project_copy)
    assert run.returncode == pytest.ExitCode.OK, run.stdout


@pytest.mark.slow
@pytest.mark.timeout(2 * RUN_SECONDS_MAX)
@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_a_planted_bug_is_noticed(bug: PlantedBug, project_copy: Path) -> None:
    module = project_copy / "server/domain" / f"{bug.module}.py"
    module.write_text(module.read_text().replace(bug.right, bug.wrong))
    run = run_tests(project_copy)
    assert run.returncode == pytest.ExitCode.TESTS_FAILED, run.stdout
