"""The unit of work: one transaction that loads in bulk, caches, and stores in bulk."""

import logging
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from sqlalchemy import insert, select

from server.application.ownership import ForeignShard
from server.application.ports import Shown
from server.application.staging import Stage
from server.domain.account import Account, MarginMode, Position
from server.domain.events import OrderUpdated
from server.domain.order import Order, OrderType
from server.domain.posting import Decision
from server.domain.sharding import shard_of
from server.domain.user import Permissions
from server.domain.watermarks import Watermarks
from server.storage import curve_mapping, mapping, statements
from server.storage.at_risk import AtRisk
from server.storage.commit_mark import CommitMark, checked_mark, mark_path
from server.storage.database import DatabaseError, open_session
from server.storage.location import Location
from server.storage.margin_rows import MarginRows
from server.storage.pending import EventEncoder, Pending
from server.storage.people import People
from server.storage.published_rows import PublishedRows
from server.storage.resting import Resting
from server.storage.searches import Searches
from server.storage.session import Session
from server.storage.step_rows import StepRows
from server.storage.tables import accounts, inflows, orders
from server.storage.trail_notes import TrailNotes
from server.storage.trail_sets import AnyTrails, TrailSets
from server.storage.trails import MarksKey, Trails
from server.storage.usage_rows import UsageRows

log = logging.getLogger(__name__)

POSITIONS_REMEMBERED_MAX = 100_000

K = TypeVar("K")
V = TypeVar("V")


class Writer:
    """The connection that writes, and a cache of what is stored.

    Nobody else writes what belongs to its shards, so an account or position that this connection
    stored is not read again.
    """

    def __init__(self, where: Location, encode_event: EventEncoder) -> None:
        """Raise StorageDamaged if committed transactions are missing from the database."""
        self.session: Session = open_session(where)
        try:
            self._mark = checked_mark(self.session.connection, where)
            self.session.rollback()
        except DatabaseError as error:
            raise self.session.failure(error) from error
        self._mark_file = MarkFile(where, self._mark)
        self.end_transaction = self.session.commit
        self.encode_event = encode_event
        self.accounts: dict[str, Account] = {}
        self.positions: dict[tuple[str, str], Position] = {}
        self.permissions: dict[str, Permissions | None] = {}
        self.resting = Resting(self.session)
        is_alone = self.session.shards == 1
        self.trails: AnyTrails = Trails(self.session) if is_alone else TrailSets({}, self.session)
        self.at_risk = AtRisk(self.session)

    @property
    def replica_id(self) -> str:
        """Return the id of this replica; empty for a file."""
        return self._mark.replica_id

    def close(self) -> None:
        """Close the mark and the connection."""
        if self.session.connection.closed:
            return
        self._mark_file.close()
        self.session.close()

    def remember(
        self,
        accounts: dict[str, Account],
        positions: dict[tuple[str, str], Position],
        permissions: dict[str, Permissions | None],
    ) -> None:
        """Cache what is now stored."""
        if len(self.positions) > POSITIONS_REMEMBERED_MAX:
            self._empty()
        self.accounts.update(accounts)
        self.positions.update(positions)
        self.permissions.update(permissions)

    def forget(self) -> None:
        """Empty the cache, so that everything is read anew."""
        self.resting.forget()
        self.at_risk.forget()
        self._empty()

    def _empty(self) -> None:
        self.accounts.clear()
        self.positions.clear()
        self.permissions.clear()

    def commit(self) -> None:
        """Commit the transaction; if it wrote anything, number it and write the commit mark."""
        if not self.session.has_written:
            self.end_transaction()
            return
        mark = replace(self._mark, number=self._mark.number + 1)
        row = {
            "database_id": mark.database_id,
            "replica_id": mark.replica_id,
            "number": mark.number,
        }
        self.session.bulk(statements.NUMBER_COMMIT, [row])
        self.end_transaction()
        self._mark = mark
        self._mark_file.write(mark)


