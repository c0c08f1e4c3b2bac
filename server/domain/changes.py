"""Copies of frozen values, and many new ones: faster than the constructors of dataclasses."""

from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields, make_dataclass
from functools import cache
from operator import attrgetter
from typing import Any, TypeVar

from server.domain.invariants import BrokenInvariant

Value = TypeVar("Value")


def changed(value: Value, **changes: Any) -> Value:
    """Return a copy with some fields changed, in a fifth of the time of `dataclasses.replace`.

    The value must be a frozen dataclass with two slots or more and without `__post_init__`.
    """
    kind: Any = type(value)
    read, twin = _copier(kind)
    copy = twin(*read(value))
    try:
        for name, new in changes.items():
            setattr(copy, name, new)
    except AttributeError as error:
        raise BrokenInvariant(f"{kind.__name__} has no {name}") from error
    copy.__class__ = kind
    return copy  # type: ignore[no-any-return]


def maker(kind: type[Value]) -> Callable[..., Value]:
    """Return a function that makes a value of its fields in order, in a tenth of the usual time.

    The kind must be a frozen dataclass with slots and without `__post_init__`.
    """
    defaults = {it.name: it.default for it in fields(kind) if it.default is not MISSING}  # type: ignore[arg-type]
    twin = _twin(kind, defaults)

    def make(*values: Any) -> Value:
        made = twin(*values)
        made.__class__ = kind
        return made  # type: ignore[no-any-return]

    return make


@cache
def _copier(kind: Any) -> tuple[Callable[[Any], tuple[Any, ...]], Any]:
    return attrgetter(*kind.__slots__), _twin(kind, {})


def _twin(kind: Any, defaults: Mapping[str, Any]) -> Any:
    """Return a class with the slots of a frozen one, whose objects can take the frozen class.

    A constructor of a frozen class sets each field by a call; that of its twin sets them directly.
    """
    return make_dataclass(kind.__name__, kind.__slots__, namespace={**defaults}, slots=True)
