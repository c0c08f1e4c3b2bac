"""Ports: what the use cases need from clock, chance, market and storage."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import date
from types import TracebackType
from typing import Any, Protocol, Self, TypeAlias

from server.application.listings import FillFilter, Found, OrderFilter
from server.application.people import People
from server.application.staging import Stage
from server.domain.account import Account, Inflow, Position, Snapshot, SnapshotFilter
from server.domain.bar import Bar, BarFilter, BarInterval, StoredBars
from server.domain.equity_curve import EquityCurve
from server.domain.events import Fill
from server.domain.instrument import AssetType, Instrument
from server.domain.matching import Reach
from server.domain.order import Order, Side
from server.domain.posting import Decision
from server.domain.quote import Quote
from server.domain.user import BotKey, Plan, User
from server.domain.values import Micros, Units


class StorageUnavailable(Exception):
    """The database is locked, away or full; nothing was stored."""


class StorageBroken(Exception):
    """The disk reported an error; whatever was acknowledged before may be all there is."""


class StorageDamaged(StorageBroken):
    """What is stored is no sound database, and opening it again does not help."""


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


@dataclass(frozen=True, slots=True)
class MarketStep:
    """A moment, and the quotes that became due by then."""

    time: Micros
    quotes: Sequence[Quote]


class QuoteSource(Protocol):
    """Where quotes come from."""

    @property
    def environment(self) -> str:
        """Return the name of the contract's environment."""

    @property
    def replay_digest(self) -> str | None:
        """Return the name of the file that is replayed; None on a market of the real time."""

    @property
    def fault(self) -> str | None:
        """Return why no more quotes come though they should; None while all is well."""

    def poll(self, now: Micros) -> Sequence[MarketStep]:
        """Return what is due after the step that was played last, in order of time."""

    def play(self, step: MarketStep, stage: Stage) -> None:
        """Stage that a step is played: it and what came before it are not due any more."""

    def is_due(self, now: Micros) -> bool:
        """Tell whether time must pass before anything else is decided."""

    def due_in(self, now: Micros) -> Micros | None:
        """Return in how much real time `poll` has quotes next; None when it never has."""


class Instruments(Protocol):
    """What can be traded."""

    def find(self, symbol: str) -> Instrument | None:
        """Return the instrument of a normalised symbol, expired options included."""

    def listed(self, now: Micros) -> Sequence[Instrument]:
        """Return what is traded now, by symbol."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketHours:
    """Whether a market is open, and when it opens and closes next; None for never."""

    is_open: bool
    next_open: Micros | None
    next_close: Micros | None


class Calendar(Protocol):
    """When markets trade."""

    def is_open(self, asset_type: AssetType, now: Micros) -> bool:
        """Tell whether orders execute at a moment."""

    def is_open_throughout(self, asset_type: AssetType, since: Micros, now: Micros) -> bool:
        """Tell whether orders execute at two moments, in either order, and all the time between."""

    def day_end(self, asset_type: AssetType, now: Micros) -> Micros:
        """Return when a DAY order placed now expires: at the end of the running or next session."""

    def hours(self, asset_type: AssetType, now: Micros) -> MarketHours:
        """Return whether a market is open at a moment, and what comes next."""

    def session_on(self, asset_type: AssetType, day: date) -> tuple[Micros, Micros] | None:
        """Return beginning and end of a trading day's session; None when there is none."""


Shown: TypeAlias = Any
"""An order as callers are shown it, made where its event is encoded; nothing here looks into it."""


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """One entry of an account's log; `transaction_end` is the last one stored together with it."""

    account_id: str
    sequence: int
    transaction_end: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class ReachedOrder:
    """An order that a quote reached when it was read; `load` returns it as it is now."""

    account_id: str
    symbol: str
    side: Side
    awaits_trigger: bool
    load: Callable[[], Order]


@dataclass(frozen=True, slots=True)
class Holdings:
    """An account with its positions, from one snapshot."""

    account: Account
    positions: list[Position]


@dataclass(frozen=True, slots=True)
class OwnedAccount:
    """An account with its owner, the owner's number of live bot keys, and the kind of market."""

    account: Account
    user: User
    keys: int
    environment: str


@dataclass(frozen=True, slots=True)
class Standing:
    """An account, its positions, its epoch's curve, and its first fill where that has no point."""

    holdings: Holdings
    curve: EquityCurve
    traded_since: Micros | None = None


