"""The contract's comments for the OpenAPI page, from the typing stubs: descriptors lack them."""

import ast
from collections.abc import Iterator
from pathlib import Path

import bottrading.v1


def contract_comments() -> dict[str, str]:
    """Return the comments of the contract, by name.

    Names are like `Order`, `Order.symbol`, `SIDE_BUY`, `BotTrading`, `BotTrading.PlaceOrder`. Empty
    if the stubs are not installed: the page then has no descriptions.
    """
    comments: dict[str, str] = {}
    for folder in bottrading.v1.__path__:
        for stub in sorted(Path(folder).glob("*.pyi")):
            comments.update(_documented(ast.parse(stub.read_text("utf-8")), ""))
    return comments


def _documented(parent: ast.Module | ast.ClassDef, prefix: str) -> Iterator[tuple[str, str]]:
    for node, following in zip(parent.body, [*parent.body[1:], None], strict=True):
        if isinstance(node, ast.ClassDef):
            # A service's comments stand on the class that servers inherit from.
            name = prefix + node.name.removesuffix("Servicer")
            yield from _docstring(name, node)
            yield from _documented(node, f"{name}.")
        elif isinstance(node, ast.FunctionDef):
            yield from _docstring(prefix + node.name, node)
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            match following:
                case ast.Expr(ast.Constant(str(text))):
                    yield prefix + node.target.id, _unwrapped(text)


def _docstring(name: str, node: ast.ClassDef | ast.FunctionDef) -> Iterator[tuple[str, str]]:
    text = ast.get_docstring(node)
    if text:
        yield name, _unwrapped(text)


def _unwrapped(text: str) -> str:
    """Join the lines of each paragraph."""
    paragraphs = text.split("\n\n")
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)