class MarkFile:
    """The mark of a database that is written to.

    It is never ahead of the database, but can be behind. After a power failure it can be as old as
    the last checkpoint, which forces it onto the disk.
    """

    def __init__(self, database: Location, mark: CommitMark) -> None:
        self._path = mark_path(database)
        # The mark is forced onto the disk whenever this file has changed.
        self._file = database if isinstance(database, Path) else None
        self._is_failing = False
        self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        os.ftruncate(self._descriptor, len(mark.line))
        self._checkpointed = 0
        self.write(mark)

    def write(self, mark: CommitMark) -> None:
        """Record that a transaction is committed; a failure to record it is logged as a warning."""
        try:
            os.pwrite(self._descriptor, mark.line, 0)
            if self._file is None:
                return
            # The database file itself, unlike its log, changes only by checkpoints.
            changed = self._file.stat().st_mtime_ns
            if changed != self._checkpointed:
                os.fdatasync(self._descriptor)
                self._checkpointed = changed
        except OSError as error:
            if not self._is_failing:
                log.warning("%s cannot be written: %s", self._path, error)
            self._is_failing = True

    def close(self) -> None:
        """Force the mark onto the disk and close its file."""
        try:
            os.fdatasync(self._descriptor)
        finally:
            os.close(self._descriptor)


