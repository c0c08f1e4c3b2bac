"""Ports: what the use cases need from clock, chance, market and storage."""

from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Protocol, Self, TypeAlias

from server.application.listings import FillFilter, Found, OrderFilter
from server.application.margin_ports import MarginRecords
from server.application.people import People
from server.application.published_ports import PublishedRecords
from server.application.spending_ports import SpendingRecords
from server.application.staging import Stage
from server.domain.account import Account, Inflow, Position, Snapshot, SnapshotFilter
from server.domain.bar import Bar, BarFilter, BarInterval, StoredBars
from server.domain.equity_curve import EquityCurve
from server.domain.events import Fill
from server.domain.lock_step import Participant
from server.domain.matching import Reach
from server.domain.order import Order, Side
from server.domain.posting import Decision
from server.domain.quote import Quote
from server.domain.resting import RestingPrices
from server.domain.user import BotKey, Plan, User
from server.domain.values import Micros, Price, Units


class StorageUnavailable(Exception):
    """The database is locked, full or not reachable; nothing was stored."""


class StorageBroken(Exception):
    """The disk reported an error; only what was acknowledged before is certain to be stored."""


class StorageDamaged(StorageBroken):
    """The stored database is corrupt, and opening it again does not help."""


class SessionLost(StorageBroken):
    """The connection that writes is lost: whether its last transaction is stored is not known.

    Somebody else may write meanwhile, so everything must be read anew.
    """


class Clock(Protocol):
    """The time of day."""

    def __call__(self) -> Micros:
        """Return now."""


class Chance(Protocol):
    """Everything that must be unpredictable or unique."""

    def new_id(self) -> str:
        """Return a new UUID; later ones sort after earlier ones."""

    def base62(self, length: int) -> str:
        """Return random base62 characters fit for a secret."""

    def id_of(self, *names: str) -> str:
        """Return the id of something new that has names of its own."""

    def ids_of(self, account: Account) -> Callable[[], str]:
        """Return a source of ids for one decision about an account."""


Shown: TypeAlias = Any
"""An order in the form that callers receive: storage encodes it, use cases only pass it on."""


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """One entry of a log; `transaction_end` is the sequence of the last one in its transaction."""

    account_id: str
    sequence: int
    transaction_end: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class ReachedOrder:
    """An order that a quote reached when the order was read; `load` returns its current state."""

    account_id: str
    symbol: str
    side: Side
    awaits_trigger: bool
    load: Callable[[], Order]


@dataclass(frozen=True, slots=True)
class Holdings:
    """An account with its positions, from one snapshot of the database.

    `ordered` are empty positions of symbols with live orders, which bind margin.
    """

    account: Account
    positions: list[Position]
    ordered: list[Position] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class OwnedAccount:
    """An account, its owner, the number of live bot keys that they have, and the environment."""

    account: Account
    user: User
    keys: int
    environment: str
    buying_power: Units


@dataclass(frozen=True, slots=True)
class Standing:
    """An account with its positions and the equity curve of its epoch.

    `traded_since` is the time of the first fill; it is set only for a curve without a point.
    """

    holdings: Holdings
    curve: EquityCurve
    traded_since: Micros | None = None


@dataclass(frozen=True, slots=True)
class TrackRecord:
    """An account, the deposits and the equity of its epoch, from one snapshot of the database.

    `snapshots` are (sequence, time, equity), in order of time.
    """

    holdings: Holdings
    inflows: list[Inflow]
    snapshots: list[tuple[int, Micros, Units]]


