"""The shared venue: how an engine of PostgreSQL owns some shards while other engines own the rest.

The locks of the writing session decide who owns what. The tables `engines` and `shards` only tell
fronts where to find the owners.
"""

import logging
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import Any

import orjson

from server.application.ports import Clock, StorageBroken, StorageUnavailable
from server.domain.invariants import BrokenInvariant
from server.domain.sharding import MARKET, SHARDS
from server.domain.sharing import moves
from server.domain.values import MILLISECOND, Micros
from server.storage import trail_sets
from server.storage.joining import CannotJoin, expect_same
from server.storage.ownership import Member
from server.storage.postgresql import JOINING_LOCK, LOCK_SPACE
from server.storage.postgresql_session import PostgresSession
from server.storage.replica import REPLICA_ID_FILE
from server.storage.sql import Query, shards_text
from server.storage.trail_union import unite
from server.storage.unit_of_work import Writer

log = logging.getLogger(__name__)

LOOK_EVERY: Micros = 200 * MILLISECOND
"""A dead engine's shards are taken after this time and that which its connection takes to end."""

FIRST_OF_ENGINES = MARKET + 1
"""Each engine also holds a lock of its own, which tells that it is alive; they begin here."""

_LOOK = """
SELECT locks.objid::bigint, engines.id
FROM pg_locks AS locks LEFT JOIN engines ON engines.pid = locks.pid
WHERE locks.locktype = 'advisory' AND locks.classid = %s AND locks.granted
AND locks.database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""
_ENTER = Query(
    "INSERT INTO engines (id, address, pid, since, version, terms)"
    " VALUES (:id, :address, :pid, :since, :version, :terms)"
    " ON CONFLICT (id) DO UPDATE SET address = excluded.address, pid = excluded.pid,"
    " since = excluded.since, version = excluded.version, terms = excluded.terms"
)
_ALONE = Query(f"SELECT pg_advisory_xact_lock({JOINING_LOCK})")
_OTHERS = Query(
    "SELECT address, terms FROM engines WHERE id <> :id AND pid IN"
    " (SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND classid = :space AND granted"
    " AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))"
)
_TWIN = Query(
    "SELECT id, address, pid FROM engines WHERE (id = :id OR address = :address) AND pid <> :pid"
    " AND EXISTS"
    " (SELECT FROM pg_locks WHERE locktype = 'advisory' AND classid = :space AND granted"
    " AND objid::bigint = :first + engines.pid"
    " AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))"
)
# A backend can have the number of one that ended long ago.
_DROP_SAME_PID = Query("DELETE FROM engines WHERE pid = :pid AND id <> :id")
_LEAVE = Query("UPDATE shards SET engine_id = NULL WHERE engine_id = :id")
_OWN = Query("UPDATE shards SET engine_id = :id WHERE shard = ANY(:shards::integer[])")


class SharedVenue:
    """The shards that this engine owns, and its fair share of them.

    `before_giving` is called with shards before they are given up, outside of a transaction.
    """

    def __init__(self, writer: Writer, member: Member, monotonic: Clock) -> None:
        """Let the other engines know this one; it owns nothing yet.

        Raises CannotJoin if another engine has other terms, or the id or address of this one.
        """
        if not isinstance(writer.session, PostgresSession):
            raise BrokenInvariant("a file has one engine")
        self._writer, self._session = writer, writer.session
        self._id = writer.replica_id
        self._monotonic = monotonic
        self._look_at: Micros | None = None
        self._owned = frozenset[int]()
        self.before_giving: Callable[[Collection[int]], None] = lambda _: None
        with self._failing():
            self._session.wait_for_lock(FIRST_OF_ENGINES + self._session.pid)
            with self._transaction():
                twins = self._twins(member)
            for twin in twins:
                # The session of the engine before this one may be about to end.
                if self._session.wait_for_lock(FIRST_OF_ENGINES + twin.pid):
                    self._session.free_locks([FIRST_OF_ENGINES + twin.pid])
            self._enter(member)

    @property
    def owns_all(self) -> bool:
        return self._session.owned is None

    def owns(self, shard: int) -> bool:
        return shard in self._owned

    def due_in(self) -> Micros:
        """Return in how long `look` has something to do."""
        return 0 if self._look_at is None else max(self._look_at - self._monotonic(), 0)

    def look(self) -> bool:
        is_first, now = self._look_at is None, self._monotonic()
        if self._look_at is not None and now < self._look_at:
            return False
        self._look_at = now + LOOK_EVERY
        with self._failing():
            holders = {
                number: name or ""
                for number, name in self._session.look(_LOOK, (LOCK_SPACE,))
                if number >= 0
            }
            engines = {name for name in holders.values() if name}
            if is_first and engines == {self._id}:
                # Locks of sessions that are about to end, as that of this replica before.
                return self._take(range(MARKET + 1), holders)
            owners = {number: name for number, name in holders.items() if number < SHARDS}
            wanted = moves(self._id, engines, owners)
            if wanted.give:
                self._give(wanted.give)
            # One engine owns the market until it ends, whichever finds it free.
            free = wanted.take | ({MARKET} - holders.keys())
            has_taken = bool(free) and self._take(free)
        return bool(wanted.give) or has_taken

    def leave(self) -> None:
        """Give up everything, so that others need not wait; the session must be closed then."""
        try:
            with self._failing():
                self._give(self._owned)
        except (StorageUnavailable, StorageBroken) as error:
            log.warning("The shards of this engine are not handed over: %s", error)

    def _enter(self, member: Member) -> None:
        given = {
            "id": self._id,
            "pid": self._session.pid,
            "address": member.address,
            "since": member.since,
            "version": member.version,
            "terms": member.terms,
        }
        with self._transaction():
            # Two that enter at the same moment must not miss each other.
            self._session.run(_ALONE, {})
            for twin in self._twins(member):
                _refuse_twin(twin, self._id, member.address)
            others = self._session.found(_OTHERS, {"id": self._id, "space": LOCK_SPACE})
            expect_same(
                orjson.loads(member.terms or "{}"),
                {row.address: orjson.loads(row.terms or "{}") for row in others},
            )
            self._session.run(_DROP_SAME_PID, given)
            self._session.run(_ENTER, given)
            self._session.run(_LEAVE, given)

    def _twins(self, member: Member) -> list[Any]:
        """Return the other engines that are alive and have the id or the address of this one."""
        given = {"id": self._id, "address": member.address, "pid": self._session.pid}
        given |= {"space": LOCK_SPACE, "first": FIRST_OF_ENGINES}
        return list(self._session.found(_TWIN, given))

    def _take(self, numbers: Collection[int], awaited: Collection[int] = ()) -> bool:
        """Take what is free, or is freed in time if it is awaited; tell whether anything was."""
        taken = self._session.try_locks(numbers)
        for number in numbers:
            if number not in taken and number in awaited:
                if not self._session.wait_for_lock(number):
                    break
                taken.add(number)
        if not taken:
            return False
        begins = not self._owned
        with self._transaction():
            trail_sets.store_marks(self._writer.trails.unstored(), self._session)
            self._session.run(_OWN, {"id": self._id, "shards": shards_text(taken)})
            trail_sets.separate(self._owned | taken, self._session)
            if begins and taken.issuperset(range(SHARDS)):
                unite(self._session)
            self._begin_anew(self._owned | taken)
            trail_sets.drop_unused(self._session)
        log.info("This engine took %s.", _told(taken))
        return True

    def _give(self, numbers: Collection[int]) -> None:
        """Give up shards, and store all that the next owner needs before."""
        self.before_giving(numbers)
        with self._transaction():
            trail_sets.store_marks(self._writer.trails.unstored(), self._session)
            self._session.run(_OWN, {"id": None, "shards": shards_text(numbers)})
            trail_sets.separate(numbers, self._session)
            self._begin_anew(self._owned - set(numbers))
        self._session.free_locks(numbers)
        log.info("This engine gave up %s.", _told(numbers))

    def _begin_anew(self, owned: frozenset[int]) -> None:
        """Forget what is remembered, and know the trails of other shards."""
        self._owned = owned
        shards = frozenset(shard for shard in owned if shard < SHARDS)
        self._session.own(shards)
        self._writer.forget()
        self._writer.trails = trail_sets.followed(shards, self._session)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._session.begin()
        try:
            yield
            self._session.commit()
        except BaseException:
            self._session.rollback()
            raise

    @contextmanager
    def _failing(self) -> Iterator[None]:
        """Let failures be those of a storage."""
        try:
            yield
        except Exception as error:
            told = self._session.failure(error)
            if told is error:
                raise
            raise told from error


def _refuse_twin(twin: Any, own_id: str, address: str) -> None:
    """Refuse to take the place of an engine that is alive."""
    if twin.id != own_id:
        raise CannotJoin(
            f"engine_address: another server of this venue has the same, {address}: calls would"
            " never reach it"
        )
    if twin.address == address:
        # Most likely the engine before this one: PostgreSQL does not know yet that it ended.
        raise StorageUnavailable(
            "the session of the engine before, or of a copied server, lives on"
        )
    raise CannotJoin(
        f"data_dir: is a copy of that of the server at {twin.address}, which runs: delete"
        f" {REPLICA_ID_FILE} and the commit mark from the copy"
    )


def _told(numbers: Collection[int]) -> str:
    shards = sum(number < SHARDS for number in numbers)
    return f"{shards} shards and the market" if MARKET in numbers else f"{shards} shards"
