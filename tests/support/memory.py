"""What an engine remembers, found by following every attribute of its parts."""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import is_dataclass
from enum import Enum
from types import MethodType
from typing import Any

from server.application.staging import Outbox, Part, Staged, StagedMap

_TOLD = "was told or found out, and stays so whatever is stored"
_SEEN = "was seen of the clock"
_READ = "was read of the file"
_MADE = "is computed from the secret alone"
_ASKED = "is what the calendar says of a moment, whatever is committed"
_WIDE = "claims at most too much of what is stored, which costs a query and changes nothing"
_STORED = "is what is stored, taken over after a commit"

_LOADED = "is what is stored and was live when it was read; a revocation removes it"
_SPENT = "counts at most too many calls: one that is not stored is refused, and stays counted"
_FORESEEN = "grows after a commit only, and claims at most too little of what is stored"

PLAIN = {
    "MarketFeed._look": "is set once, when the engine is built",
    "MarketFeed._sessions": _ASKED,
    "StoppedAccounts.ids": _TOLD,
    "Trading._has_stopped": _TOLD,
    "Trading.is_behind": _TOLD,
    "ClockWatch._trusted": _SEEN,
    "ClockWatch._doubted": _SEEN,
    "ClockWatch._doubted_since": _SEEN,
    "ReplayClock._started": _SEEN,
    "ReplaySource._ahead": _READ,
    "ReplaySource._polled": _READ,
    "ReplaySource.fault": _READ,
    "SimulatedSource._keys": _MADE,
    "SimulatedSource._paths": _MADE,
    "Resting._prices": _WIDE,
    "Resting._expiry": _WIDE,
    "AtRisk._accounts": _WIDE,
    "Writer.accounts": _STORED,
    "Writer.positions": _STORED,
    "Writer.permissions": _STORED,
    "SqliteSession._changes": _STORED,
    "Writer._mark": _STORED,
    "MarkFile._checkpointed": _TOLD,
    "MarkFile._is_failing": _TOLD,
}
"""What changes without being staged, and why it may."""

ON_POSTGRESQL = {
    "PublishedQuotes._failures": "counts what was not committed",
    "Spending._shards": _LOADED,
    "Spending._live_keys": _LOADED,
    "Spending._since": _SEEN,
    "Spending._spenders": _SPENT,
    "Spending._due": _SPENT,
    "Window._moments": _SPENT,
    "Window._assumed": _SPENT,
    "Window._assumed_at": _SPENT,
    "Window._ahead": _FORESEEN,
    "Window._ahead_until": _FORESEEN,
}
"""What else does, in an engine that charges calls."""


def remembered(*roots: object) -> dict[str, Any]:
    """Return copies of all that some objects and their parts hold, but PLAIN, by its name."""
    return {
        name: _copy(value)
        for name, value in _attributes(list(roots))
        if name not in PLAIN | ON_POSTGRESQL and not name.startswith("Events.")
    }


def parts_of_memory(*roots: object) -> list[Part]:
    """Return everything staged that some objects and their parts hold."""
    return [value for _, value in _attributes(list(roots)) if isinstance(value, Part)]


def names_of_memory(*roots: object) -> set[str]:
    """Return the names of all that some objects and their parts hold."""
    return {name for name, _ in _attributes(list(roots))}


def _attributes(waiting: list[object]) -> Iterator[tuple[str, Any]]:
    seen: dict[int, object] = {}
    while waiting:
        owner = waiting.pop()
        if id(owner) in seen:
            continue
        seen[id(owner)] = owner
        for name, value in _held(owner):
            yield f"{type(owner).__name__}.{name}", value
            if f"{type(owner).__name__}.{name}" not in PLAIN | ON_POSTGRESQL:
                waiting += [value, *_bound(value)]


def _held(owner: object) -> Iterator[tuple[str, Any]]:
    kind = type(owner)
    if not kind.__module__.startswith("server.") or isinstance(owner, Enum | Part | type):
        return
    for name in dict.fromkeys([*getattr(owner, "__dict__", ()), *getattr(kind, "__slots__", ())]):
        yield name, getattr(owner, name)


def _bound(value: object) -> list[object]:
    return [value.__self__] if isinstance(value, MethodType) else []


def _copy(value: object) -> object:
    match value:
        case Staged():
            return value.committed, value.value
        case StagedMap():
            return dict(value.all()), vars(value)["_committed"].copy()
        case Outbox():
            return [list(vars(value)[layer]) for layer in ("_open", "_saved", "_committed")]
        case dict() | list() | set() | deque():
            return value.copy()
    is_value = is_dataclass(value) or isinstance(value, str | int | float | tuple | frozenset)
    return value if is_value or value is None or isinstance(value, Callable) else id(value)  # type: ignore[arg-type]
