"""Planting: replaces a named function of the domain by a wrong one, for all its callers."""

import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import FunctionType
from typing import Any, TypeVar

from server.domain import changes

VARIABLE = "PLANTED_BUG"
"""The environment variable that names the bug which a run of the tests has."""

DOMAIN = Path(changes.__file__).parent

Wrong = TypeVar("Wrong", bound=Callable[..., Any])


class BrokenPlant(Exception):
    """A planted bug fails by itself, so what the tests notice is not what it is to do wrong."""


@dataclass(frozen=True, slots=True)
class PlantedBug:
    """A function of the domain, such as `posting.record`, and one that does wrong instead.

    `wrong` takes the right function first, then what that function takes.
    """

    name: str
    function: str
    wrong: Callable[..., Any]


REGISTERED: dict[str, PlantedBug] = {}


def bug_in(function: str) -> Callable[[Wrong], Wrong]:
    """Register the decorated function, whose name says the bug, as the wrong one."""

    def register(wrong: Wrong) -> Wrong:
        name = wrong.__name__.replace("_", " ")
        assert name not in REGISTERED, f"two bugs are named {name!r}"
        REGISTERED[name] = PlantedBug(name, function, wrong)
        return wrong

    return register


def find(bug: PlantedBug) -> FunctionType:
    """Return the function of the domain that a bug names; a method is named with its class."""
    module, *classes, name = bug.function.split(".")
    holder: Any = import_module(f"server.domain.{module}")
    for each in classes:
        holder = vars(holder)[each]
    found = vars(holder)[name]
    function = getattr(found, "__func__", found)
    assert isinstance(function, FunctionType), f"{bug.function} is no function"
    assert function.__module__ == f"server.domain.{module}", f"{bug.function} is imported"
    return function


def plant(bug: PlantedBug) -> Callable[[], None]:
    """Make a function do wrong for all who hold it; the result undoes that.

    The function stays the same object with another code. So the bug reaches modules that import
    the function by name, and tables that hold it.
    """
    function = find(bug)
    right = FunctionType(
        function.__code__, function.__globals__, function.__name__, function.__defaults__
    )
    right.__kwdefaults__ = function.__kwdefaults__

    def wrong(*arguments: Any, **named: Any) -> Any:
        try:
            return bug.wrong(right, *arguments, **named)
        except Exception as failure:
            if _is_of_the_bug(failure):
                raise BrokenPlant(bug.name) from failure
            raise

    function.__globals__["planted_wrong"] = wrong
    function.__code__ = _call_planted.__code__
    function.__defaults__ = function.__kwdefaults__ = None

    def undo() -> None:
        function.__code__ = right.__code__
        function.__defaults__, function.__kwdefaults__ = right.__defaults__, right.__kwdefaults__
        del function.__globals__["planted_wrong"]

    return undo


@contextmanager
def planted(bug: PlantedBug) -> Iterator[None]:
    """Have a bug for the length of a block."""
    undo = plant(bug)
    try:
        yield
    finally:
        undo()


def planted_wrong(*arguments: Any, **named: Any) -> Any:
    """Stand for what `plant` puts into the module of the function that does wrong."""
    raise BrokenPlant("nothing is planted in this module")


def _call_planted(*arguments: Any, **named: Any) -> Any:
    """Do what a planted function does; the name is that of the globals of its module."""
    return planted_wrong(*arguments, **named)


def _is_of_the_bug(failure: Exception) -> bool:
    """Tell whether a failure arose in a bug's own code or from a field that no value has."""
    place = Path(traceback.extract_tb(failure.__traceback__)[-1].filename)
    return place.parent != DOMAIN or place == Path(changes.__file__)
