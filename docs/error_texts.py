"""All texts by which the service and its clients tell somebody what was wrong, as one page.

`python -m docs.error_texts` prints each with its file and line, so that they can be read and edited
as one text.
"""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
FOLDERS = ("server", "rest_bridge", "clients/python", "clients/mcp", "clients/feeds")
TOLD = re.compile(
    r"Refusal|Violation|_?refuse\w*|_?refused\w*|\w*(Error|Failed|Refused|Broken|Held|Unavailable)"
    r"|BadParameter|AuthenticationFailed"
)
"""Names of functions and exceptions that are given a text for people."""
SENTENCE = re.compile(r"[A-Z{`].* .*\.", re.DOTALL)
NO_TEXT = re.compile(r"[A-Z_]+|[a-z_.0-9]+|\W*")
"""Reasons, names of fields and the like."""


def main() -> None:
    """Print the texts, in the order of the files."""
    sys.stdout.writelines(f"{line}\n" for line in _lines())


def _lines() -> Iterator[str]:
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*.py")):
            name = str(path.relative_to(ROOT))
            for line, text in error_texts(ast.parse(path.read_text())):
                yield f"{name}:{line}: {text}"


def error_texts(node: ast.AST, *, told: bool = False) -> Iterator[tuple[int, str]]:
    """Yield line and text of each error that a module tells; `{…}` stands for a value.

    A text counts if an error is made with it (`told`), or if it is a sentence outside of
    descriptions.
    """
    if isinstance(node, ast.JoinedStr) or (
        isinstance(node, ast.Constant) and isinstance(node.value, str)
    ):
        text = _text(node)
        if SENTENCE.fullmatch(text) or (told and not NO_TEXT.fullmatch(text)):
            yield node.lineno, text
    elif not _describes(node):
        is_told = isinstance(node, ast.Call) and bool(TOLD.fullmatch(_called(node.func)))
        passed_on = told and isinstance(node, ast.IfExp | ast.BinOp | ast.keyword)
        for part in ast.iter_child_nodes(node):
            yield from error_texts(part, told=is_told or passed_on)


def _describes(node: ast.AST) -> bool:
    """Tell whether a part of a module is a docstring, the help of an option or a line of a log."""
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Constant)
    if isinstance(node, ast.keyword):
        return node.arg in ("help", "description")
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and (isinstance(node.func.value, ast.Name) and node.func.value.id in ("log", "logging"))
    )


def _text(node: ast.JoinedStr | ast.Constant) -> str:
    parts = node.values if isinstance(node, ast.JoinedStr) else [node]
    return "".join(
        f"{{{ast.unparse(it.value)}}}" if isinstance(it, ast.FormattedValue) else str(it.value)
        for it in parts
        if isinstance(it, ast.FormattedValue | ast.Constant)
    )


def _called(function: ast.expr) -> str:
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


if __name__ == "__main__":
    main()
