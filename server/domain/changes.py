"""Copies of frozen values, and many new ones: faster than the constructors of dataclasses."""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, TypeVar

from server.domain.invariants import BrokenInvariant

Value = TypeVar("Value")


def changed(value: Value, **changes: Any) -> Value:
    """Return a copy with some fields changed, in a third of the time of `dataclasses.replace`.

    The value must be a frozen dataclass with slots and without `__post_init__`.
    """
    kind: Any = type(value)
    fields, names = _fields(kind)
    if not changes.keys() <= names:
        raise BrokenInvariant(f"{kind.__name__} has no {changes.keys() - names}")
    copy: Value = object.__new__(kind)
    for name, read, write in fields:
        write(copy, changes[name] if name in changes else read(value))
    return copy


def maker(kind: type[Value]) -> Callable[[Sequence[Any]], Value]:
    """Return a function that makes a value of its fields in order, in a third of the usual time.

    The kind must be a frozen dataclass with slots and without `__post_init__`.
    """
    of_kind: Any = kind
    fields, _ = _fields(of_kind)
    new, writers = object.__new__, [write for _, _, write in fields]

    def make(values: Sequence[Any]) -> Value:
        made = new(kind)
        for write, value in zip(writers, values, strict=True):
            write(made, value)
        return made

    return make


@cache
def _fields(kind: type) -> tuple[list[tuple[str, Any, Any]], frozenset[str]]:
    slots = [(name, getattr(kind, name)) for name in kind.__slots__]  # type: ignore[attr-defined]
    return [(name, slot.__get__, slot.__set__) for name, slot in slots], frozenset(dict(slots))