@dataclass(frozen=True, slots=True)
class TrackRecord:
    """An account, what came in during its epoch and what it was worth, from one snapshot.

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
        """Return the accounts of a user, the user, and their live keys' number.

        The first account comes first, then the others, oldest first.
        """

    def account_count(self, user_id: str) -> int:
        """Return how many accounts a user has."""

    def standing(self, account_id: str) -> Standing:
        """Return what the figures of an account are computed from."""

    def track_record(self, account_id: str, wanted: SnapshotFilter) -> TrackRecord:
        """Return what the history of an account's epoch is made of."""

    def order(self, account_id: str, order_id: str) -> Order | None:
        """Return an order of an account."""

    def order_by_client_id(self, account_id: str, client_order_id: str) -> Order | None:
        """Return the order that an account placed under its own id."""

    def orders(self, wanted: OrderFilter, before: int | None, limit: int) -> Found[Order]:
        """Return orders with a sequence below `before`, newest first."""

    def fills(self, wanted: FillFilter, before: int | None, limit: int) -> Found[Fill]:
        """Return fills with a sequence below `before`, newest first."""

    def bars(self, symbol: str, wanted: BarFilter) -> StoredBars:
        """Return stored bars, oldest first; the interval is one of those that are stored."""

    def keys(self, user_id: str) -> list[BotKey]:
        """Return all bot keys of a user, newest first."""

    def key(self, key_id: str) -> BotKey:
        """Return a bot key that is known to exist."""

    def owns(self, user_id: str, account_id: str) -> bool:
        """Tell whether an account is a user's."""

    def live_key(self, key_hash: bytes) -> tuple[BotKey, Plan] | None:
        """Return the bot key with a hash, unless it is revoked, and its owner's plan."""

    def live_key_by_id(self, key_id: str) -> tuple[BotKey, Plan] | None:
        """Return a bot key, unless it is unknown or revoked, and its owner's plan."""

    def revoked_keys(self, key_ids: Sequence[str]) -> list[str]:
        """Return which of some bot keys are revoked."""

    def calls(self, account_id: str, day: int) -> int:
        """Return the calls of an account that are stored for a UTC day."""

    def newest_sequence(self, account_id: str) -> int:
        """Return the sequence of the newest entry of an account's log."""

    def live_orders(self, account_id: str) -> tuple[int, list[Order]]:
        """Return the sequence of an account's log and the live orders as of it, oldest first."""

    def log_page(self, account_id: str, after: int, limit: int) -> list[StoredEvent]:
        """Return entries of an account's log after a sequence, in order.

        They end with the end of a transaction: some more than `limit` when one is larger.
        """

    def logs_after(self, wanted: Sequence[tuple[str, int]]) -> list[StoredEvent]:
        """Return the entries after a sequence of each of some accounts' logs, in order."""


class UnitOfWork(People, Protocol):
    """One transaction: loads what is asked for, keeps what was decided, stores it at once.

    Reads see what was decided in the same unit before. Nothing of it stays when it is left without
    `commit`, on disk or in memory.
    """

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...

    stage: Stage
    """Where memory changes: it is published when what it tells of is durable."""

    grown_logs: set[str]
    """The accounts to whose logs something was added that is durable."""

    def commit(self) -> None:
        """Store everything durably; raise StorageUnavailable or StorageBroken."""

    def step(self, store: Callable[[], None]) -> AbstractContextManager[None]:
        """Publish what is staged within as a whole, when it is committed after the step.

        A checkpoint within the step publishes what was staged before it, which `store` stores.
        """

    def checkpoint(self) -> None:
        """Commit what was decided so far and go on."""

    def preload(
        self, holdings: Sequence[tuple[str, str]], client_order_ids: Sequence[tuple[str, str]]
    ) -> None:
        """Load (account, symbol) pairs and (account, client_order_id) pairs in one go."""

    def account(self, account_id: str) -> Account:
        """Return an account that is known to exist."""

    def position(self, account_id: str, symbol: str) -> Position:
        """Return a position, an empty one when there is none."""

    def order(self, account_id: str, order_id: str) -> Order | None:
        """Return an order of an account."""

    def order_by_client_id(self, account_id: str, client_order_id: str) -> Order | None:
        """Return the order that an account placed under its own id."""

    def live_orders(self, account_id: str, symbol: str | None) -> list[Order]:
        """Return the live orders of an account, newest first."""

    def live_orders_of(self, symbols: Sequence[str], limit: int) -> list[Order]:
        """Return live orders of any account for some symbols, at most so many."""

    def positions(self, account_id: str) -> list[Position]:
        """Return the positions of an account, by symbol; some may be empty."""

    def positions_of(self, symbols: Sequence[str], limit: int) -> list[Position]:
        """Return positions of any account in some symbols that are not empty, at most so many."""

    def symbols_in_use(self) -> list[str]:
        """Return the symbols that accounts hold or have live orders for."""

    def equity_before(self, account: Account, moment: Micros) -> Units | None:
        """Return the newest equity snapshot before a moment, and what came in since.

        None when the account's epoch has none.
        """

    def reached_orders(self, reaches: Sequence[Reach]) -> list[ReachedOrder]:
        """Return the live orders that quotes reach, by account, price priority and time.

        Some that were decided in the same unit may be among them though no quote reaches them.
        """

    def overdue_orders(self, now: Micros, limit: int) -> list[Order]:
        """Return live orders that expire at or before a moment, at most so many, soonest first."""

    def keep(self, decision: Decision) -> dict[str, Shown]:
        """Store what was decided: all that the decision holds, as it marks it, and nothing else.

        Returns how the last event of each order shows it, by the order's id.
        """

    def add_usage(
        self, calls: Sequence[tuple[str, int, int]], keys: Sequence[tuple[str, Micros]]
    ) -> None:
        """Add (account, day, calls) counts and the (key, last use) moments."""

    def store_quotes(self, newest: Sequence[tuple[Quote, Bar]]) -> None:
        """Store the newest quotes of some symbols, each with the minute that it is in."""

    def stored_quotes(self) -> list[tuple[Quote, Bar]]:
        """Return the newest stored quote of each symbol with the minute that it is in."""

    def add_to_bars(self, interval: BarInterval, bars: Sequence[Bar]) -> None:
        """Join bars to the stored ones of an interval; to add the newest twice adds nothing."""

    def drop_minute_bars(self, before: Micros, limit: int) -> None:
        """Drop the oldest bars of a minute that start before a moment, at most so many."""

    def standings_after(self, account_id: str, limit: int) -> list[Standing]:
        """Return the accounts that traded in their epoch, by id, after one: at most so many."""

    def add_snapshots(self, snapshots: Sequence[tuple[Snapshot, Account, EquityCurve]]) -> None:
        """Store what accounts are worth, and their equity curves with it."""

    def replay_time(self, digest: str) -> Micros | None:
        """Return how far the replay of a file has got; None when it was not begun."""

    def store_replay(self, digest: str, time: Micros) -> None:
        """Store how far the replay of a file has got."""

    def forget_unused_replay(self) -> None:
        """Forget how far a replay has got in which nobody has an account."""