class Reads(Protocol):
    """What can be read without the engine; each call sees one snapshot of the database."""

    def account(self, account_id: str) -> tuple[Account, User, int]:
        """Return an account, its user and the user's number of live bot keys."""

    def holdings(self, account_id: str) -> Holdings:
        """Return an account with the positions that are not empty, by symbol."""

    def accounts(self, user_id: str) -> tuple[list[Account], User, int]:
        """Return the accounts of a user, the user, and the number of their live bot keys.

        The user's first account comes first, then the others, oldest first.
        """

    def account_count(self, user_id: str) -> int:
        """Return how many accounts a user has."""

    def standing(self, account_id: str) -> Standing:
        """Return the data from which the figures of an account are computed."""

    def track_record(self, account_id: str, wanted: SnapshotFilter) -> TrackRecord:
        """Return the data from which the equity history of an account's epoch is computed."""

    def order(self, account_id: str, order_id: str) -> Order | None:
        """Return an order of an account."""

    def order_by_client_id(self, account_id: str, client_order_id: str) -> Order | None:
        """Return the order that an account placed with this client order id."""

    def orders(self, wanted: OrderFilter, before: int | None, limit: int) -> Found[Order]:
        """Return orders with a sequence below `before`, newest first."""

    def fills(self, wanted: FillFilter, before: int | None, limit: int) -> Found[Fill]:
        """Return fills with a sequence below `before`, newest first."""

    def bars(self, symbol: str, wanted: BarFilter) -> StoredBars:
        """Return stored bars, oldest first; the interval must be one that is stored."""

    def keys(self, user_id: str) -> list[BotKey]:
        """Return all bot keys of a user, newest first."""

    def key(self, key_id: str) -> BotKey:
        """Return a bot key; the caller knows that it exists."""

    def owner_plan(self, user_id: str, account_id: str) -> Plan | None:
        """Return the plan of an account's owner; None if the account is not that user's."""

    def live_key(self, key_hash: bytes) -> tuple[BotKey, Plan] | None:
        """Return the bot key with a hash and its owner's plan; None when unknown or revoked."""

    def live_key_by_id(self, key_id: str) -> tuple[BotKey, Plan] | None:
        """Return a bot key and its owner's plan; None when it is unknown or revoked."""

    def revoked_keys(self, key_ids: Sequence[str]) -> list[str]:
        """Return those of the given bot keys that are revoked."""

    def calls(self, account_id: str, day: int) -> int:
        """Return the stored number of an account's calls on a UTC day."""

    def newest_sequence(self, account_id: str) -> int:
        """Return the sequence of the newest entry of an account's log."""

    def is_cursor(self, account_id: str, sequence: int) -> bool:
        """Tell whether an account's log has an entry with this sequence, or ends or goes on after.

        It is not one if the entry was lost with the database.
        """

    def live_orders(self, account_id: str) -> tuple[int, list[Order]]:
        """Return the sequence of an account's log and the live orders as of it, oldest first."""

    def log_page(self, account_id: str, after: int, limit: int) -> list[StoredEvent]:
        """Return entries of an account's log after a sequence, in order.

        The last entry ends a transaction: a large one can make the page longer than `limit`.
        """

    def logs_after(self, wanted: Sequence[tuple[str, int]]) -> list[StoredEvent]:
        """Return the entries after each (account, sequence), in order."""


