"""How `make` builds the page: with which Node, and only when its sources are newer."""

import os
import shutil
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TOOLS = ("sh", "seq", "grep", "find", "touch", "mkdir", "ln", "cat")
NEEDED = (
    "requirements.lock",
    "requirements-page.lock",
    "pyproject.toml",
    "generated/pyproject.toml",
    "clients/python/pyproject.toml",
    "clients/feeds/pyproject.toml",
    "clients/typescript/src/index.ts",
    "web/package.json",
    "web/package-lock.json",
    "web/src/page.tsx",
)
INSTALL = (
    "ci --loglevel=error --no-audit --no-fund"
    " --fetch-retry-mintimeout=1000 --fetch-retry-maxtimeout=5000"
)
FITS, OLD = "exit 0", "exit 1"
BUILDS = """\
echo "$0 $*" >> said
case "$*" in *build*) mkdir -p rest_bridge/page && touch rest_bridge/page/index.html ;; esac
"""


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """Return a folder with the Makefile and all that it asks for, but without Node."""
    for name in NEEDED:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    shutil.copy(ROOT / "Makefile", tmp_path)
    (tmp_path / "bin").mkdir()
    for tool in TOOLS:
        (tmp_path / "bin" / tool).symlink_to(str(shutil.which(tool)))
    wheel = tmp_path / "wheel"
    program(wheel / "bin/node", FITS)
    program(wheel / "lib/node_modules/npm/bin/npm-cli.js", BUILDS)
    program(tmp_path / ".venv/bin/pip", 'echo "pip $*" >> said')
    program(tmp_path / ".venv/bin/python", f"echo {wheel}")
    program(tmp_path / ".venv/bin/bottrading", 'echo "bottrading $*" >> said')
    (tmp_path / ".venv/.installed").touch()
    return tmp_path


def program(path: Path, does: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{does}\n")
    path.chmod(0o755)


def with_node(clone: Path, node: str, npm: str = BUILDS) -> None:
    program(clone / "bin/node", node)
    program(clone / "bin/npm", npm)


def made(clone: Path, target: str) -> tuple[list[str], "subprocess.CompletedProcess[str]"]:
    """Run make; return what its programs said, and how it ended."""
    (clone / "said").write_text("")
    done = subprocess.run(
        [str(shutil.which("make")), target],
        cwd=clone,
        env={"PATH": str(clone / "bin")},
        capture_output=True,
        text=True,
        check=False,
        timeout=20,
    )
    return (clone / "said").read_text().replace(f"{clone}/", "").splitlines(), done


def by(npm: str) -> list[str]:
    """Return what is said when this npm installs and builds."""
    asked = [f"{npm} --version"] if npm == "bin/npm" else []
    return [*asked, f"{npm} {INSTALL} --prefix web", f"{npm} run --silent build --prefix web"]


def test_the_machines_node_builds_the_page_if_it_is_new_enough(clone: Path) -> None:
    with_node(clone, FITS)
    said, done = made(clone, "page")

    assert done.returncode == 0, done.stderr
    assert said == by("bin/npm")
    assert (clone / "rest_bridge/page/index.html").exists()


@pytest.mark.parametrize("node", [None, OLD])
def test_without_a_node_that_fits_that_of_a_wheel_builds_it(clone: Path, node: str | None) -> None:
    if node is not None:
        with_node(clone, node)
    said, done = made(clone, "page")

    assert done.returncode == 0, done.stderr
    assert said[0].startswith("pip install")
    assert said[0].endswith("--require-hashes -r requirements-page.lock")
    assert said[1:] == by(".venv/node/npm")
    assert (clone / "rest_bridge/page/index.html").exists()


def test_a_run_builds_the_page_once_and_again_when_a_source_is_newer(clone: Path) -> None:
    with_node(clone, FITS)
    first, _ = made(clone, "run")
    second, _ = made(clone, "run")
    later = time.time() + 2
    os.utime(clone / "web/src/page.tsx", (later, later))
    third, _ = made(clone, "run")

    assert first == third == [*by("bin/npm"), "bottrading serve"]
    assert second == ["bottrading serve"]


def test_a_run_goes_on_without_a_page_that_cannot_be_built(clone: Path) -> None:
    with_node(clone, FITS, "echo no network >&2; exit 1")
    # The npm of the wheel takes its place, and cannot reach the network either.
    program(clone / "wheel/lib/node_modules/npm/bin/npm-cli.js", "echo no network >&2; exit 1")
    said, done = made(clone, "run")
    _, alone = made(clone, "page")

    assert done.returncode == 0
    assert said[-1] == "bottrading serve"
    assert "no network" in done.stderr
    assert "The service runs without its page: `make page` says why." in done.stdout
    assert alone.returncode != 0


def test_the_wheel_of_the_service_carries_the_built_page(tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    for folder in ("server", "rest_bridge"):
        (clone / folder).mkdir(parents=True)
        shutil.copy(ROOT / folder / "__init__.py", clone / folder)
    for name in ("pyproject.toml", "README.md", ".gitignore"):
        shutil.copy(ROOT / name, clone)
    (clone / "rest_bridge/page/assets").mkdir(parents=True)
    (clone / "rest_bridge/page/index.html").touch()
    (clone / "rest_bridge/page/assets/page-4f3a.js").touch()
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel"],
        cwd=clone,
        check=True,
        capture_output=True,
    )

    [wheel] = (clone / "dist").iterdir()
    with zipfile.ZipFile(wheel) as archive:
        carried = set(archive.namelist())
    assert {"rest_bridge/page/index.html", "rest_bridge/page/assets/page-4f3a.js"} <= carried
