"""The union of trails: one engine that owns all shards numbers the groups of all sets together."""

from itertools import groupby
from typing import TypeAlias

from server.domain.order import Side
from server.domain.sharding import SHARDS
from server.domain.values import Price
from server.domain.watermarks import Group, Watermarks
from server.storage.session import Session
from server.storage.sql import Query, shards_text
from server.storage.trail_sets import give_id, new_id, sets_of, store_marks
from server.storage.trails import Line, MarksKey, Trails

Numbers: TypeAlias = list[tuple[Line, int, int, int]]
"""Spans of old numbers, from the one after the first up to the second, and their new number."""

# All rows are read once: the spans of a symbol would be searched one after the other.
_SEARCH_ONCE = Query("SET LOCAL enable_hashjoin = on")
_RENUMBER = Query(
    "UPDATE orders SET trail_number = given.number FROM"
    " unnest(:symbols::text[], :sides::text[], :after::bigint[], :until::bigint[],"
    " :numbers::bigint[]) AS given (symbol, side, after, until, number)"
    " WHERE orders.trail_number IS NOT NULL AND orders.shard = ANY(:shards::integer[])"
    " AND orders.symbol = given.symbol AND orders.side = given.side"
    " AND orders.trail_number > given.after AND orders.trail_number <= given.until"
)


def unite(session: Session) -> None:
    """Let all shards follow the same marks.

    It takes a time that grows with the orders that trail. The engine must know no trails yet.
    """
    sets = sets_of(session)
    if len(sets) == 1:
        return
    found = {name: Trails(session, name, shards_text(own)).all() for name, own in sets.items()}
    made, united = new_id(session), dict[MarksKey, Watermarks]()
    numbers: dict[str, Numbers] = {name: [] for name in sets}
    for line in {line for marks in found.values() for line in marks}:
        of_line = {name: marks[line] for name, marks in found.items() if line in marks}
        united[made, line] = _numbered(line, of_line, numbers)
    session.run(_SEARCH_ONCE, {})
    for name, own in sets.items():
        _store(numbers[name], shards_text(own), session)
    give_id(made, range(SHARDS), session)
    store_marks(united, session)


def _numbered(
    line: Line, of_line: dict[str, Watermarks], numbers: dict[str, Numbers]
) -> Watermarks:
    """Return the groups of all sets with new numbers, the best price first; note the numbers."""
    spans: list[tuple[Price | None, str, int, int]] = []
    for name, marks in of_line.items():
        after = 0
        for group in marks.groups:
            spans.append((group.best, name, after, group.number))
            after = group.number
    # No old number is used again: what is not renumbered yet must not look like what is.
    last = max(marks.last for marks in of_line.values())
    groups = []
    ordered = sorted(spans, key=lambda span: _rank(line[1], span[0]))
    for number, (_, alike) in enumerate(groupby(ordered, key=lambda span: span[0]), last + 1):
        together = list(alike)
        groups.append(Group(number=number, best=together[0][0]))
        for _, name, after, until in together:
            numbers[name].append((line, after, until, number))
    return Watermarks(side=line[1], groups=tuple(groups), last=last + len(groups))


def _rank(side: Side, best: Price | None) -> tuple[bool, int]:
    """Return a key that puts the best price first, and what has seen no price last."""
    price = best or 0
    return best is None, -price if side is Side.SELL else price


def _store(numbers: Numbers, shards: str, session: Session) -> None:
    if numbers:
        given = {
            "symbols": [line[0] for line, *_ in numbers],
            "sides": [line[1].value for line, *_ in numbers],
            "after": [after for _, after, _, _ in numbers],
            "until": [until for _, _, until, _ in numbers],
            "numbers": [number for *_, number in numbers],
            "shards": shards,
        }
        session.run(_RENUMBER, given)
