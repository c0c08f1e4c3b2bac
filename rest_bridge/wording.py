"""Wording of refusals over REST: names of gRPC calls become routes, which callers here know."""

import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import TypeAlias

from rest_bridge.errors import Refusal
from rest_bridge.routes import Route

Wording: TypeAlias = Callable[[Refusal], Refusal]


def rest_wording(routes: Iterable[Route]) -> Wording:
    """Return a function that changes a refusal's texts: ListInstruments becomes `GET /instruments`.

    Text in quotation marks came from the caller and stays.
    """
    calls: dict[str, str] = {}
    for route in routes:
        calls.setdefault(route.method.name, f"{route.verb} {route.path}")
    named = re.compile(rf'"[^"]*"|\b({"|".join(calls)})\b')

    def text(said: str) -> str:
        return named.sub(lambda it: calls[it[1]] if it[1] else it[0], said)

    def word(refused: Refusal) -> Refusal:
        refused.message = text(refused.message)
        refused.violations = tuple(
            replace(one, message=text(one.message)) for one in refused.violations
        )
        return refused

    return word