class SqlUnitOfWork(TrailNotes, Searches, People, MarginRows, StepRows, UsageRows, PublishedRows):
    """One transaction on the writing connection; only one may be open at a time."""

    def __init__(self, writer: Writer) -> None:
        People.__init__(self, writer.session.connection)
        self._writer = writer
        self.stage = Stage()
        self._committed = False
        self._store_before_step: Callable[[], None] | None = None
        self._accounts: dict[str, Account] = {}
        self._foreign: dict[str, int] = {}
        self._positions: dict[tuple[str, str], Position] = {}
        self._orders: dict[str, Order] = {}
        self._client_ids: dict[tuple[str, str], str | None] = {}
        self._decided: set[str] = set()
        self._session, self._resting, self._trails = writer.session, writer.resting, writer.trails
        self._at_risk = writer.at_risk
        self._trail_numbers: dict[str, int | None] = {}
        self._trails_before_step: Mapping[MarksKey, Watermarks] | None = None
        self._pending = Pending(
            writer.session,
            writer.encode_event,
            self._accounts,
            self._positions,
            self._orders,
            self._trail_numbers,
        )
        self.grown_logs: set[str] = set()

    def __enter__(self) -> Self:
        try:
            self._session.begin()
        except DatabaseError as error:
            raise self._session.failure(error) from error
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            self.stage.drop()
            if not self._committed:
                self._writer.forget()
                self._session.rollback()
        except DatabaseError as failure:
            raise self._session.failure(failure) from failure
        if isinstance(error, Exception):
            told = self._session.failure(error)
            if told is not error:
                raise told from error

    def commit(self) -> None:
        try:
            self._pending.write()
            grown = self._pending.write_events()
            self._writer.commit()
        except DatabaseError as error:
            raise self._session.failure(error) from error
        self._committed = True
        self._writer.remember(self._accounts, self._positions, self.permissions)
        self.stage.publish()
        self.grown_logs |= grown

    @contextmanager
    def step(self, store: Callable[[], None]) -> Iterator[None]:
        with self.stage.step():
            self._store_before_step = store
            self._trails_before_step = self._trails.unstored()
            yield
            self._store_before_step = self._trails_before_step = None

    def checkpoint(self) -> None:
        if self._store_before_step is not None:
            self._store_before_step()
        self.commit()
        self._committed = False
        self._orders.clear()
        self._client_ids.clear()
        self._trail_numbers.clear()
        self.__enter__()

    def preload(
        self,
        holdings: Sequence[tuple[str, str]],
        client_order_ids: Sequence[tuple[str, str]] = (),
        bot_key_ids: Iterable[str] = (),
    ) -> None:
        stored = self._writer
        names = _rest({account_id for account_id, _ in holdings}, self._accounts, stored.accounts)
        pairs = _rest(holdings, self._positions, stored.positions)
        if names or pairs:
            self._load(names, pairs)
        # The permissions of a key never change until it is revoked, so they are read once.
        keys = _rest(bot_key_ids, self.permissions, stored.permissions)
        if keys:
            self.load_permissions(keys)
        wanted = [pair for pair in set(client_order_ids) if pair not in self._client_ids]
        self._client_ids.update(dict.fromkeys(wanted))
        rows = self._session.rows(statements.SELECT_BY_CLIENT_ID, wanted) if wanted else ()
        for row in rows:
            self._remember(row)

    def account(self, account_id: str) -> Account:
        if account_id not in self._accounts:
            self._load({account_id}, set())
            self._own(self._foreign.get(account_id))
        return self._accounts[account_id]

    def position(self, account_id: str, symbol: str) -> Position:
        if (account_id, symbol) not in self._positions:
            self.preload([(account_id, symbol)])
        return self._positions[account_id, symbol]

    def order(self, account_id: str, order_id: str) -> Order | None:
        found = self._orders.get(order_id)
        if found is not None:
            found = self._as_now(found)
        else:
            row = self._connection.execute(
                select(orders).where(orders.c.account_id == account_id, orders.c.id == order_id)
            ).one_or_none()
            found = None if row is None else self._remember(row)
        return found if found is not None and found.account_id == account_id else None

    def order_by_client_id(self, account_id: str, client_order_id: str) -> Order | None:
        key = (account_id, client_order_id)
        if key not in self._client_ids:
            self.preload([], [key])
        order_id = self._client_ids[key]
        return None if order_id is None else self._as_now(self._orders[order_id])

    def keep(self, decision: Decision) -> dict[str, Shown]:
        account, pending = decision.account, self._pending
        if decision.is_new_account:
            values = mapping.account_values(account)
            if self._session.shards > 1:
                values["shard"] = self._own(shard_of(account.user_id))
            self._connection.execute(insert(accounts), values)
        elif account.id not in pending.accounts:
            pending.accounts[account.id] = self.account(account.id).sequence
        self._accounts[account.id] = account
        for symbol, position in decision.positions.items():
            self._positions[account.id, symbol] = position
            pending.positions.add((account.id, symbol))
        for order_id, order in decision.orders.items():
            self._orders[order_id] = order
            self._decided.add(order_id)
            if order.status.is_live:
                self._resting.add(order)
            if order.order_type is OrderType.TRAILING_STOP:
                self._note_trail(order)
            is_new = order_id in decision.new_orders
            (pending.new_orders if is_new else pending.changed_orders).add(order_id)
            if is_new and order.client_order_id is not None:
                self._client_ids[account.id, order.client_order_id] = order_id
        if account.margin_mode is MarginMode.MARGIN:
            self._at_risk.add(decision)
        if decision.inflow is not None:
            values = curve_mapping.inflow_values(decision.inflow)
            self._connection.execute(insert(inflows), values)
        shown: dict[str, Shown] = {}
        for event in decision.events:
            order_shown = pending.add_event(event)
            if isinstance(event, OrderUpdated):
                shown[event.order.id] = order_shown
        return shown

    def end_group(self) -> None:
        self._pending.end_group()

    def _load(self, names: set[str], pairs: set[tuple[str, str]]) -> None:
        wanted = [(name,) for name in names]
        owned = self._session.owned
        for row in self._session.rows(statements.SELECT_ACCOUNTS, wanted) if names else ():
            if owned is None or row.shard in owned:
                self._accounts[row.id] = mapping.account_from(row)
            else:
                self._foreign[row.id] = row.shard
        held = list(pairs)
        for row in self._session.rows(statements.SELECT_POSITIONS, held) if pairs else ():
            self._positions[row.account_id, row.symbol] = mapping.position_from(row)
        for account_id, symbol in pairs:
            self._positions.setdefault(
                (account_id, symbol), Position(account_id=account_id, symbol=symbol)
            )

    def _own(self, shard: int | None) -> int:
        """Return a shard; raise ForeignShard if another engine owns it."""
        owned = self._session.owned
        if shard is None or owned is None or shard in owned:
            return shard or 0
        raise ForeignShard(shard)

    def _remember(self, row: Any) -> Order:
        """Cache the order of a row; return this unit's version of it, which may be newer."""
        if row.id not in self._orders:
            self._orders[row.id] = mapping.order_from(row)
            if row.trail_number is not None:
                self._trails.know(row.account_id, row.shard)
                self._trail_numbers[row.id] = row.trail_number
        if row.client_order_id is not None:
            self._client_ids[row.account_id, row.client_order_id] = row.id
        return self._as_now(self._orders[row.id])

    def _as_now(self, order: Order) -> Order:
        number = self._trail_numbers.get(order.id)
        return order if number is None else self._trails.current(order, number)


def _rest(wanted: Iterable[K], known: dict[K, V], stored: Mapping[K, V]) -> set[K]:
    """Add the wanted stored values to the known ones; return the keys that are not stored."""
    missing: set[K] = set()
    for key in wanted:
        if key in known:
            continue
        if key in stored:
            known[key] = stored[key]
        else:
            missing.add(key)
    return missing
