"""Figures about the code: what one order enters, and how long the files are.

`python -m bench.entered` prints them; with `--list` also each function that the order enters.
"""

import inspect
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from statistics import median
from types import CodeType, FrameType

from bench.customer import customer, market_order
from bottrading.v1 import bot_trading_pb2
from server.bootstrap.engine import build
from server.config import Settings
from server.engine.frames import FrameBuffer, unpack_answer
from server.storage.migrate import bring_up_to_date

ROOT = Path(__file__).parents[1]
SERVER = ROOT / "server"
FORMATTER_OVERRIDE = "# fmt" + ": skip"
CONSTRUCTORS = ("__init__", "__new__", "__post_init__")
FOLDERS = ("server", "rest_bridge", "clients", "bench", "docs", "examples", "tests")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entered:
    """Functions of `server/` that a call enters, as pairs of file and qualified name."""

    all: frozenset[tuple[str, str]]
    counted: frozenset[tuple[str, str]]
    """Without properties, constructors, lambdas and comprehensions."""


def main() -> None:
    """Print the figures."""
    with tempfile.TemporaryDirectory() as directory:
        entered = entered_by_an_order(Path(directory))
    for name, functions in (
        ("a MARKET order that fills enters", entered.counted),
        ("with properties, constructors …", entered.all),
    ):
        print(f"{name:<34}{len(_files(functions)):>5} files {len(functions):>5} functions")
    lines = sorted(lines_of_server().values())
    print(f"{'lines of README.md':<34}{lines_of_readme():>5}")
    print(f"{'lines of a file of server/':<34}{median(lines):>5.0f} median {lines[-1]:>4} max")
    print(f"{'formatter overrides':<34}{formatter_overrides():>5}")
    if "--list" in sys.argv[1:]:
        for name, count in sorted(_files(entered.counted).items()):
            print(f"\n{name}: {count}")
            print(*sorted(f"  {it}" for file, it in entered.counted if file == name), sep="\n")


def entered_by_an_order(directory: Path) -> Entered:
    """Place two orders through the engine; return what the second enters, from `handle` on.

    The first one fills the caches. Both fill at once.
    """
    settings = Settings(data_dir=directory, seed=1)
    bring_up_to_date(settings.location)
    parts = build(settings.for_engine())
    codes: set[CodeType] = set()

    def enter(frame: FrameType, event: str, _: object) -> None:
        if event == "call":
            codes.add(frame.f_code)

    try:
        parts.service.handle([], passing=True)
        account_id, key_id = customer(parts)
        parts.service.handle([market_order(1, account_id, key_id)])
        call, before = market_order(2, account_id, key_id), sys.getprofile()
        sys.setprofile(enter)
        try:
            frames = parts.service.handle([call])
        finally:
            sys.setprofile(before)
    finally:
        parts.close()
    *_, frame = FrameBuffer().feed(b"".join(frames))
    order = bot_trading_pb2.PlaceOrderResponse.FromString(unpack_answer(frame).body).order
    assert order.filled_quantity == order.quantity, order
    ours = {code for code in codes if Path(code.co_filename).is_relative_to(SERVER)}
    return Entered(
        all=frozenset(map(_named, ours)),
        counted=frozenset(_named(code) for code in ours if _is_counted(code)),
    )


def lines_of_server() -> dict[str, int]:
    """Return the number of lines of each module of `server/` that is not empty."""
    texts = {str(it.relative_to(ROOT)): it.read_text() for it in SERVER.rglob("*.py")}
    return {name: text.count("\n") for name, text in texts.items() if text}


def lines_of_readme() -> int:
    """Return the number of lines of the README."""
    return (ROOT / "README.md").read_text().count("\n")


def formatter_overrides() -> int:
    """Return the number of lines that the formatter must leave alone."""
    files = [
        path
        for folder in FOLDERS
        for path in (ROOT / folder).rglob("*.py")
        if "node_modules" not in path.parts
    ]
    return sum(path.read_text().count(FORMATTER_OVERRIDE) for path in files)


def _files(functions: frozenset[tuple[str, str]]) -> Counter[str]:
    return Counter(file for file, _ in functions)


def _named(code: CodeType) -> tuple[str, str]:
    return str(Path(code.co_filename).relative_to(ROOT)), code.co_qualname


def _is_counted(code: CodeType) -> bool:
    if code.co_name in CONSTRUCTORS or code.co_name.startswith("<"):
        return False
    *owners, name = code.co_qualname.split(".")
    found: object = next(
        it for it in sys.modules.values() if getattr(it, "__file__", None) == code.co_filename
    )
    for owner in owners:
        found = getattr(found, owner, None)  # Local functions are not found by name.
    kind = inspect.getattr_static(found, name, None)
    return not isinstance(kind, property | cached_property)


if __name__ == "__main__":
    main()
