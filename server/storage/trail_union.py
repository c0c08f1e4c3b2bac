"""The union of trails: one engine that owns all shards numbers the groups of all sets together."""

from itertools import groupby

from server.domain.order import Side
from server.domain.sharding import SHARDS
from server.domain.values import Price
from server.domain.watermarks import Group, Watermarks
from server.storage.session import Session
from server.storage.sql import Query, shards_text
from server.storage.trail_sets import give_id, new_id, sets_of, store_marks
from server.storage.trails import Line, MarksKey, Trails

# `begins` are the first numbers of groups, in order, and `numbers` are the new numbers of each.
_RENUMBER = Query(
    "UPDATE orders"
    " SET trail_number = (:numbers::bigint[])[width_bucket(trail_number, :begins::bigint[])]"
    " WHERE trail_number IS NOT NULL AND symbol = :symbol AND side = :side"
    " AND shard = ANY(:shards::integer[])"
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
    for line in {line for marks in found.values() for line in marks}:
        of_line = {name: marks[line] for name, marks in found.items() if line in marks}
        united[made, line], numbers = _numbered(line[1], of_line)
        for name, marks in of_line.items():
            _renumber(line, marks, numbers[name], shards_text(sets[name]), session)
    give_id(made, range(SHARDS), session)
    store_marks(united, session)


def _numbered(
    side: Side, of_line: dict[str, Watermarks]
) -> tuple[Watermarks, dict[str, dict[int, int]]]:
    """Return all groups, the best price first, and the new number of each by its set and old one.

    Groups with the same best price become one.
    """
    groups = [(it.best, name, it.number) for name, marks in of_line.items() for it in marks.groups]
    groups.sort(key=lambda group: _rank(side, group[0]))
    # No old number is given again, whatever is still stored under it.
    last = max(marks.last for marks in of_line.values())
    united, numbers = list[Group](), {name: dict[int, int]() for name in of_line}
    for number, (best, alike) in enumerate(groupby(groups, key=lambda group: group[0]), last + 1):
        united.append(Group(number=number, best=best))
        for _, name, old in alike:
            numbers[name][old] = number
    return Watermarks(side=side, groups=tuple(united), last=last + len(united)), numbers


def _rank(side: Side, best: Price | None) -> tuple[bool, int]:
    """Return a key that puts the best price first, and what has seen no price last."""
    price = best or 0
    return best is None, -price if side is Side.SELL else price


def _renumber(
    line: Line, marks: Watermarks, numbers: dict[int, int], shards: str, session: Session
) -> None:
    old = [group.number for group in marks.groups]
    if old:
        given = {
            "begins": [1, *(number + 1 for number in old[:-1])],
            "numbers": [numbers[number] for number in old],
            "symbol": line[0],
            "side": line[1].value,
            "shards": shards,
        }
        session.run(_RENUMBER, given)
