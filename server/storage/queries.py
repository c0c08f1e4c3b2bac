"""Queries: everything that is read without the engine, each from one database snapshot."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Engine, func, select

from server.application.ports import Holdings, Standing, TrackRecord
from server.domain.account import Account, MarginMode, SnapshotFilter
from server.domain.bar import Bar, BarFilter, StoredBars
from server.domain.order import Order
from server.domain.quote import Quote
from server.domain.user import BotKey, Plan, User
from server.domain.values import Micros
from server.storage import curve_mapping, mapping, market_mapping, people_mapping, statements
from server.storage.clock_tables import replays
from server.storage.database import rows, snapshot
from server.storage.engine_rows import EngineRows
from server.storage.listing_rows import ListingRows
from server.storage.log_rows import LogRows
from server.storage.return_curves import PastValueRows
from server.storage.standings import curve
from server.storage.tables import (
    accounts,
    api_usage,
    bot_keys,
    equity_snapshots,
    inflows,
    orders,
    positions,
    quotes,
    users,
)
from server.storage.trail_rows import orders_from

BEGINNING: Micros = -(2**63)


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """The market of a database: the replayed file and its position, and the symbols in use.

    `symbols_in_use` are those that accounts hold or have live orders for.
    """

    replay_digest: str | None
    replay_time: Micros | None
    has_accounts: bool
    symbols_in_use: list[str]

    def is_of(self, replay_digest: str | None) -> bool:
        """Tell whether the accounts, if any, belong to a file's replay; None is real time."""
        return not self.has_accounts or self.replay_digest == replay_digest


