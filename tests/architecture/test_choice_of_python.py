"""The choice of Python by `make`: the newest installed release that works."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TOOLS = ("sh", "echo", "seq", "grep")
NEEDED = (
    "requirements.lock",
    "pyproject.toml",
    "generated/pyproject.toml",
    "clients/python/pyproject.toml",
    "clients/feeds/pyproject.toml",
)
FITS, FAILS = "exit 0", "exit 1"


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """Return a folder with the Makefile, and with a path of its own on which no Python is."""
    for name in NEEDED:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    shutil.copy(ROOT / "Makefile", tmp_path)
    (tmp_path / "bin").mkdir()
    for tool in TOOLS:
        (tmp_path / "bin" / tool).symlink_to(str(shutil.which(tool)))
    return tmp_path


def make(clone: Path, *arguments: str, **pythons: str) -> "subprocess.CompletedProcess[str]":
    """Run make where these Pythons are, each with what it does when it is run."""
    for name, does in pythons.items():
        path = clone / "bin" / name.replace("_", ".")
        path.write_text(f"#!/bin/sh\n{does}\n")
        path.chmod(0o755)
    return subprocess.run(
        [str(shutil.which("make")), *arguments],
        cwd=clone,
        env={"PATH": str(clone / "bin")},
        capture_output=True,
        text=True,
        check=False,
        timeout=20,
    )


@pytest.mark.parametrize(
    ("pythons", "taken"),
    [
        (
            {"python3_11": FITS, "python3_13": FITS, "python3_9": FITS, "python3": FITS},
            "python3.13",
        ),
        ({"python3_11": FITS, "python3_14": FAILS}, "python3.11"),
        ({"python3_11": FAILS, "python3": FITS}, "python3"),
        ({"python3_11": FITS, "python3": FITS}, "python3.11"),
    ],
)
def test_the_newest_python_that_works_is_taken(
    clone: Path, pythons: dict[str, str], taken: str
) -> None:
    done = make(clone, "--eval=show: ; @echo $(PYTHON)", "show", **pythons)

    assert done.stdout == f"{taken}\n"


def test_a_python_that_is_given_is_taken(clone: Path) -> None:
    show = "--eval=show: ; @echo $(PYTHON)"
    done = make(clone, show, "show", "PYTHON=/opt/python", python3_13=FITS)

    assert done.stdout == "/opt/python\n"


def test_without_any_it_is_said_what_is_missing(clone: Path) -> None:
    done = make(clone, "setup", python3=FAILS)

    assert done.returncode != 0
    assert "No Python from 3.11 on" in done.stderr
    assert "make setup PYTHON=/path/to/python" in done.stderr


def test_the_python_that_runs_this_fits() -> None:
    """The real one, judged by the rule itself."""
    done = subprocess.run(
        ["make", "--eval=show: ; @$(PYTHON) --version", "show"],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=True,
        timeout=20,
    )

    assert tuple(map(int, done.stdout.split()[-1].split("."))) >= (3, 11)
