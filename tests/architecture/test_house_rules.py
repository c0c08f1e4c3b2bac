"""Rules of this code that no linter knows."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = ("server", "rest_bridge", "clients", "bench", "docs", "examples", "tests")
SOURCES = [
    path
    for folder in FOLDERS
    for path in sorted((ROOT / folder).rglob("*.py"))
    if "node_modules" not in path.parts
]
LINES_MAX = 400
FUNCTION_LINES_MAX = 70

# What is forbidden, where it is allowed, and what to do instead.
FORBIDDEN = [
    (
        r"datetime\.now|datetime\.utcnow|\btime\.time\(|time\.time_ns",
        ["server/bootstrap/adapters.py"],
        "take a Clock",
    ),
    (r"\btime\.sleep\(", ["server/processes/locking.py"], "wait for what is awaited"),
    (
        r"\brandom\.|uuid4|uuid7|\bsecrets\.",
        [
            "server/bootstrap/adapters.py",
            "server/secret_files.py",
            "server/market/secret.py",
            "rest_bridge/",
        ],
        "take a Chance",
    ),
    (r"os\.environ|os\.getenv", ["server/config.py", "server/cli.py"], "add a setting"),
    (
        r"(?<!\w)float\(",
        ["server/domain/performance.py", "server/market/"],
        "amounts are integers of 10⁻⁸",
    ),
    (r"\bprint\(", ["server/cli.py", "server/key_commands.py"], "log it"),
]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_is_short_and_a_function_shorter(path: Path) -> None:
    text = path.read_text()
    assert text.count("\n") <= LINES_MAX, "divide it by idea"
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or 0) - node.lineno + 1
            migration = "migrations" in path.parts
            assert migration or lines <= FUNCTION_LINES_MAX, f"{node.name} has {lines} lines"


@pytest.mark.parametrize(("pattern", "allowed", "cure"), FORBIDDEN, ids=lambda part: str(part)[:20])
def test_the_world_is_touched_in_its_places_only(
    pattern: str, allowed: list[str], cure: str
) -> None:
    for name, line, text in _lines("server", "rest_bridge"):
        if not name.startswith(tuple(allowed)):
            assert not re.search(pattern, text), f"{name}:{line}: {cure}"


def test_every_module_says_in_one_sentence_what_lives_in_it() -> None:
    for path in SOURCES:
        tree = ast.parse(path.read_text())
        if tree.body:
            assert ast.get_docstring(tree), f"{path} has no docstring"


def test_the_formatter_decides() -> None:
    for name, line, text in _lines(*FOLDERS):
        assert not re.search(r"#\s*fmt" + r":", text), f"{name}:{line}: let it be formatted"


def test_nothing_is_left_for_later() -> None:
    left = re.compile("TO" + r"DO|FIX" + r"ME|XX" + r"X|NotImplemented" + "Error")
    for name, line, text in _lines(*FOLDERS):
        assert not left.search(text), f"{name}:{line}"


def _lines(*folders: str) -> Iterator[tuple[str, int, str]]:
    for path in SOURCES:
        name = str(path.relative_to(ROOT))
        if name.startswith(folders):
            for number, text in enumerate(path.read_text().splitlines(), start=1):
                yield name, number, text
