"""Copies of frozen values, and many new ones: faster than the constructors of dataclasses."""

from collections.abc import Callable
from dataclasses import MISSING, fields, make_dataclass
from functools import cache
from typing import Any, TypeVar

from server.domain.invariants import BrokenInvariant

Value = TypeVar("Value")


def changed(value: Value, **changes: Any) -> Value:
    """Return a copy with some fields changed, in a third of the time of `dataclasses.replace`.

    The value must be a frozen dataclass with slots and without `__post_init__`.
    """
    kind: Any = type(value)
    slots, names = _fields(kind)
    if not changes.keys() <= names:
        raise BrokenInvariant(f"{kind.__name__} has no {changes.keys() - names}")
    copy: Value = object.__new__(kind)
    for name, read, write in slots:
        write(copy, changes[name] if name in changes else read(value))
    return copy


def maker(kind: type[Value]) -> Callable[..., Value]:
    """Return a function that makes a value of its fields in order, in a tenth of the usual time.

    The kind must be a frozen dataclass with slots and without `__post_init__`.
    """
    # The constructor of a frozen class sets each field by a call. That of a twin that is not frozen
    # sets them directly, and its object can take the class, because both have the same slots.
    defaults = {it.name: it.default for it in fields(kind) if it.default is not MISSING}  # type: ignore[arg-type]
    names = kind.__slots__  # type: ignore[attr-defined]
    twin: Any = make_dataclass(kind.__name__, names, namespace=defaults, slots=True)

    def make(*values: Any) -> Value:
        made = twin(*values)
        made.__class__ = kind
        return made  # type: ignore[no-any-return]

    return make


@cache
def _fields(kind: type) -> tuple[list[tuple[str, Any, Any]], frozenset[str]]:
    slots = [(name, getattr(kind, name)) for name in kind.__slots__]  # type: ignore[attr-defined]
    return [(name, slot.__get__, slot.__set__) for name, slot in slots], frozenset(dict(slots))