class SqlReads(LogRows, ListingRows, PastValueRows, EngineRows):
    """Reads on connections that cannot write."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    def history(self) -> History:
        """Return the market of a database."""
        held = select(positions.c.symbol).where(positions.c.quantity != 0)
        ordered = select(orders.c.symbol).where(orders.c.live)
        newest = select(replays).order_by(replays.c.time.desc()).limit(1)
        with snapshot(self._engine) as connection:
            replay = connection.execute(newest).one_or_none()
            anybody = connection.execute(select(accounts.c.id).limit(1)).scalar_one_or_none()
            symbols = sorted(connection.execute(held.union(ordered)).scalars())
        return History(
            replay_digest=None if replay is None else replay.digest,
            replay_time=None if replay is None else replay.time,
            has_accounts=anybody is not None,
            symbols_in_use=symbols,
        )

    def account(self, account_id: str) -> tuple[Account, User, int]:
        with snapshot(self._engine) as connection:
            account = _account(connection, account_id)
            return account, *_owner(connection, account)

    def accounts(self, user_id: str) -> tuple[list[Account], User, int]:
        owned = (
            select(accounts)
            .where(accounts.c.user_id == user_id)
            .join(users, users.c.id == accounts.c.user_id)
            .order_by(
                accounts.c.id != users.c.first_account_id, accounts.c.created_at, accounts.c.id
            )
        )
        with snapshot(self._engine) as connection:
            found = [mapping.account_from(row) for row in connection.execute(owned)]
            return found, *_owner(connection, found[0])

    def account_count(self, user_id: str) -> int:
        query = select(func.count()).where(accounts.c.user_id == user_id)
        with snapshot(self._engine) as connection:
            return connection.execute(query).scalar_one()

    def holdings(self, account_id: str) -> Holdings:
        with snapshot(self._engine) as connection:
            return _holdings(connection, account_id)

    def ranked_as(self, account_id: str) -> MarginMode:
        """Return among which accounts an account ranks; CASH if there is no such account."""
        query = select(accounts.c.had_margin).where(accounts.c.id == account_id)
        with snapshot(self._engine) as connection:
            had_margin = connection.execute(query).scalar_one_or_none()
        return MarginMode.MARGIN if had_margin else MarginMode.CASH

    def has_account(self, account_id: str) -> bool:
        """Tell whether an account exists."""
        query = select(accounts.c.id).where(accounts.c.id == account_id)
        with snapshot(self._engine) as connection:
            return connection.execute(query).one_or_none() is not None

    def quotes(self) -> list[Quote]:
        """Return the newest stored quote of each symbol."""
        with snapshot(self._engine) as connection:
            return [market_mapping.quote_from(row) for row in connection.execute(select(quotes))]

    def initial_values(self, account_id: str) -> list[tuple[Micros, float]]:
        """Return the value of the initial balance at each snapshot of an account's epoch."""
        point = equity_snapshots.c
        with snapshot(self._engine) as connection:
            epoch = _account(connection, account_id).epoch_sequence
            taken = (
                select(point.time, point.initial_value)
                .where(point.account_id == account_id, point.sequence >= epoch)
                .order_by(point.sequence, point.time)
            )
            return [(time, value) for time, value in connection.execute(taken)]

    def standing(self, account_id: str) -> Standing:
        with snapshot(self._engine) as connection:
            holdings = _holdings(connection, account_id)
            return Standing(holdings, curve(connection, holdings.account))

    def track_record(self, account_id: str, wanted: SnapshotFilter) -> TrackRecord:
        with snapshot(self._engine) as connection:
            holdings = _holdings(connection, account_id)
            account = holdings.account
            came_in = (
                select(inflows)
                .where(inflows.c.account_id == account_id)
                .where(inflows.c.sequence > account.epoch_sequence)
                .order_by(inflows.c.sequence)
            )
            values = {
                "account_id": account_id,
                "epoch_sequence": account.epoch_sequence,
                "epoch_began_at": account.epoch_began_at,
                "since": BEGINNING if wanted.since is None else wanted.since,
                "before": wanted.before,
                "width": wanted.width,
                "limit": wanted.limit,
            }
            taken = rows(connection, statements.SELECT_SNAPSHOTS, values)
            return TrackRecord(
                holdings,
                [curve_mapping.inflow_from(row) for row in connection.execute(came_in)],
                [(sequence, time, equity) for sequence, time, equity in taken],
            )

    def order(self, account_id: str, order_id: str) -> Order | None:
        return self._order(orders.c.account_id == account_id, orders.c.id == order_id)

    def order_by_client_id(self, account_id: str, client_order_id: str) -> Order | None:
        return self._order(
            orders.c.account_id == account_id, orders.c.client_order_id == client_order_id
        )

    def bars(self, symbol: str, wanted: BarFilter) -> StoredBars:
        values = {
            "symbol": symbol,
            "interval": wanted.interval.value,
            "start": BEGINNING if wanted.start is None else wanted.start,
            "end": wanted.end,
            "limit": wanted.limit,
        }
        with snapshot(self._engine) as connection:
            found = rows(connection, statements.SELECT_BARS, values).fetchall()
            query = select(quotes).where(quotes.c.symbol == symbol)
            newest = connection.execute(query).one_or_none()
        bars = [
            Bar(symbol=symbol, start=start, open=first, high=high, low=low, close=last)
            for start, first, high, low, last in reversed(found)
        ]
        if newest is None:
            return StoredBars(bars, None)
        return StoredBars(
            bars, (market_mapping.quote_from(newest), market_mapping.minute_from(newest))
        )

    def keys(self, user_id: str) -> list[BotKey]:
        query = (
            select(bot_keys)
            .where(bot_keys.c.user_id == user_id)
            .order_by(bot_keys.c.created_at.desc(), bot_keys.c.id.desc())
        )
        with snapshot(self._engine) as connection:
            return [people_mapping.key_from(row) for row in connection.execute(query)]

    def live_key(self, key_hash: bytes) -> tuple[BotKey, Plan] | None:
        return self._live_key(bot_keys.c.key_hash == key_hash)

    def live_key_by_id(self, key_id: str) -> tuple[BotKey, Plan] | None:
        return self._live_key(bot_keys.c.id == key_id)

    def _live_key(self, condition: Any) -> tuple[BotKey, Plan] | None:
        query = (
            select(bot_keys, users.c.plan.label("plan"))
            .join(users, users.c.id == bot_keys.c.user_id)
            .where(condition, bot_keys.c.revoked_at.is_(None))
        )
        with snapshot(self._engine) as connection:
            row = connection.execute(query).one_or_none()
        if row is None:
            return None
        values = dict(row._mapping)
        plan = Plan(values.pop("plan"))
        values["permissions"] = people_mapping.permissions_from(values["permissions"])
        return BotKey(**values), plan

    def key(self, key_id: str) -> BotKey:
        query = select(bot_keys).where(bot_keys.c.id == key_id)
        with snapshot(self._engine) as connection:
            return people_mapping.key_from(connection.execute(query).one())

    def owner_plan(self, user_id: str, account_id: str) -> Plan | None:
        query = (
            select(users.c.plan)
            .join(accounts, accounts.c.user_id == users.c.id)
            .where(accounts.c.id == account_id, users.c.id == user_id)
        )
        with snapshot(self._engine) as connection:
            plan = connection.execute(query).scalar_one_or_none()
        return None if plan is None else Plan(plan)

    def calls(self, account_id: str, day: int) -> int:
        query = select(api_usage.c.calls).where(
            api_usage.c.account_id == account_id, api_usage.c.day == day
        )
        with snapshot(self._engine) as connection:
            return connection.execute(query).scalar_one_or_none() or 0

    def _order(self, *conditions: Any) -> Order | None:
        with snapshot(self._engine) as connection:
            row = connection.execute(select(orders).where(*conditions)).one_or_none()
            return None if row is None else orders_from([row], connection)[0]


def _account(connection: Connection, account_id: str) -> Account:
    row = connection.execute(select(accounts).where(accounts.c.id == account_id)).one()
    return mapping.account_from(row)


def _owner(connection: Connection, account: Account) -> tuple[User, int]:
    """Return the user of an account, and how many live keys they have."""
    row = connection.execute(select(users).where(users.c.id == account.user_id)).one()
    keys = select(func.count()).where(
        bot_keys.c.user_id == account.user_id, bot_keys.c.revoked_at.is_(None)
    )
    return people_mapping.user_from(row), connection.execute(keys).scalar_one()


def _holdings(connection: Connection, account_id: str) -> Holdings:
    held = (
        select(positions)
        .where(
            positions.c.account_id == account_id,
            (positions.c.quantity != 0)
            | (positions.c.reserved_quantity != 0)
            | (positions.c.open_buy_quantity != 0),
        )
        .order_by(positions.c.symbol)
    )
    found = [mapping.position_from(row) for row in connection.execute(held)]
    return Holdings(
        _account(connection, account_id),
        [position for position in found if position.quantity],
        ordered=[position for position in found if not position.quantity],
    )
