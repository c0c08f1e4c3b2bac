"""Sets of trails: orders that one engine accepted share their groups, also after they moved.

A set are the shards whose orders follow the same marks, because their groups are numbered together.
Each set belongs to one engine: an engine that takes a part of it follows a copy of its marks. So no
row of an order changes when a shard moves.
"""

from collections.abc import Collection, Mapping, Sequence
from itertools import chain
from typing import TypeAlias

from server.application.staging import Stage
from server.domain.matching import Reach
from server.domain.order import Order
from server.domain.resting import RestingPrices
from server.domain.sharding import SHARDS
from server.domain.values import Price
from server.domain.watermarks import Reached, Watermarks
from server.storage import statements
from server.storage.session import Session
from server.storage.sql import Query, shards_text
from server.storage.trails import Line, MarksKey, Trails, row_of

_IDS = Query("SELECT shard, marks_id FROM shards WHERE shard < :shards_max")
_NEW_ID = Query("SELECT gen_random_uuid()::text")
_COPY = Query(
    "INSERT INTO trails SELECT :new, symbol, side, marks FROM trails WHERE marks_id = :old"
)
_GIVE_ID = Query("UPDATE shards SET marks_id = :new WHERE shard = ANY(:shards::integer[])")
_DROP_UNUSED = Query(
    "DELETE FROM trails"
    " WHERE NOT EXISTS (SELECT FROM shards WHERE shards.marks_id = trails.marks_id)"
)


class TrailSets:
    """The trails of an engine that owns shards of a venue: those of each set, as one."""

    def __init__(self, sets: Mapping[str, frozenset[int]], session: Session) -> None:
        """Read the sets, which are shards by the id of their marks."""
        self._sets = [Trails(session, name, shards_text(own)) for name, own in sets.items()]
        own_sets = zip(sets.values(), self._sets, strict=True)
        self._by_shard = {shard: each for own, each in own_sets for shard in own}
        # The shards of the accounts whose trailing orders this engine knows.
        self._shards: dict[str, int] = {}

    def know(self, account_id: str, shard: int) -> None:
        """Take note of the shard of an account, before one of its orders is named."""
        self._shards[account_id] = shard

    def misses(self, symbol: str, bid: Price, ask: Price) -> bool:
        return all(it.misses(symbol, bid, ask) for it in self._sets)

    def follow(self, reach: Reach, stage: Stage) -> Sequence[tuple[Trails, Line, Reached]]:
        return list(chain.from_iterable(it.follow(reach, stage) for it in self._sets))

    def join(self, order: Order, number: int | None, stage: Stage) -> int:
        return self._by_shard[self._shards[order.account_id]].join(order, number, stage)

    def leave(self, order: Order, stage: Stage) -> None:
        self._by_shard[self._shards[order.account_id]].leave(order, stage)

    def current(self, order: Order, number: int) -> Order:
        """Return an order with the stop that it has by now; that of a foreign shard as it is."""
        followed = self._by_shard.get(self._shards[order.account_id])
        return order if followed is None else followed.current(order, number)

    def widen(self, symbol: str, prices: RestingPrices) -> RestingPrices:
        for it in self._sets:
            prices = it.widen(symbol, prices)
        return prices

    def unstored(self) -> Mapping[MarksKey, Watermarks]:
        return {key: marks for it in self._sets for key, marks in it.unstored().items()}

    def stored(self, stage: Stage) -> None:
        for it in self._sets:
            it.stored(stage)


AnyTrails: TypeAlias = Trails | TrailSets
"""The trails of a file, or of an engine of PostgreSQL."""


def store_marks(unstored: Mapping[MarksKey, Watermarks], session: Session) -> None:
    """Store the best prices that are not stored yet."""
    session.bulk(statements.STORE_MARKS, [row_of(*each) for each in unstored.items()])


def separate(shards: Collection[int], session: Session) -> None:
    """Let some shards share no marks with others: where they do, they follow a copy."""
    for name, own in sets_of(session).items():
        apart = own & set(shards)
        if apart and apart != own:
            new = new_id(session)
            session.run(_COPY, {"new": new, "old": name})
            give_id(new, apart, session)


def new_id(session: Session) -> str:
    """Return an id for marks."""
    ((made,),) = session.all(_NEW_ID)
    return str(made)


def give_id(marks_id: str, shards: Collection[int], session: Session) -> None:
    """Let shards follow other marks."""
    session.run(_GIVE_ID, {"new": marks_id, "shards": shards_text(shards)})


def followed(shards: Collection[int], session: Session) -> TrailSets:
    """Return the trails of some shards, which must share no marks with others."""
    found = sets_of(session)
    return TrailSets({name: own for name, own in found.items() if own & set(shards)}, session)


def drop_unused(session: Session) -> None:
    """Drop marks that no shard follows any more."""
    session.run(_DROP_UNUSED, {})


def sets_of(session: Session) -> dict[str, frozenset[int]]:
    """Return the shards that follow the same marks, by the id of the marks."""
    found: dict[str, set[int]] = {}
    for shard, name in session.all(_IDS, {"shards_max": SHARDS}):
        found.setdefault(name or "", set()).add(shard)
    return {name: frozenset(own) for name, own in found.items()}
