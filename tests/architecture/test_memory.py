"""What the engine remembers changes with a commit: every other place that changes is listed."""

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.support.memory import ON_POSTGRESQL, PLAIN

SERVER = Path(__file__).parents[2] / "server"
FRONT = {
    "equity_history",
    "leaderboard",
    "order_updates",
    "queries",
    "quote_updates",
    "quote_watch",
    "rate_limits",
    "return_curves",
}
SOURCES = [
    *(path for path in (SERVER / "application").glob("*.py") if path.stem not in FRONT),
    *(SERVER / "market" / f"{name}.py" for name in ("published", "replay", "simulated")),
    *(
        SERVER / "storage" / f"{name}.py"
        for name in ("at_risk", "resting", "sqlite", "unit_of_work")
    ),
]
SHORT_LIVED = {
    "SqlUnitOfWork": "is one transaction",
    "Stage": "is one transaction",
    "HeardMinutes": "is the front's, which hears of what is committed",
}
STAGING = {"Part", "Staged", "StagedMap", "Outbox"}
CHANGES_IN_PLACE = {
    "add",
    "append",
    "appendleft",
    "clear",
    "discard",
    "extend",
    "extendleft",
    "insert",
    "pop",
    "popitem",
    "popleft",
    "remove",
    "setdefault",
    "sort",
    "update",
}


def test_what_changes_and_is_not_staged_is_listed_with_its_reason() -> None:
    """A plain attribute keeps its new value when the database refuses the commit."""
    found = set()
    for path in SOURCES:
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.ClassDef) and node.name not in {*SHORT_LIVED, *STAGING}:
                found |= {f"{node.name}.{name}" for name in _changed(node)}

    listed = PLAIN | ON_POSTGRESQL
    assert found == listed.keys(), "make it a Staged value, or list it with a reason"


def test_a_stage_is_made_by_who_knows_what_is_committed() -> None:
    makers = {
        str(path.relative_to(SERVER))
        for path in SERVER.rglob("*.py")
        if "Stage()" in path.read_text()
    }

    assert makers == {"storage/unit_of_work.py", "engine/client.py", "report/contents.py"}


def test_what_changes_in_place_is_noticed() -> None:
    source = """
class Example:
    def __init__(self):
        self.begun = 1
    def change(self, stage):
        self.a = 1
        self.b += 1
        self.c, self.d[0] = 1, 2
        self.e.append(1)
        self.f[1] = 2
        self.record.add(1, stage)
        del self.g[2]
"""
    (node,) = ast.parse(source).body
    assert isinstance(node, ast.ClassDef)
    assert set(_changed(node)) == {"a", "b", "c", "d", "e", "f", "g"}


def _changed(node: ast.ClassDef) -> Iterator[str]:
    """Return the attributes of `self` that methods but the constructor change."""
    for method in node.body:
        if isinstance(method, ast.FunctionDef) and method.name != "__init__":
            for part in ast.walk(method):
                yield from filter(None, map(_attribute, _targets(part)))


def _targets(node: ast.AST) -> list[ast.expr]:
    match node:
        case ast.Assign(targets=targets) | ast.Delete(targets=targets):
            return [part for target in targets for part in getattr(target, "elts", [target])]
        case ast.AugAssign(target=target) | ast.AnnAssign(target=target):
            return [target]
        case ast.Call(func=ast.Attribute(value=value, attr=name), args=args):
            is_staged = bool(args) and ast.unparse(args[-1]).endswith("stage")
            return [value] if name in CHANGES_IN_PLACE and not is_staged else []
    return []


def _attribute(target: ast.expr) -> str | None:
    while isinstance(target, ast.Subscript):
        target = target.value
    match target:
        case ast.Attribute(value=ast.Name(id="self"), attr=name):
            return name
    return None
