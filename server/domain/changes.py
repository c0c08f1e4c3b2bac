"""Changed copies of frozen values: what most of deciding an order is made of."""

from functools import cache
from typing import Any, TypeVar

from server.domain.invariants import BrokenInvariant

Value = TypeVar("Value")


def changed(value: Value, **changes: Any) -> Value:
    """Return a copy with some fields changed, like `dataclasses.replace`, in a third of its time.

    For frozen dataclasses with slots and nothing to do after their initialisation.
    """
    kind: Any = type(value)
    fields, names = _fields(kind)
    if not changes.keys() <= names:
        raise BrokenInvariant(f"{kind.__name__} has no {changes.keys() - names}")
    copy: Value = object.__new__(kind)
    for name, read, write in fields:
        write(copy, changes[name] if name in changes else read(value))
    return copy


@cache
def _fields(kind: type) -> tuple[list[tuple[str, Any, Any]], frozenset[str]]:
    slots = [(name, getattr(kind, name)) for name in kind.__slots__]  # type: ignore[attr-defined]
    return [(name, slot.__get__, slot.__set__) for name, slot in slots], frozenset(dict(slots))
