"""Quotes, bars, equity snapshots and the progress of a replay, within a unit of work."""

from collections.abc import Sequence

from sqlalchemy import Connection, delete, exists, select

from server.application.ports import Standing
from server.domain.account import Account, Snapshot
from server.domain.bar import Bar, BarInterval
from server.domain.equity_curve import EquityCurve
from server.domain.quote import Quote
from server.domain.values import Micros, Units
from server.storage import curve_mapping, market_mapping, statements
from server.storage.clock_tables import accruals, replays
from server.storage.pending import Pending
from server.storage.session import Session, of_owned
from server.storage.standings import standings_after
from server.storage.tables import accounts, equity_snapshots, inflows, quotes


class MarketRows:
    """The part of a unit of work that stores market data."""

    _connection: Connection
    _session: Session
    _pending: Pending

    def store_quotes(self, newest: Sequence[tuple[Quote, Bar]]) -> None:
        self._session.bulk(
            statements.STORE_QUOTE,
            [market_mapping.quote_values(quote, minute) for quote, minute in newest],
        )

    def stored_quotes(self) -> list[tuple[Quote, Bar]]:
        rows = self._connection.execute(select(quotes))
        return [(market_mapping.quote_from(row), market_mapping.minute_from(row)) for row in rows]

    def add_to_bars(self, interval: BarInterval, bars: Sequence[Bar]) -> None:
        name = interval.value
        rows = [market_mapping.bar_values(name, bar) for bar in bars]
        self._session.bulk(statements.ADD_TO_BAR, rows)

    def drop_minute_bars(self, before: Micros, limit: int) -> None:
        values = {"before": before, "limit": limit}
        self._session.run(statements.DROP_MINUTES, values)

    def standings_after(self, account_id: str, limit: int) -> list[Standing]:
        self._pending.write()
        owned = of_owned(accounts, self._session)
        return standings_after(self._connection, account_id, limit, owned)

    def add_snapshots(self, snapshots: Sequence[tuple[Snapshot, Account, EquityCurve]]) -> None:
        self._session.bulk(
            statements.ADD_SNAPSHOT,
            [curve_mapping.snapshot_values(snapshot) for snapshot, _, _ in snapshots],
        )
        self._session.bulk(
            statements.STORE_CURVE,
            [curve_mapping.curve_values(account, curve) for _, account, curve in snapshots],
        )

    def with_snapshot_at(self, time: Micros, account_ids: Sequence[str]) -> set[str]:
        wanted = [(account_id, time) for account_id in account_ids]
        rows = self._session.rows(statements.SELECT_WITH_SNAPSHOT, wanted)
        return {row.account_id for row in rows}

    def with_snapshot_since(self, time: Micros, account_ids: Sequence[str]) -> set[str]:
        wanted = [(account_id, time) for account_id in account_ids]
        rows = self._session.rows(statements.SELECT_WITH_SNAPSHOT_SINCE, wanted)
        return {row.account_id for row in rows}

    def equity_before(self, account: Account, moment: Micros) -> Units | None:
        taken, came_in = equity_snapshots.c, inflows.c
        newest = (
            select(taken.sequence, taken.equity)
            # Restricted by time too, so that the many snapshots of earlier epochs are not read.
            .where(taken.account_id == account.id, taken.time < moment)
            .where(taken.time >= account.epoch_began_at, taken.sequence >= account.epoch_sequence)
            .order_by(taken.time.desc())
            .limit(1)
        )
        row = self._connection.execute(newest).one_or_none()
        if row is None:
            return None
        since = select(came_in.amount).where(
            came_in.account_id == account.id, came_in.sequence > row.sequence
        )
        equity: Units = row.equity + sum(self._connection.execute(since).scalars())
        return equity

    def replay_time(self, digest: str) -> Micros | None:
        query = select(replays.c.time).where(replays.c.digest == digest)
        return self._connection.execute(query).scalar_one_or_none()

    def store_replay(self, digest: str, time: Micros) -> None:
        self._session.bulk(statements.STORE_REPLAY, [{"digest": digest, "time": time}])

    def forget_unused_replay(self) -> None:
        for table in (replays, accruals):
            self._connection.execute(delete(table).where(~exists(select(accounts.c.id))))
