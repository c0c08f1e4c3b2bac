"""Code that hangs on a library's internals is known, and the library stays below its next minor."""

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
OURS = (
    "server",
    "rest_bridge",
    "bottrading",
    "bottrading_client",
    "bottrading_mcp",
    "bottrading_feeds",
)

# The library, and why a minor version of it may break us.
INTERNALS = {
    "uvicorn": "`rest_bridge/limits.py` overrides methods of its HTTP protocol, some private",
    "grpcio": "`server/rpc/sockets.py` finds and ends connections of gRPC below it",
}
# Imports of what a library keeps to itself, and whose reason above covers them.
ALLOWED = {
    ("rest_bridge/limits.py", "uvicorn._types"),
    ("rest_bridge/limits.py", "uvicorn.protocols.http.httptools_impl"),
    # A type for mypy alone: nothing of it runs.
    ("server/wire/enums.py", "google.protobuf.internal.enum_type_wrapper"),
}


@pytest.mark.parametrize("library", INTERNALS)
def test_a_library_whose_internals_we_use_stays_below_its_next_minor(library: str) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    (wanted,) = [one for one in project["dependencies"] if re.match(rf"{library}\b(?!-)", one)]
    bounds = re.search(r">=(\d+)\.(\d+)(?:\.\d+)?,<(\d+)\.(\d+)$", wanted)

    assert bounds is not None, f"{wanted}: {INTERNALS[library]}"
    major, minor, next_major, next_minor = map(int, bounds.groups())
    assert (next_major, next_minor) == (major, minor + 1), f"{wanted}: {INTERNALS[library]}"


def test_what_a_library_keeps_to_itself_is_imported_where_that_is_known() -> None:
    assert set(_internal_imports()) == ALLOWED


def _internal_imports() -> Iterator[tuple[str, str]]:
    for folder in ("server", "rest_bridge", "clients/python", "clients/mcp", "clients/feeds"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Import):
                    modules = [name.name for name in node.names]
                elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                    modules = [node.module]
                else:
                    continue
                for module in modules:
                    if not module.startswith(OURS) and _is_internal(module):
                        yield str(path.relative_to(ROOT)), module


def _is_internal(module: str) -> bool:
    parts = module.split(".")
    private = [part for part in parts if part.startswith("_") and not part.startswith("__")]
    return bool(private) or "internal" in parts or module.startswith("uvicorn.protocols")