class UnitOfWork(People, MarginRecords, SpendingRecords, PublishedRecords, Protocol):
    """One transaction: loads state on demand, collects decisions and stores them together.

    Reads see the earlier decisions of the same unit. Without `commit`, nothing since the last
    checkpoint stays, neither on disk nor in memory.
    """

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...

    stage: Stage
    """The changes to memory; they are published when the data behind them is durable."""

    grown_logs: set[str]
    """The accounts whose logs have new durable entries."""

    def commit(self) -> None:
        """Store everything durably; raise StorageUnavailable or StorageBroken."""

    def step(self, store: Callable[[], None]) -> AbstractContextManager[None]:
        """Publish the changes of a step together, with the first commit after the step.

        A checkpoint within the step publishes only the changes before the step; `store` stores
        those.
        """

    def checkpoint(self) -> None:
        """Commit what was decided so far; the unit of work continues."""

    def preload(
        self,
        holdings: Sequence[tuple[str, str]],
        client_order_ids: Sequence[tuple[str, str]] = (),
        bot_key_ids: Iterable[str] = (),
    ) -> None:
        """Load (account, symbol) and (account, client_order_id) pairs and keys together."""

    def account(self, account_id: str) -> Account:
        """Return an account; the caller knows that it exists.

        Raises ForeignShard if another engine owns it.
        """

    def owned_of(self, account_ids: Collection[str]) -> set[str]:
        """Return those of some accounts that this engine owns."""

    def position(self, account_id: str, symbol: str) -> Position:
        """Return a position, an empty one when there is none."""

    def order(self, account_id: str, order_id: str) -> Order | None:
        """Return an order of an account."""

    def order_by_client_id(self, account_id: str, client_order_id: str) -> Order | None:
        """Return the order that an account placed with this client order id."""

    def live_orders(self, account_id: str, symbol: str | None) -> list[Order]:
        """Return the live orders of an account, newest first."""

    def live_orders_of(self, symbols: Sequence[str], limit: int) -> list[Order]:
        """Return at most `limit` live orders for some symbols, of any account."""

    def positions(self, account_id: str) -> list[Position]:
        """Return the positions of an account, by symbol; some may be empty."""

    def positions_of(self, symbols: Sequence[str], limit: int) -> list[Position]:
        """Return at most `limit` positions in some symbols that are not empty, of any account."""

    def symbols_in_use(self) -> list[str]:
        """Return the symbols that accounts hold or have live orders for."""

    def equity_before(self, account: Account, moment: Micros) -> Units | None:
        """Return the newest equity snapshot before a moment plus the deposits since.

        None when the account's epoch has no such snapshot.
        """

    def reached_orders(self, reaches: Sequence[Reach]) -> list[ReachedOrder]:
        """Return the live orders that quotes reach, by account, price priority and time.

        The result may include orders decided in the same unit that no quote reaches.
        """

    def misses(self, symbol: str, bid: Price, ask: Price) -> bool:
        """Tell whether a quote surely reaches no live order, this unit's included."""

    def resting_prices(self, symbol: str) -> RestingPrices:
        """Return between which prices a quote reaches no live order, this unit's included."""

    def next_expiry(self) -> Micros:
        """Return a moment before which no live order expires."""

    def overdue_orders(self, now: Micros, limit: int) -> list[Order]:
        """Return at most `limit` live orders that expire at or before a moment, soonest first."""

    def keep(self, decision: Decision) -> dict[str, Shown]:
        """Store a decision: everything that it holds, and nothing else.

        The decision marks what is new. Returns each order as its last event shows it, by id.
        """

    def end_group(self) -> None:
        """Divide the log here: what was kept before is told apart from what is kept later.

        Otherwise all entries of a transaction are told together, and what is in a transaction
        depends on how fast the machine is.
        """

    def add_usage(
        self, calls: Sequence[tuple[str, int, int]], keys: Sequence[tuple[str, Micros]]
    ) -> None:
        """Add (account, day, calls) to the stored counts, and store (key, last use)."""

    def store_quotes(self, newest: Sequence[tuple[Quote, Bar]]) -> None:
        """Store the newest quotes of some symbols, each with its running minute bar."""

    def stored_quotes(self) -> list[tuple[Quote, Bar]]:
        """Return the newest stored quote of each symbol with its running minute bar."""

    def add_to_bars(self, interval: BarInterval, bars: Sequence[Bar]) -> None:
        """Join bars to the stored ones of an interval; adding the newest one twice is harmless."""

    def drop_minute_bars(self, before: Micros, limit: int) -> None:
        """Drop the oldest minute bars that start before a moment, at most `limit`."""

    def standings_after(self, account_id: str, limit: int) -> list[Standing]:
        """Return at most `limit` accounts that traded in their epoch, by id, after `account_id`."""

    def add_snapshots(self, snapshots: Sequence[tuple[Snapshot, Account, EquityCurve]]) -> None:
        """Store equity snapshots together with the equity curves of their accounts."""

    def with_snapshot_at(self, time: Micros, account_ids: Sequence[str]) -> set[str]:
        """Return those of some accounts that have an equity snapshot at exactly this time."""

    def with_snapshot_since(self, time: Micros, account_ids: Sequence[str]) -> set[str]:
        """Return those of some accounts that have an equity snapshot since a time."""

    def replay_time(self, digest: str) -> Micros | None:
        """Return the moment that the replay of a file has reached; None when it has not begun."""

    def store_replay(self, digest: str, time: Micros) -> None:
        """Store the moment that the replay of a file has reached."""

    def participants(self) -> list[tuple[str, Participant]]:
        """Return the accounts that take part in a lock-step replay; none of them is done."""

    def store_participants(self, participants: Sequence[tuple[str, Participant]]) -> None:
        """Store what is to be known of participants after a restart."""

    def log_page(self, account_id: str, after: int, limit: int) -> list[StoredEvent]:
        """Return at most `limit` stored entries of an account's log after a sequence, in order."""

    def forget_unused_replay(self) -> None:
        """Forget the moments that replays have reached, if there is no account."""
